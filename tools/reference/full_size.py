"""Writes a full-size model of random weights and what diffusers makes of it.

    python tools/reference/full_size.py FAMILY FOLDER      # sd15, sd21-v, sdxl, text2img-large
    cargo xtask fidelity FOLDER                            # compares, prints a table

FOLDER/model is a folder as diffusers saves it, FOLDER/reference.safetensors holds inputs and answers
in f32. The vocabularies are those of crates/pipeline/assets. The weights of the largest, sdxl,
are 14 GB in memory and on the disk.
"""

import argparse
import gc
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DiffusionPipeline,
    LDMTextToImagePipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from diffusers.pipelines.latent_diffusion.pipeline_latent_diffusion import LDMBertConfig, LDMBertModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from tokenizers_golden import tokenizers

PROMPT = "a photograph of an astronaut riding a horse, 35mm, f/1.8"
NEGATIVE = "blurry"
SEED = 42
STEPS = 4
GUIDANCE_SCALE = 7.5
PLACES = 77

CLIP_L = dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
              projection_dim=768, hidden_act="quick_gelu")
# Stable Diffusion 2 leaves out the last of OpenCLIP-H's 24 layers.
OPEN_CLIP_H = dict(hidden_size=1024, intermediate_size=4096, num_hidden_layers=23,
                   num_attention_heads=16, projection_dim=512, hidden_act="gelu")
OPEN_CLIP_G = dict(hidden_size=1280, intermediate_size=5120, num_hidden_layers=32,
                   num_attention_heads=20, projection_dim=1280, hidden_act="gelu")
VAE = dict(block_out_channels=[128, 256, 512, 512], layers_per_block=2, latent_channels=4,
           down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4,
           scaling_factor=0.18215)
NOISE = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
             num_train_timesteps=1000, clip_sample=False, set_alpha_to_one=False, steps_offset=1)

FAMILIES = {
    "sd15": dict(text=CLIP_L, unet=dict(sample_size=64, cross_attention_dim=768)),
    "sd21-v": dict(
        text=OPEN_CLIP_H,
        unet=dict(sample_size=96, cross_attention_dim=1024, attention_head_dim=[5, 10, 20, 20],
                  use_linear_projection=True),
        noise=dict(prediction_type="v_prediction"),
    ),
    "sdxl": dict(
        text=CLIP_L,
        text_2=OPEN_CLIP_G,
        unet=dict(sample_size=128, cross_attention_dim=2048, block_out_channels=[320, 640, 1280],
                  down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
                  up_block_types=["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
                  transformer_layers_per_block=[1, 2, 10], attention_head_dim=[5, 10, 20],
                  use_linear_projection=True, addition_embed_type="text_time", addition_time_embed_dim=256,
                  projection_class_embeddings_input_dim=2816),
        vae=dict(scaling_factor=0.13025),
    ),
    # LDMBertConfig's defaults are this family's.
    "text2img-large": dict(bert={}, unet=dict(sample_size=32, cross_attention_dim=1280)),
}


def clip(projected: bool, **config) -> CLIPTextModel | CLIPTextModelWithProjection:
    config = CLIPTextConfig(vocab_size=49408, max_position_embeddings=PLACES, layer_norm_eps=1e-5,
                            bos_token_id=49406, eos_token_id=49407, pad_token_id=1, **config)
    return with_mean((CLIPTextModelWithProjection if projected else CLIPTextModel)(config).eval())


def with_mean(model: torch.nn.Module) -> torch.nn.Module:
    """A last normalization as training leaves it: without a bias the states of all words have a mean of 0,
    which the web UI divides by."""
    bias = dict(model.named_parameters())["text_model.final_layer_norm.bias" if hasattr(model, "text_model")
                                          else "final_layer_norm.bias"]
    torch.nn.init.normal_(bias, mean=0.5, std=0.5, generator=torch.Generator().manual_seed(0))
    return model


def build(family: dict) -> DiffusionPipeline:
    torch.manual_seed(0)
    vocabularies = tokenizers()
    vae = AutoencoderKL(**VAE | family.get("vae", {}))
    scheduler = DDIMScheduler(**NOISE | family.get("noise", {}))
    if "bert" in family:
        bert = LDMBertModel(LDMBertConfig(**family["bert"])).eval()
        unet = UNet2DConditionModel(**family["unet"])
        return LDMTextToImagePipeline(vae, bert, vocabularies["bert"], unet, scheduler)
    parts = dict(vae=vae, text_encoder=clip(False, **family["text"]), tokenizer=vocabularies["clip"],
                 unet=UNet2DConditionModel(**family["unet"]), scheduler=scheduler)
    if "text_2" in family:
        return StableDiffusionXLPipeline(text_encoder_2=clip(True, **family["text_2"]),
                                         tokenizer_2=vocabularies["open_clip"], add_watermarker=False, **parts)
    return StableDiffusionPipeline(safety_checker=None, feature_extractor=None, requires_safety_checker=False, **parts)


def ids(tokenizer, text: str) -> torch.Tensor:
    return tokenizer(text, padding="max_length", max_length=PLACES, truncation=True, return_tensors="pt").input_ids


def read_prompt(pipeline: DiffusionPipeline, side: int) -> tuple[dict[str, torch.Tensor], dict]:
    """What the text encoders say, and what the pipeline is called with for it."""
    first = ids(pipeline.tokenizer, PROMPT)
    found = {"ids": first.float()}
    if isinstance(pipeline, LDMTextToImagePipeline):
        return found | {"context": pipeline.bert(first)[0]}, {"prompt": PROMPT}
    if isinstance(pipeline, StableDiffusionPipeline):
        context = pipeline.text_encoder(first).last_hidden_state
        return found | {"context": context}, {"prompt": PROMPT, "negative_prompt": NEGATIVE}
    names = ["prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds"]
    embeds = dict(zip(names, pipeline.encode_prompt(PROMPT, negative_prompt=NEGATIVE), strict=True))
    # What the encoders take is needed for the U-Net.
    pipeline.text_encoder = pipeline.text_encoder_2 = None
    gc.collect()
    pixels = 8.0 * side
    return found | {
        "ids_2": ids(pipeline.tokenizer_2, PROMPT).float(),
        "context": embeds["prompt_embeds"],
        "text_embeds": embeds["pooled_prompt_embeds"],
        "time_ids": torch.tensor([[pixels, 2 * pixels, 0.0, 16.0, pixels, pixels]]),
    }, embeds


def answers(pipeline: DiffusionPipeline, side: int) -> dict[str, torch.Tensor]:
    """Every stage alone on inputs of its own, then the whole."""
    draw = torch.Generator().manual_seed(SEED)
    sample = torch.randn(1, 4, side, side, generator=draw)
    latents = torch.randn(1, 4, side, side, generator=draw)
    image = torch.rand(1, 3, 8 * side, 8 * side, generator=draw) * 2 - 1
    found, prompt = read_prompt(pipeline, side)
    added = {name: found[name] for name in ["text_embeds", "time_ids"] if name in found}
    vae = getattr(pipeline, "vae", None) or pipeline.vqvae
    noise = torch.Generator().manual_seed(SEED)
    picture = pipeline(**prompt, num_inference_steps=STEPS, generator=noise, guidance_scale=GUIDANCE_SCALE,
                       height=8 * side, width=8 * side, output_type="pt").images
    return found | {
        "sample": sample,
        "timestep": torch.tensor([501.0]),
        "unet": pipeline.unet(sample, 501, found["context"], added_cond_kwargs=added).sample,
        "latents": latents,
        "decoded": vae.decode(latents / vae.config.scaling_factor).sample,
        "image": image,
        "encoded": vae.encode(image).latent_dist.mode() * vae.config.scaling_factor,
        "picture": picture,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("family", choices=FAMILIES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--side", type=int, help="of the latents; 32 for text2img-large and 64 for others if not given")
    arguments = parser.parse_args()
    with torch.no_grad():
        pipeline = build(FAMILIES[arguments.family])
        pipeline.set_progress_bar_config(disable=True)
        arguments.folder.mkdir(parents=True, exist_ok=True)
        pipeline.save_pretrained(arguments.folder / "model", safe_serialization=True)
        # No more than what the family was trained on, and than what takes minutes.
        side = arguments.side or min(pipeline.unet.config.sample_size, 64)
        found = answers(pipeline, side)
    # The paper's pipeline knows no negative prompt.
    negative = "" if isinstance(pipeline, LDMTextToImagePipeline) else NEGATIVE
    metadata = {"family": arguments.family, "prompt": PROMPT, "negative_prompt": negative,
                "seed": str(SEED), "steps": str(STEPS), "guidance_scale": str(GUIDANCE_SCALE)}
    found = {name: tensor.contiguous() for name, tensor in found.items()}
    save_file(found, arguments.folder / "reference.safetensors", metadata)


if __name__ == "__main__":
    main()
