"""Goldens of LoRA and its kin: what diffusers' SDXL makes of a prompt with a LoRA in kohya's names, and what single
weights are changed by, as PEFT's layers compute it. All tensors of the files are hashes of their names.
"""

from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionXLPipeline
from peft import LoraConfig, get_peft_model
from peft.tuners.loha.layer import make_weight, make_weight_cp
from peft.tuners.lokr import layer as lokr

import hashed
from pipelines import CLIP, CLIP_2, REQUEST, XL, clip, draw, shared
from record import Stages, rounded, write
from tokenizers_golden import tokenizers

RANK = 3
ALPHA = 1.5
STRENGTH = 0.7


def tensor(name: str, shape: list[int]) -> torch.Tensor:
    return torch.from_numpy(hashed.weight(name, tuple(shape)))


def layers(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    kinds = (torch.nn.Linear, torch.nn.Conv2d)
    return {name: layer.weight for name, layer in module.named_modules() if isinstance(layer, kinds)}


LEAVES = {"conv1": "in_layers.2", "conv2": "out_layers.3", "time_emb_proj": "emb_layers.1"}
OUTSIDE = {
    "conv_in": "input_blocks.0.0",
    "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
}


def authors(path: str) -> str:
    """The latent-diffusion authors' name of a layer of the U-Net, which has two levels of one layer each."""
    if path in OUTSIDE:
        return OUTSIDE[path]
    side, *rest = path.split(".")
    block = 0 if side == "mid_block" else int(rest.pop(0))
    kind, index, *leaf = rest
    index = int(index)
    place = {"resnets": 0, "attentions": 1, "downsamplers": 0, "upsamplers": 2 - block}[kind]
    if side == "mid_block":
        place = ["middle_block", str(1 if kind == "attentions" else 2 * index)]
    elif side == "down_blocks":
        place = ["input_blocks", str(2 if kind == "downsamplers" else 1 + 2 * block), str(place)]
    else:
        place = ["output_blocks", str(2 * block + (1 if kind == "upsamplers" else index)), str(place)]
    if kind == "downsamplers":
        leaf = ["op"]
    if kind == "resnets":
        leaf = [(LEAVES | {"conv_shortcut": "skip_connection"})[leaf[0]]]
    return ".".join([*place, *leaf])


def kohya(pipeline) -> tuple[dict[str, list[int]], dict[str, float]]:
    """Names and shapes of the matrices for every layer, and their alphas."""
    shapes, alphas = {}, {}
    for prefix, model in [("te1", pipeline.text_encoder), ("te2", pipeline.text_encoder_2), ("unet", pipeline.unet)]:
        for path, weight in layers(model).items():
            if path == "text_projection":
                continue
            if prefix == "unet":
                path = authors(path)
            elif prefix == "te1":
                # See `clip`: the names of this one lack their beginning.
                path = "text_model." + path
            name = f"lora_{prefix}_" + path.replace(".", "_")
            outputs, inputs, *kernel = weight.shape
            shapes[f"{name}.lora_down.weight"] = [RANK, inputs, *kernel]
            shapes[f"{name}.lora_up.weight"] = [outputs, RANK, *[1 for _ in kernel]]
            # One for all: with several, diffusers 0.42 loses those of attention layers.
            alphas[f"{name}.alpha"] = ALPHA
    return shapes, alphas


def xl(folder: Path) -> None:
    vocabularies = tokenizers()
    pipeline = StableDiffusionXLPipeline(
        vae=hashed.fill(AutoencoderKL.from_config(XL["vae"])),
        text_encoder=clip(False, CLIP),
        text_encoder_2=clip(True, CLIP_2),
        tokenizer=vocabularies["clip"],
        tokenizer_2=vocabularies["open_clip"],
        force_zeros_for_empty_prompt=True,
        add_watermarker=False,
        **shared(XL),
    )
    shapes, alphas = kohya(pipeline)
    file = {name: tensor(name, shape) for name, shape in shapes.items()}
    pipeline.load_lora_weights(file | {name: torch.tensor(alpha) for name, alpha in alphas.items()})
    for model in [pipeline.text_encoder, pipeline.text_encoder_2, pipeline.unet]:
        model.double()
    pipeline.set_adapters(pipeline.get_active_adapters(), STRENGTH)
    stages = Stages()
    context, _, pooled, _ = pipeline.encode_prompt(REQUEST["prompt"])
    stages.add("context", context)
    stages.add("pooled", pooled)
    draw(pipeline, stages, "empty", prompt=REQUEST["prompt"])
    write(folder / "config.json", XL)
    write(folder / "input.json", {"request": REQUEST, "strength": STRENGTH, "alpha": ALPHA, "shapes": shapes})
    write(folder / "golden.json", stages)


FORMS = {
    "lora": ([8, 6], {"lora_down.weight": [3, 6], "lora_up.weight": [8, 3]}),
    "locon": ([8, 6, 3, 3], {"lora_down.weight": [3, 6, 3, 3], "lora_up.weight": [8, 3, 1, 1]}),
    "locon_core": (
        [8, 6, 3, 3],
        {"lora_down.weight": [3, 6, 1, 1], "lora_up.weight": [8, 3, 1, 1], "lora_mid.weight": [3, 3, 3, 3]},
    ),
    "dora": ([8, 6], {"lora_down.weight": [3, 6], "lora_up.weight": [8, 3], "dora_scale": [8]}),
    "loha": ([8, 6], {"hada_w1_a": [8, 3], "hada_w1_b": [3, 6], "hada_w2_a": [8, 3], "hada_w2_b": [3, 6]}),
    "loha_flat": ([8, 6, 3, 3], {"hada_w1_a": [8, 3], "hada_w1_b": [3, 54], "hada_w2_a": [8, 3], "hada_w2_b": [3, 54]}),
    "loha_core": (
        [8, 6, 3, 3],
        {"hada_w1_a": [3, 8], "hada_w1_b": [3, 6], "hada_w2_a": [3, 8], "hada_w2_b": [3, 6]}
        | {"hada_t1": [3, 3, 3, 3], "hada_t2": [3, 3, 3, 3]},
    ),
    "lokr": ([8, 6], {"lokr_w1": [2, 3], "lokr_w2": [4, 2]}),
    "lokr_right": ([8, 6], {"lokr_w1": [2, 2], "lokr_w2_a": [4, 3], "lokr_w2_b": [3, 3]}),
    "lokr_both": (
        [8, 6],
        {"lokr_w1_a": [2, 3], "lokr_w1_b": [3, 2], "lokr_w2_a": [4, 3], "lokr_w2_b": [3, 3]},
    ),
    "lokr_kernel": ([8, 6, 3, 3], {"lokr_w1": [2, 2], "lokr_w2": [4, 3, 3, 3]}),
    "lokr_flat": ([8, 6, 3, 3], {"lokr_w1": [2, 2], "lokr_w2_a": [4, 3], "lokr_w2_b": [3, 27]}),
    "lokr_core": (
        [8, 6, 3, 3],
        {"lokr_w1": [2, 2], "lokr_w2_a": [3, 4], "lokr_w2_b": [3, 3], "lokr_t2": [3, 3, 3, 3]},
    ),
    "diff": ([8, 6], {"diff": [8, 6]}),
}


def delta(shape: list[int], base: torch.Tensor, t: dict[str, torch.Tensor]) -> torch.Tensor:
    """What a weight is changed by, in f64."""
    scale = torch.tensor(ALPHA / RANK, dtype=torch.float64)
    if "dora_scale" in t:
        model = torch.nn.Sequential(torch.nn.Linear(shape[1], shape[0], bias=False)).double()
        model[0].weight.data = base.clone()
        config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=["0"], use_dora=True)
        model = get_peft_model(model, config).double()
        for name, value in [("lora_A", "lora_down.weight"), ("lora_B", "lora_up.weight")]:
            getattr(model.base_model.model[0], name)["default"].weight.data = t[value]
        model.base_model.model[0].lora_magnitude_vector["default"].weight.data = t["dora_scale"]
        return model.merge_and_unload()[0].weight.data - base
    if "lora_down.weight" in t:
        # As the layers compute it: what they make of every unit vector.
        down, up = (x.reshape(*x.shape, *[1] * (4 - x.dim())) for x in (t["lora_down.weight"], t["lora_up.weight"]))
        x = torch.eye(down.shape[1] * 9, dtype=torch.float64).reshape(-1, down.shape[1], 3, 3)
        pad = down.shape[-1] == 1 and "lora_mid.weight" not in t
        y = torch.nn.functional.conv2d(x[:, :, 1:2, 1:2] if pad else x, down)
        if "lora_mid.weight" in t:
            y = torch.nn.functional.conv2d(y, t["lora_mid.weight"])
        y = torch.nn.functional.conv2d(y, up)[..., 0, 0]
        return (y[4::9] if pad else y).T.reshape(shape) * scale
    if "hada_t1" in t:
        return make_weight_cp(*(t[f"hada_{n}"] for n in ["t1", "w1_a", "w1_b", "t2", "w2_a", "w2_b"]), scale)
    if "hada_w1_a" in t:
        return make_weight(*(t[f"hada_{n}"] for n in ["w1_a", "w1_b", "w2_a", "w2_b"]), scale).reshape(shape)
    if "diff" in t:
        return t["diff"]
    left = t["lokr_w1"] if "lokr_w1" in t else t["lokr_w1_a"] @ t["lokr_w1_b"]
    if "lokr_w2" in t:
        # Nothing has a rank, so nothing is scaled.
        return lokr.make_kron(left, t["lokr_w2"]).reshape(shape)
    factors = t["lokr_w2_a"], t["lokr_w2_b"]
    right = lokr.make_weight_cp(t["lokr_t2"], *factors) if "lokr_t2" in t else factors[0] @ factors[1]
    return lokr.make_kron(left, right, scale).reshape(shape)


def forms() -> dict:
    found = {}
    for name, (shape, tensors) in FORMS.items():
        base = tensor(f"{name}.weight", shape).double()
        values = {end: tensor(f"{name}.{end}", shape).double() for end, shape in tensors.items()}
        change = delta(shape, base, values)
        assert list(change.shape) == shape, (name, change.shape)
        found[name] = {"shape": shape, "alpha": ALPHA, "tensors": tensors, "delta": rounded(change.flatten())}
    return found


def write_all(root: Path) -> None:
    with torch.no_grad():
        xl(root / "lora_tiny_xl")
    write(root / "lora_forms.json", forms())
