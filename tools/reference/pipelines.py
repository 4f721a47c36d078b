"""Goldens of whole pipelines: what diffusers' SDXL and the paper's text-to-image model make of a
prompt, with hashed weights and the real vocabularies. The noise is PyTorch's, drawn in f32."""

from pathlib import Path

import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    LDMTextToImagePipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
    UNet2DModel,
    VQModel,
)
from diffusers.pipelines.latent_diffusion.pipeline_latent_diffusion import LDMBertConfig, LDMBertModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

import hashed
from families import LDM_BERT, UNET2D, VQ
from models import CLIP_TEXT, UNET, VAE
from record import Stages, write
from tokenizers_golden import tokenizers

PLACES = 77
SEED = 11
PIXELS = 24
REQUEST = {"prompt": "A red cat, 35mm!", "negative_prompt": "", "seed": SEED, "steps": 4, "guidance_scale": 3.0,
           "width": 64, "height": 96}

CLIP = CLIP_TEXT | {"vocab_size": 49408, "max_position_embeddings": PLACES, "hidden_size": 8, "intermediate_size": 16,
                    "num_attention_heads": 2, "bos_token_id": 49406, "eos_token_id": 49407, "pad_token_id": 49407}
# The published files have this end, which is not to be believed, and a padding other than their tokenizer's.
CLIP_2 = CLIP | {"hidden_size": 12, "projection_dim": 10, "num_hidden_layers": 3, "hidden_act": "gelu",
                 "eos_token_id": 2, "pad_token_id": 1}
BERT = LDM_BERT | {"vocab_size": 30522, "max_position_embeddings": PLACES}
UNET_SMALL = UNET | {"block_out_channels": [8, 16], "norm_num_groups": 4}
UNET_XL = UNET_SMALL | {
    "cross_attention_dim": 20,
    "attention_head_dim": [2, 4],
    "use_linear_projection": True,
    "transformer_layers_per_block": [1, 2],
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 10 + 6 * 8,
}
KL_F8 = VAE | {
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "block_out_channels": [8, 8, 8, 8],
    "norm_num_groups": 4,
}
SCHEDULER = {
    "_class_name": "DDIMScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}
XL = {
    "text_encoder": CLIP,
    "text_encoder_2": CLIP_2,
    "unet": UNET_XL,
    "vae": KL_F8 | {"scaling_factor": 0.13025},
    "scheduler": SCHEDULER,
}
LDM = {"text_encoder": BERT, "unet": UNET_SMALL | {"cross_attention_dim": 20}, "vae": KL_F8, "scheduler": SCHEDULER}


def shared(configs: dict) -> dict:
    return {
        "unet": hashed.fill(UNet2DConditionModel.from_config(configs["unet"])),
        "scheduler": DDIMScheduler.from_config(configs["scheduler"]),
    }


def clip(projected: bool, config: dict) -> torch.nn.Module:
    """CLIPTextModel's own names lack the prefix that files have; the one with a projection has it."""
    config = CLIPTextConfig(**{k: v for k, v in config.items() if k != "model_type"})
    model = hashed.fill(CLIPTextModelWithProjection(config))
    assert isinstance(model.text_model, CLIPTextModel)
    return model if projected else model.text_model


def noise() -> torch.Tensor:
    shape = [1, 4, REQUEST["height"] // 8, REQUEST["width"] // 8]
    return torch.randn(shape, generator=torch.Generator().manual_seed(SEED)).double()


def draw(pipeline, stages: Stages, name: str, **arguments) -> None:
    """Adds the latents that the pipeline decodes, and its pixels."""
    vae = getattr(pipeline, "vae", None) or pipeline.vqvae
    decode, latents = vae.decode, []
    vae.decode = lambda z, **options: (latents.append(z), decode(z, **options))[1]
    pipeline.set_progress_bar_config(disable=True)
    image = pipeline(
        num_inference_steps=REQUEST["steps"], guidance_scale=REQUEST["guidance_scale"], width=REQUEST["width"],
        height=REQUEST["height"], latents=noise(), output_type="np", **arguments,
    ).images[0]
    vae.decode = decode
    stages.add(f"{name}.latents", latents[0] * vae.config.scaling_factor)
    flat = (image * 255).round().astype(int).flatten()
    stages[f"{name}.pixels"] = [int(flat[k * (len(flat) - 1) // (PIXELS - 1)]) for k in range(PIXELS)]


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
    stages = Stages()
    context, _, pooled, _ = pipeline.encode_prompt(REQUEST["prompt"])
    stages.add("context", context)
    stages.add("pooled", pooled)
    # Without a negative prompt it is zeros.
    draw(pipeline, stages, "empty", prompt=REQUEST["prompt"])
    draw(pipeline, stages, "blue", prompt=REQUEST["prompt"], negative_prompt="blue")
    write(folder / "config.json", XL)
    write(folder / "input.json", REQUEST)
    write(folder / "golden.json", stages)


def ldm(folder: Path) -> None:
    pipeline = LDMTextToImagePipeline(
        vqvae=hashed.fill(AutoencoderKL.from_config(LDM["vae"])),
        bert=hashed.fill(LDMBertModel(LDMBertConfig(**{k: v for k, v in BERT.items() if k != "model_type"}))),
        tokenizer=tokenizers()["bert"],
        **shared(LDM),
    )
    stages = Stages()
    ids = pipeline.tokenizer(
        REQUEST["prompt"], padding="max_length", max_length=PLACES, truncation=True, return_tensors="pt"
    ).input_ids
    stages.add("context", pipeline.bert(ids)[0])
    draw(pipeline, stages, "empty", prompt=[REQUEST["prompt"]])
    write(folder / "config.json", LDM)
    write(folder / "input.json", REQUEST)
    write(folder / "golden.json", stages)


INPAINTING = {
    "unet": UNET2D | {"in_channels": 7, "out_channels": 3},
    "vqvae": VQ
    | {
        "down_block_types": ["DownEncoderBlock2D"] * 3,
        "up_block_types": ["UpDecoderBlock2D"] * 3,
        "block_out_channels": [8, 8, 16],
        "mid_block_add_attention": False,
    },
    "scheduler": SCHEDULER | {"beta_start": 0.0015, "beta_end": 0.0205},
}
PAINTED = {"seed": SEED, "steps": 4, "width": 64, "height": 72, "mask": [17, 6, 51, 55]}


def inpainting(folder: Path) -> None:
    """The paper's model for in-painting (scripts/inpaint.py of CompVis/latent-diffusion): what it paints is black
    in the picture it sees, and the mask is 1 there and -1 elsewhere."""
    unet = hashed.fill(UNet2DModel.from_config(INPAINTING["unet"]))
    vqvae = hashed.fill(VQModel.from_config(INPAINTING["vqvae"]))
    scheduler = DDIMScheduler.from_config(INPAINTING["scheduler"])
    width, height, (left, top, right, bottom) = PAINTED["width"], PAINTED["height"], PAINTED["mask"]
    y, x, c = np.mgrid[:height, :width, :3]
    picture = torch.from_numpy((3 * x + y * (c + 1) + 40 * c) % 256 / 255).permute(2, 0, 1)[None]
    mask = torch.zeros(1, 1, height, width).double()
    mask[:, :, top:bottom, left:right] = 1
    seen = vqvae.encode((1 - mask) * picture * 2 - 1).latents
    size = seen.shape[2:]
    beside = torch.cat([seen, torch.nn.functional.interpolate(mask * 2 - 1, size=size)], dim=1)
    latents = torch.randn(seen.shape, generator=torch.Generator().manual_seed(SEED)).double()
    scheduler.set_timesteps(PAINTED["steps"])
    for t in scheduler.timesteps:
        answer = unet(torch.cat([latents, beside], dim=1), t).sample
        latents = scheduler.step(answer, t, latents).prev_sample
    stages = Stages()
    stages.add("latents", latents)
    stages.add("image", vqvae.decode(latents).sample)
    write(folder / "config.json", INPAINTING)
    write(folder / "input.json", PAINTED)
    write(folder / "golden.json", stages)


def write_all(root: Path) -> None:
    with torch.no_grad():
        inpainting(root / "pipeline_tiny_ldm_inpainting")
        xl(root / "pipeline_tiny_xl")
        ldm(root / "pipeline_tiny_ldm")
