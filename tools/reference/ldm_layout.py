"""The tensors of the latent-diffusion authors' checkpoints: names and shapes, from their configs.

The functions follow the constructors of `openaimodel.py`, `model.py`, `x_transformer.py` and of
OpenCLIP; FAMILIES holds the `params` of the published configuration files. Nothing here knows
diffusers' names, so that diffusers' own converters can be the judge (`names.py`).
"""

Layout = dict[str, tuple[int, ...]]


class Names(dict):
    """Name → shape, filled by layers of a path."""

    def put(self, name: str, *shape: int) -> None:
        assert name not in self, name
        self[name] = shape

    def conv(self, path, cin, cout, *kernel):
        self.put(f"{path}.weight", cout, cin, *kernel)
        self.put(f"{path}.bias", cout)

    def linear(self, path, cin, cout, bias=True):
        self.put(f"{path}.weight", cout, cin)
        if bias:
            self.put(f"{path}.bias", cout)

    def norm(self, path, channels):
        self.put(f"{path}.weight", channels)
        self.put(f"{path}.bias", channels)


def res_block(n, path, cin, cout, temb, scale_shift):
    n.norm(f"{path}.in_layers.0", cin)
    n.conv(f"{path}.in_layers.2", cin, cout, 3, 3)
    n.linear(f"{path}.emb_layers.1", temb, cout * (2 if scale_shift else 1))
    n.norm(f"{path}.out_layers.0", cout)
    n.conv(f"{path}.out_layers.3", cout, cout, 3, 3)
    if cin != cout:
        n.conv(f"{path}.skip_connection", cin, cout, 1, 1)


def attention_block(n, path, channels):
    n.norm(f"{path}.norm", channels)
    n.conv(f"{path}.qkv", channels, 3 * channels, 1)
    n.conv(f"{path}.proj_out", channels, channels, 1)


def spatial_transformer(n, path, channels, depth, context, only_cross, linear):
    n.norm(f"{path}.norm", channels)
    kernel = () if linear else (1, 1)
    n.conv(f"{path}.proj_in", channels, channels, *kernel)
    for i in range(depth):
        block = f"{path}.transformer_blocks.{i}"
        for attn, dim in (("attn1", context if only_cross else channels), ("attn2", context)):
            n.linear(f"{block}.{attn}.to_q", channels, channels, bias=False)
            n.linear(f"{block}.{attn}.to_k", dim, channels, bias=False)
            n.linear(f"{block}.{attn}.to_v", dim, channels, bias=False)
            n.linear(f"{block}.{attn}.to_out.0", channels, channels)
        n.linear(f"{block}.ff.net.0.proj", channels, 8 * channels)
        n.linear(f"{block}.ff.net.2", 4 * channels, channels)
        for norm in ("norm1", "norm2", "norm3"):
            n.norm(f"{block}.{norm}", channels)
    n.conv(f"{path}.proj_out", channels, channels, *kernel)


def unet(p: dict) -> Names:
    """`UNetModel`, and the one of Stability's generative-models, which adds keys."""
    n, ch, mult = Names(), p["model_channels"], p["channel_mult"]
    temb, blocks, last = 4 * ch, p.get("num_res_blocks", 2), len(mult) - 1
    shift = p.get("use_scale_shift_norm", False)
    depth = p.get("transformer_depth", 1)
    depths = depth if isinstance(depth, list) else [depth] * len(mult)

    def attend(path, level, channels, middle=False):
        if not p.get("context_dim"):
            attention_block(n, path, channels)
            return
        only_cross = p.get("disable_self_attentions", [False] * len(mult))[level] and not middle
        linear = p.get("use_linear_in_transformer", False)
        spatial_transformer(n, path, channels, depths[level], p["context_dim"], only_cross, linear)

    n.linear("time_embed.0", ch, temb)
    n.linear("time_embed.2", temb, temb)
    if p.get("time_cond_proj_dim"):
        n.linear("time_embed.cond_proj", p["time_cond_proj_dim"], ch, bias=False)
    if p.get("num_classes") == "sequential":
        n.linear("label_emb.0.0", p["adm_in_channels"], temb)
        n.linear("label_emb.0.2", temb, temb)
    elif p.get("num_classes"):
        n.put("label_emb.weight", p["num_classes"], temb)

    n.conv("input_blocks.0.0", p["in_channels"], ch, 3, 3)
    skips, now, i = [ch], ch, 1
    for level, m in enumerate(mult):
        for _ in range(blocks):
            res_block(n, f"input_blocks.{i}.0", now, m * ch, temb, shift)
            now = m * ch
            if 2**level in p["attention_resolutions"]:
                attend(f"input_blocks.{i}.1", level, now)
            skips.append(now)
            i += 1
        if level != last:
            if p.get("resblock_updown"):
                res_block(n, f"input_blocks.{i}.0", now, now, temb, shift)
            else:
                n.conv(f"input_blocks.{i}.0.op", now, now, 3, 3)
            skips.append(now)
            i += 1
    res_block(n, "middle_block.0", now, now, temb, shift)
    attend("middle_block.1", last, now, middle=True)
    res_block(n, "middle_block.2", now, now, temb, shift)
    i = 0
    for level, m in reversed(list(enumerate(mult))):
        for j in range(blocks + 1):
            res_block(n, f"output_blocks.{i}.0", now + skips.pop(), m * ch, temb, shift)
            now, sub = m * ch, 1
            if 2**level in p["attention_resolutions"]:
                attend(f"output_blocks.{i}.1", level, now)
                sub = 2
            if level and j == blocks:
                if p.get("resblock_updown"):
                    res_block(n, f"output_blocks.{i}.{sub}", now, now, temb, shift)
                else:
                    n.conv(f"output_blocks.{i}.{sub}.conv", now, now, 3, 3)
            i += 1
    n.norm("out.0", ch)
    n.conv("out.2", ch, p["out_channels"], 3, 3)
    return n


def first_stage(p: dict) -> Names:
    """`AutoencoderKL`, or with `n_embed` the `VQModelInterface`."""
    n, ch, mult, z = Names(), 128, p["ch_mult"], p["z_channels"]
    attend_at, last = p.get("attn_resolutions", []), len(mult) - 1

    def block(path, cin, cout):
        n.norm(f"{path}.norm1", cin)
        n.conv(f"{path}.conv1", cin, cout, 3, 3)
        n.norm(f"{path}.norm2", cout)
        n.conv(f"{path}.conv2", cout, cout, 3, 3)
        if cin != cout:
            n.conv(f"{path}.nin_shortcut", cin, cout, 1, 1)

    def attn(path, channels):
        n.norm(f"{path}.norm", channels)
        for part in ("q", "k", "v", "proj_out"):
            n.conv(f"{path}.{part}", channels, channels, 1, 1)

    def middle(half, channels):
        block(f"{half}.mid.block_1", channels, channels)
        if p.get("attn_type") != "none":
            attn(f"{half}.mid.attn_1", channels)
        block(f"{half}.mid.block_2", channels, channels)

    n.conv("encoder.conv_in", 3, ch, 3, 3)
    now = ch
    for level, m in enumerate(mult):
        for j in range(2):
            block(f"encoder.down.{level}.block.{j}", now, m * ch)
            now = m * ch
            if 256 // 2**level in attend_at:
                attn(f"encoder.down.{level}.attn.{j}", now)
        if level != last:
            n.conv(f"encoder.down.{level}.downsample.conv", now, now, 3, 3)
    middle("encoder", now)
    n.norm("encoder.norm_out", now)
    n.conv("encoder.conv_out", now, z if "n_embed" in p else 2 * z, 3, 3)
    n.conv("decoder.conv_in", z, now, 3, 3)
    middle("decoder", now)
    for level, m in reversed(list(enumerate(mult))):
        for j in range(3):
            block(f"decoder.up.{level}.block.{j}", now, m * ch)
            now = m * ch
            if 256 // 2**level in attend_at:
                attn(f"decoder.up.{level}.attn.{j}", now)
        if level:
            n.conv(f"decoder.up.{level}.upsample.conv", now, now, 3, 3)
    n.norm("decoder.norm_out", now)
    n.conv("decoder.conv_out", now, 3, 3, 3)
    double = 1 if "n_embed" in p else 2
    n.conv("quant_conv", double * z, double * z, 1, 1)
    n.conv("post_quant_conv", z, z, 1, 1)
    if "n_embed" in p:
        n.put("quantize.embedding.weight", p["n_embed"], z)
    return n


def clip(p: dict) -> Names:
    """`FrozenCLIPEmbedder.transformer`, a transformers model of before version 4.31."""
    n, dim = Names(), p["width"]
    n.put("text_model.embeddings.position_ids", 1, 77)
    n.put("text_model.embeddings.token_embedding.weight", 49408, dim)
    n.put("text_model.embeddings.position_embedding.weight", 77, dim)
    for i in range(p["layers"]):
        layer = f"text_model.encoder.layers.{i}"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            n.linear(f"{layer}.self_attn.{part}", dim, dim)
        n.norm(f"{layer}.layer_norm1", dim)
        n.linear(f"{layer}.mlp.fc1", dim, 4 * dim)
        n.linear(f"{layer}.mlp.fc2", 4 * dim, dim)
        n.norm(f"{layer}.layer_norm2", dim)
    n.norm("text_model.final_layer_norm", dim)
    return n


def open_clip(p: dict) -> Names:
    """`FrozenOpenCLIPEmbedder.model`, without its vision tower."""
    n, dim = Names(), p["width"]
    n.put("positional_embedding", 77, dim)
    n.put("text_projection", dim, dim)
    n.put("logit_scale")
    n.put("token_embedding.weight", 49408, dim)
    for i in range(p["layers"]):
        block = f"transformer.resblocks.{i}"
        n.norm(f"{block}.ln_1", dim)
        n.put(f"{block}.attn.in_proj_weight", 3 * dim, dim)
        n.put(f"{block}.attn.in_proj_bias", 3 * dim)
        n.linear(f"{block}.attn.out_proj", dim, dim)
        n.norm(f"{block}.ln_2", dim)
        n.linear(f"{block}.mlp.c_fc", dim, 4 * dim)
        n.linear(f"{block}.mlp.c_proj", 4 * dim, dim)
    n.norm("ln_final", dim)
    return n


def bert(p: dict) -> Names:
    """`BERTEmbedder.transformer`: a `TransformerWrapper`, 8 heads of 64."""
    n, dim, inner = Names(), p["width"], 512
    n.put("token_emb.weight", 30522, dim)
    n.put("pos_emb.emb.weight", 77, dim)
    for i in range(p["layers"]):
        attn, ff = f"attn_layers.layers.{2 * i}", f"attn_layers.layers.{2 * i + 1}"
        n.norm(f"{attn}.0", dim)
        for part in ("to_q", "to_k", "to_v"):
            n.linear(f"{attn}.1.{part}", dim, inner, bias=False)
        n.linear(f"{attn}.1.to_out", inner, dim)
        n.norm(f"{ff}.0", dim)
        n.linear(f"{ff}.1.net.0.0", dim, 4 * dim)
        n.linear(f"{ff}.1.net.2", 4 * dim, dim)
    n.norm("norm", dim)
    n.linear("to_logits", dim, 30522)
    return n


def class_embedder(p: dict) -> Names:
    n = Names()
    n.put("embedding.weight", p["n_classes"], p["width"])
    return n


KL_F8 = dict(ch_mult=[1, 2, 4, 4], z_channels=4)
KL_F4 = dict(ch_mult=[1, 2, 4], z_channels=4)
VQ_F4 = dict(ch_mult=[1, 2, 4], z_channels=3, n_embed=8192)
VQ_F4_NOATTN = VQ_F4 | dict(attn_type="none")
VQ_F8 = dict(ch_mult=[1, 2, 2, 4], z_channels=4, n_embed=16384, attn_resolutions=[32])
CLIP_L = ("cond_stage_model.transformer.", clip, dict(width=768, layers=12))
OPEN_CLIP_H = ("cond_stage_model.model.", open_clip, dict(width=1024, layers=24))
BIG_G = dict(width=1280, layers=32)

SD1 = dict(
    in_channels=4, out_channels=4, model_channels=320, attention_resolutions=[4, 2, 1],
    channel_mult=[1, 2, 4, 4], context_dim=768,
)
SD2 = SD1 | dict(context_dim=1024, use_linear_in_transformer=True)
SDXL = SD2 | dict(
    attention_resolutions=[4, 2], channel_mult=[1, 2, 4], transformer_depth=[1, 2, 10],
    context_dim=2048, num_classes="sequential", adm_in_channels=2816,
)
REFINER = SDXL | dict(
    model_channels=384, channel_mult=[1, 2, 4, 4], transformer_depth=4, context_dim=1280,
    adm_in_channels=2560,
)
X4 = SD2 | dict(
    in_channels=7, model_channels=256, attention_resolutions=[2, 4, 8], channel_mult=[1, 2, 2, 4],
    disable_self_attentions=[True, True, True, False], num_classes=1000,
)
CELEBA = dict(
    in_channels=3, out_channels=3, model_channels=224, attention_resolutions=[8, 4, 2],
    channel_mult=[1, 2, 3, 4],
)
CHURCHES = dict(
    in_channels=4, out_channels=4, model_channels=192, attention_resolutions=[1, 2, 4, 8],
    channel_mult=[1, 2, 2, 4, 4], use_scale_shift_norm=True, resblock_updown=True,
)
BSR = CELEBA | dict(
    in_channels=6, model_channels=160, attention_resolutions=[16, 8], channel_mult=[1, 2, 2, 4]
)
INPAINTING = CELEBA | dict(in_channels=7, model_channels=256, resblock_updown=True)
CIN_V2 = CELEBA | dict(model_channels=192, channel_mult=[1, 2, 3, 5], context_dim=512)
CIN = CIN_V2 | dict(
    in_channels=4, out_channels=4, model_channels=256, attention_resolutions=[4, 2, 1],
    channel_mult=[1, 2, 4],
)
XL_TEXT = {
    "text_encoder": ("conditioner.embedders.0.transformer.", *CLIP_L[1:]),
    "text_encoder_2": ("conditioner.embedders.1.model.", open_clip, BIG_G),
}

# Family → part → (prefix, layout, params). The parts are called as diffusers calls their folders.
UNET, FIRST = "model.diffusion_model.", "first_stage_model."
FAMILIES = {
    "sd15": (SD1, ("vae", KL_F8), {"text_encoder": CLIP_L}),
    "sd15-inpainting": (SD1 | dict(in_channels=9), ("vae", KL_F8), {"text_encoder": CLIP_L}),
    "sd15-lcm": (SD1 | dict(time_cond_proj_dim=256), ("vae", KL_F8), {"text_encoder": CLIP_L}),
    "sd2": (SD2, ("vae", KL_F8), {"text_encoder": OPEN_CLIP_H}),
    "sd2-inpainting": (SD2 | dict(in_channels=9), ("vae", KL_F8), {"text_encoder": OPEN_CLIP_H}),
    "sdxl": (SDXL, ("vae", KL_F8), XL_TEXT),
    "sdxl-inpainting": (SDXL | dict(in_channels=9), ("vae", KL_F8), XL_TEXT),
    "sdxl-lcm": (SDXL | dict(time_cond_proj_dim=256), ("vae", KL_F8), XL_TEXT),
    "sdxl-refiner": (
        REFINER, ("vae", KL_F8),
        {"text_encoder_2": ("conditioner.embedders.0.model.", open_clip, BIG_G)},
    ),
    "x4-upscaler": (X4, ("vae", KL_F4), {"text_encoder": OPEN_CLIP_H}),
    "text2img-large": (
        SD1 | dict(context_dim=1280), ("vqvae", KL_F8),
        {"bert": ("cond_stage_model.transformer.", bert, dict(width=1280, layers=32))},
    ),
    "cin256": (
        CIN, ("vqvae", VQ_F8),
        {"class_embedder": ("cond_stage_model.", class_embedder, dict(n_classes=1000, width=512))},
    ),
    "cin256-v2": (
        CIN_V2, ("vqvae", VQ_F4),
        {"class_embedder": ("cond_stage_model.", class_embedder, dict(n_classes=1001, width=512))},
    ),
    "celebahq": (CELEBA, ("vqvae", VQ_F4), {}),
    "lsun-churches": (CHURCHES, ("vqvae", KL_F8), {}),
    "bsr-sr": (BSR, ("vqvae", VQ_F4), {}),
    "ldm-inpainting": (INPAINTING, ("vqvae", VQ_F4_NOATTN), {}),
}


def parts(family: str) -> dict[str, tuple[str, Names]]:
    """Part → (prefix in a single file, names without it)."""
    unet_params, (first, first_params), texts = FAMILIES[family]
    found = {"unet": (UNET, unet(unet_params)), first: (FIRST, first_stage(first_params))}
    for part, (prefix, layout, params) in texts.items():
        found[part] = (prefix, layout(params))
    return found
