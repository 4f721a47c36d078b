"""Goldens of what the other Stable Diffusion families and the paper's own models add: conditions
beside the time, unconditional U-Nets, vector quantization, the paper's text encoder."""

from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel, UNet2DModel, VQModel
from diffusers.pipelines.latent_diffusion.pipeline_latent_diffusion import (
    LDMBertConfig,
    LDMBertModel,
)
from transformers import BertConfig, BertModel, CLIPTextConfig, CLIPTextModelWithProjection

import hashed
from models import CLIP_TEXT, UNET, VAE, parameters
from record import Stages, gradient_norms, write

CONDITION = "UNet2DConditionModel"
SMALL = UNET | {"block_out_channels": [16, 32]}

# SDXL: pooled text and sizes, transformers of different depths, heads of one width.
UNET_XL = SMALL | {
    "attention_head_dim": [2, 4],
    "use_linear_projection": True,
    "transformer_layers_per_block": [1, 2],
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 10 + 6 * 8,
}
XL_INPUTS = {
    "text_embeds": [2, 10],
    "time_ids": [[1024, 768, 0, 16, 1024, 1024], [512, 512, 8, 0, 640, 384]],
}
XL_GRADIENTS = [
    "add_embedding.linear_1.weight",
    "add_embedding.linear_2.bias",
    "mid_block.attentions.0.transformer_blocks.1.attn2.to_k.weight",
    "down_blocks.1.attentions.0.proj_in.weight",
]

# The x4 upscaler: seven channels, the level of noise as a class, attention that never looks at
# the pixels, but in the lowest block.
UNET_UPSCALER = SMALL | {
    "in_channels": 7,
    "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
    "only_cross_attention": [True, False],
    "use_linear_projection": True,
    "num_class_embeds": 30,
}
UPSCALER_INPUTS = {"class_labels": [20, 3]}
UPSCALER_GRADIENTS = [
    "class_embedding.weight",
    "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_k.weight",
    "up_blocks.1.attentions.1.transformer_blocks.0.attn1.to_v.weight",
]

# Distilled models hear the guidance scale. The rest is no published model, but every option that
# one may have: blocks that resample by residuals, scale and shift, a class as a timestep.
UNET_LCM = SMALL | {
    "down_block_types": ["ResnetDownsampleBlock2D", "CrossAttnDownBlock2D"],
    "mid_block_type": "UNetMidBlock2D",
    "up_block_types": ["CrossAttnUpBlock2D", "ResnetUpsampleBlock2D"],
    "resnet_time_scale_shift": "scale_shift",
    "class_embed_type": "timestep",
    "time_cond_proj_dim": 12,
}
LCM_INPUTS = {"class_labels": [250, 7], "timestep_cond": [2, 12]}
LCM_GRADIENTS = [
    "time_embedding.cond_proj.weight",
    "class_embedding.linear_1.weight",
    "down_blocks.0.downsamplers.0.conv1.weight",
    "down_blocks.0.resnets.0.time_emb_proj.weight",
    "mid_block.resnets.0.norm2.weight",
    "up_blocks.0.upsamplers.0.conv.weight",
]

# A class as a vector, and no lowest block.
UNET_PROJECTION = SMALL | {
    "down_block_types": ["CrossAttnDownBlock2D", "ResnetDownsampleBlock2D"],
    "mid_block_type": None,
    "up_block_types": ["ResnetUpsampleBlock2D", "CrossAttnUpBlock2D"],
    "class_embed_type": "projection",
    "projection_class_embeddings_input_dim": 14,
}
PROJECTION_INPUTS = {"class_labels": [2, 14]}
PROJECTION_GRADIENTS = ["class_embedding.linear_1.weight", "up_blocks.0.upsamplers.0.norm1.weight"]

# The paper's unconditional models; with three channels more, its super-resolution.
UNET2D = {
    "_class_name": "UNet2DModel",
    "sample_size": 8,
    "in_channels": 6,
    "out_channels": 3,
    "center_input_sample": False,
    "time_embedding_type": "positional",
    "freq_shift": 0,
    "flip_sin_to_cos": True,
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D"],
    "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
    "block_out_channels": [16, 32],
    "layers_per_block": 1,
    "mid_block_scale_factor": 1,
    "downsample_padding": 1,
    "act_fn": "silu",
    "attention_head_dim": 8,
    "norm_num_groups": 8,
    "norm_eps": 1e-5,
}
UNET2D_GRADIENTS = [
    "down_blocks.1.attentions.0.to_k.weight",
    "mid_block.attentions.0.group_norm.weight",
    "up_blocks.0.attentions.1.to_out.0.bias",
]

# lsun_churches resamples by residual blocks, and scales and shifts.
UNET2D_RESNET = UNET2D | {
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ["AttnDownBlock2D", "ResnetDownsampleBlock2D"],
    "up_block_types": ["ResnetUpsampleBlock2D", "AttnUpBlock2D"],
    "downsample_type": "resnet",
    "upsample_type": "resnet",
    "resnet_time_scale_shift": "scale_shift",
    "attn_norm_num_groups": 4,
    "num_class_embeds": 9,
}
RESNET_GRADIENTS = [
    "class_embedding.weight",
    "down_blocks.0.downsamplers.0.time_emb_proj.bias",
    "mid_block.attentions.0.group_norm.bias",
    "up_blocks.0.upsamplers.0.conv2.weight",
]

# vq-f8 has attention at the lowest resolution too.
VQ = {k: v for k, v in VAE.items() if k != "scaling_factor"} | {
    "_class_name": "VQModel",
    "down_block_types": ["DownEncoderBlock2D", "AttnDownEncoderBlock2D"],
    "up_block_types": ["AttnUpDecoderBlock2D", "UpDecoderBlock2D"],
    "latent_channels": 5,
    "num_vq_embeddings": 20,
    "vq_embed_dim": 3,
    "scaling_factor": 1.0,
}
VQ_GRADIENTS = [
    "encoder.down_blocks.1.attentions.0.to_v.weight",
    "quant_conv.weight",
    "quantize.embedding.weight",
    "post_quant_conv.weight",
    "decoder.up_blocks.0.attentions.1.group_norm.weight",
]

# kl-f16 and kl-f32 have attention above the lowest resolution; the rest are options.
KL = VAE | {
    "down_block_types": ["AttnDownEncoderBlock2D", "DownEncoderBlock2D"],
    "up_block_types": ["UpDecoderBlock2D", "AttnUpDecoderBlock2D"],
    "mid_block_add_attention": False,
    "use_quant_conv": False,
    "shift_factor": 0.0609,
}
KL_GRADIENTS = [
    "encoder.down_blocks.0.attentions.0.to_q.weight",
    "decoder.up_blocks.1.attentions.0.to_out.0.weight",
    "encoder.mid_block.resnets.1.conv2.bias",
]

LDM_BERT = {
    "model_type": "ldmbert",
    "vocab_size": 60,
    "max_position_embeddings": 9,
    "encoder_layers": 2,
    "encoder_ffn_dim": 40,
    "encoder_attention_heads": 3,
    "head_dim": 4,
    "activation_function": "gelu",
    "d_model": 20,
    "pad_token_id": 0,
}
BERT = {
    "model_type": "bert",
    "vocab_size": 60,
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "max_position_embeddings": 10,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "pad_token_id": 0,
}

BERT_GRADIENTS = [
    "embeddings.word_embeddings.weight",
    "embeddings.position_embeddings.weight",
    "embeddings.token_type_embeddings.weight",
    "embeddings.LayerNorm.weight",
    "encoder.layer.0.attention.self.query.bias",
    "encoder.layer.0.attention.self.value.weight",
    "encoder.layer.0.attention.output.LayerNorm.bias",
    "encoder.layer.1.intermediate.dense.weight",
    "encoder.layer.1.output.dense.bias",
    "encoder.layer.1.output.LayerNorm.weight",
]

LDM_BERT_GRADIENTS = [
    "model.embed_tokens.weight",
    "model.embed_positions.weight",
    "model.layers.0.self_attn.q_proj.weight",
    "model.layers.1.self_attn.out_proj.bias",
    "model.layers.1.fc1.weight",
    "model.layer_norm.weight",
]


def resolve(what: str, value: list) -> torch.Tensor:
    """A shape [N, C] of hashed numbers, or the numbers themselves: of classes, timesteps, sizes."""
    if what in ("text_embeds", "timestep_cond") or (what == "class_labels" and value[1:] == [14]):
        return hashed.input_tensor(what, value)
    return torch.tensor(value)


def unet(folder: Path, config: dict, inputs: dict, gradients: list[str]) -> None:
    conditional = config["_class_name"] == CONDITION
    timesteps = [7, 801]
    shapes = {"sample": [2, config["in_channels"], 8, 8], "noise": [2, config["out_channels"], 8, 8]}
    arguments = {what: resolve(what, value) for what, value in inputs.items()}
    if conditional:
        shapes["context"] = [2, 5, config["cross_attention_dim"]]
        arguments["encoder_hidden_states"] = hashed.input_tensor("context", shapes["context"])
    if "time_ids" in inputs:
        added = {what: arguments.pop(what) for what in ["text_embeds", "time_ids"]}
        arguments["added_cond_kwargs"] = added
    model = (UNet2DConditionModel if conditional else UNet2DModel).from_config(config)
    model = hashed.fill(model)
    embeddings = ["time_embedding", "class_embedding", "add_embedding"]
    names = [name for name in embeddings if getattr(model, name, None) is not None]
    levels = range(len(config["block_out_channels"]))
    names += [f"down_blocks.{i}" for i in levels]
    names += ["mid_block"] * (model.mid_block is not None) + [f"up_blocks.{i}" for i in levels]
    stages = Stages().watch(model, {name: name for name in names})
    out = model(hashed.input_tensor("sample", shapes["sample"]), torch.tensor(timesteps), **arguments)
    out = out.sample
    stages.add("out", out)
    loss = ((out - hashed.input_tensor("noise", shapes["noise"])) ** 2).mean()
    stages["grads"] = gradient_norms(loss, parameters(model, gradients))
    write(folder / "config.json", config)
    write(folder / "input.json", shapes | {"timesteps": timesteps} | inputs)
    write(folder / "golden.json", stages)


def vq(folder: Path) -> None:
    image = hashed.input_tensor("image", [2, 3, 12, 8])
    model = hashed.fill(VQModel.from_config(VQ))
    names = ["encoder.down_blocks.1", "encoder", "decoder.mid_block", "decoder.up_blocks.0"]
    stages = Stages().watch(model, {name: name for name in names})
    latents = model.encode(image).latents
    stages.add("latents", latents)
    distances = torch.cdist(latents.permute(0, 2, 3, 1).reshape(-1, 3), model.quantize.embedding.weight)
    nearest = distances.sort(dim=1)
    margin = (nearest.values[:, 1] - nearest.values[:, 0]).min()
    assert margin > 1e-3, f"two entries are as near as each other but for {margin}"
    quantized, _, (_, _, indices) = model.quantize(latents)
    stages.add("quantized", quantized)
    decoded = model.decode(latents)
    stages.add("decoded", decoded.sample)
    loss = (decoded.sample - image).abs().mean() + decoded.commit_loss
    stages["grads"] = gradient_norms(loss, parameters(model, VQ_GRADIENTS))
    stages["indices"] = indices.tolist()
    write(folder / "config.json", VQ)
    write(folder / "input.json", {"image": list(image.shape)})
    write(folder / "golden.json", stages)


def kl(folder: Path) -> None:
    image = hashed.input_tensor("image", [2, 3, 12, 8])
    model = hashed.fill(AutoencoderKL.from_config(KL))
    names = ["encoder.down_blocks.0", "encoder.mid_block", "encoder", "decoder.up_blocks.1"]
    stages = Stages().watch(model, {name: name for name in names})
    mean = model.encode(image).latent_dist.mean
    decoded = model.decode(mean).sample
    stages.add("decoded", decoded)
    loss = (decoded - image).abs().mean()
    stages["grads"] = gradient_norms(loss, parameters(model, KL_GRADIENTS))
    write(folder / "config.json", KL)
    write(folder / "input.json", {"image": list(image.shape)})
    write(folder / "golden.json", stages)


def ldm_bert(folder: Path) -> None:
    length = LDM_BERT["max_position_embeddings"]
    ids = hashed.input_ids("input_ids", 2 * length, LDM_BERT["vocab_size"])
    rows = [ids[:length], ids[length:-3] + [LDM_BERT["pad_token_id"]] * 3]
    model = hashed.fill(LDMBertModel(LDMBertConfig(**LDM_BERT)))
    stages = Stages().watch(model, {f"layers.{i}": f"model.layers.{i}" for i in range(2)})
    output = model(torch.tensor(rows), output_hidden_states=True, return_dict=True)
    for i, state in enumerate(output.hidden_states):
        stages.add(f"hidden_states.{i}", state)
    stages.add("logits", model.to_logits(output.last_hidden_state))
    loss = (output.last_hidden_state**2 * output.last_hidden_state).mean()
    stages["grads"] = gradient_norms(loss, parameters(model, LDM_BERT_GRADIENTS))
    write(folder / "config.json", LDM_BERT)
    write(folder / "input.json", {"input_ids": rows})
    write(folder / "golden.json", stages)


def bert(folder: Path) -> None:
    """Two sequences without padding, and the second one's states with padding that nobody sees."""
    length, pad = BERT["max_position_embeddings"], BERT["pad_token_id"]
    ids = hashed.input_ids("input_ids", 2 * length, BERT["vocab_size"])
    rows = [[id or 1 for id in ids[:length]], [id or 1 for id in ids[length:-4]] + [pad] * 4]
    model = hashed.fill(BertModel(BertConfig(**BERT, attn_implementation="eager")))
    seen = [[int(id != pad) for id in row] for row in rows]
    padded = model(input_ids=torch.tensor(rows), attention_mask=torch.tensor(seen)).last_hidden_state
    paths = {"embeddings": "embeddings"} | {f"layers.{i}": f"encoder.layer.{i}" for i in range(2)}
    stages = Stages().watch(model, paths)
    states = model(input_ids=torch.tensor(rows)).last_hidden_state
    # PyTorch teaches the padding nothing, so only the sequence without counts.
    loss = (states[0] ** 2 * states[0]).mean()
    stages["grads"] = gradient_norms(loss, parameters(model, BERT_GRADIENTS))
    stages.add("padded", padded[1:, :-4])
    write(folder / "config.json", BERT)
    write(folder / "input.json", {"input_ids": rows})
    write(folder / "golden.json", stages)


def clip_layers(folder: Path) -> None:
    """Every hidden state, and the end of a sequence where the file has the wrong id for it."""
    config = CLIP_TEXT | {"hidden_act": "gelu", "num_hidden_layers": 3, "eos_token_id": 2}
    rows = [[98, 2, 50, 99, 0, 0], [98, 7, 8, 9, 10, 99]]
    model = hashed.fill(CLIPTextModelWithProjection(CLIPTextConfig(**config)))
    stages = Stages()
    with torch.no_grad():
        output = model(input_ids=torch.tensor(rows), output_hidden_states=True)
        for i, state in enumerate(output.hidden_states):
            stages.add(f"hidden_states.{i}", state)
        skipped = model.text_model.final_layer_norm(output.hidden_states[-2])
    stages.add("clip_skip_1", skipped)
    stages.add("text_embeds", output.text_embeds)
    write(folder / "config.json", config)
    write(folder / "input.json", {"input_ids": rows})
    write(folder / "golden.json", stages)


def write_all(root: Path) -> None:
    unet(root / "unet_tiny_xl", UNET_XL, XL_INPUTS, XL_GRADIENTS)
    unet(root / "unet_tiny_upscaler", UNET_UPSCALER, UPSCALER_INPUTS, UPSCALER_GRADIENTS)
    unet(root / "unet_tiny_lcm", UNET_LCM, LCM_INPUTS, LCM_GRADIENTS)
    unet(root / "unet_tiny_projection", UNET_PROJECTION, PROJECTION_INPUTS, PROJECTION_GRADIENTS)
    unet(root / "unet2d_tiny", UNET2D, {}, UNET2D_GRADIENTS)
    unet(root / "unet2d_tiny_resnet", UNET2D_RESNET, {"class_labels": [8, 0]}, RESNET_GRADIENTS)
    vq(root / "vq_tiny")
    kl(root / "vae_tiny_attention")
    ldm_bert(root / "ldm_bert_tiny")
    bert(root / "bert_tiny")
    clip_layers(root / "clip_text_tiny_layers")
