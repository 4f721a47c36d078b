"""Writes a full-size model of random weights and what diffusers makes of it.

    python tools/reference/full_size.py FAMILY FOLDER      # sd15, sd21-v
    cargo xtask fidelity FOLDER                            # compares, prints a table

FOLDER/model is a folder as diffusers saves it, FOLDER/reference.safetensors holds inputs and answers
in f32. Needs the CLIP vocabulary of open_clip (`pip install open_clip_torch==3.3.0 --no-deps`).
"""

import argparse
import gzip
import importlib.util
import json
import tempfile
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

PROMPT = "a photograph of an astronaut riding a horse, 35mm, f/1.8"
NEGATIVE = "blurry"
SEED = 42
STEPS = 4
GUIDANCE_SCALE = 7.5

CLIP_L = dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
              projection_dim=768, hidden_act="quick_gelu")
# Stable Diffusion 2 leaves out the last of OpenCLIP-H's 24 layers.
OPEN_CLIP_H = dict(hidden_size=1024, intermediate_size=4096, num_hidden_layers=23,
                   num_attention_heads=16, projection_dim=512, hidden_act="gelu")
VAE = dict(block_out_channels=[128, 256, 512, 512], layers_per_block=2, latent_channels=4,
           down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4,
           scaling_factor=0.18215)
NOISE = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
             num_train_timesteps=1000, clip_sample=False, set_alpha_to_one=False, steps_offset=1)

FAMILIES = {
    "sd15": dict(text=CLIP_L, unet=dict(sample_size=64, cross_attention_dim=768), noise=NOISE),
    "sd21-v": dict(
        text=OPEN_CLIP_H,
        unet=dict(sample_size=96, cross_attention_dim=1024, attention_head_dim=[5, 10, 20, 20],
                  use_linear_projection=True),
        noise=NOISE | dict(prediction_type="v_prediction"),
    ),
}


def clip_tokenizer() -> CLIPTokenizer:
    """The vocabulary of CLIP, as its authors derive it from the list of merges."""
    folder = Path(importlib.util.find_spec("open_clip").submodule_search_locations[0])
    text = gzip.open(folder / "bpe_simple_vocab_16e6.txt.gz").read().decode()
    merges = text.split("\n")[1 : 49152 - 256 - 2 + 1]
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [b for b in range(256) if b not in printable]
    letters = [chr(b) for b in printable] + [chr(256 + i) for i in range(len(others))]
    words = letters + [letter + "</w>" for letter in letters]
    words += ["".join(merge.split()) for merge in merges] + ["<|startoftext|>", "<|endoftext|>"]
    with tempfile.TemporaryDirectory() as files:
        vocab, ranks = Path(files) / "vocab.json", Path(files) / "merges.txt"
        vocab.write_text(json.dumps({word: i for i, word in enumerate(words)}))
        ranks.write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
        return CLIPTokenizer(str(vocab), str(ranks), model_max_length=77)


def build(family: dict) -> StableDiffusionPipeline:
    torch.manual_seed(0)
    text = CLIPTextConfig(vocab_size=49408, max_position_embeddings=77, layer_norm_eps=1e-5,
                          bos_token_id=49406, eos_token_id=49407, pad_token_id=1, **family["text"])
    pipeline = StableDiffusionPipeline(
        vae=AutoencoderKL(**VAE),
        text_encoder=CLIPTextModel(text).eval(),
        tokenizer=clip_tokenizer(),
        unet=UNet2DConditionModel(**family["unet"]),
        scheduler=DDIMScheduler(**family["noise"]),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def answers(pipeline: StableDiffusionPipeline, side: int) -> dict[str, torch.Tensor]:
    """Every stage alone on inputs of its own, then the whole."""
    draw = torch.Generator().manual_seed(SEED)
    ids = pipeline.tokenizer(PROMPT, padding="max_length", truncation=True, return_tensors="pt").input_ids
    sample = torch.randn(1, 4, side, side, generator=draw)
    latents = torch.randn(1, 4, side, side, generator=draw)
    image = torch.rand(1, 3, 8 * side, 8 * side, generator=draw) * 2 - 1
    context = pipeline.text_encoder(ids).last_hidden_state
    noise = torch.Generator().manual_seed(SEED)
    picture = pipeline(PROMPT, negative_prompt=NEGATIVE, num_inference_steps=STEPS, generator=noise,
                       guidance_scale=GUIDANCE_SCALE, height=8 * side, width=8 * side, output_type="pt").images
    return {
        "ids": ids.float(),
        "context": context,
        "sample": sample,
        "timestep": torch.tensor([501.0]),
        "unet": pipeline.unet(sample, 501, context).sample,
        "latents": latents,
        "decoded": pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample,
        "image": image,
        "encoded": pipeline.vae.encode(image).latent_dist.mode() * pipeline.vae.config.scaling_factor,
        "picture": picture,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("family", choices=FAMILIES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--side", type=int, default=64, help="of the latents")
    arguments = parser.parse_args()
    with torch.no_grad():
        pipeline = build(FAMILIES[arguments.family])
        arguments.folder.mkdir(parents=True, exist_ok=True)
        pipeline.save_pretrained(arguments.folder / "model", safe_serialization=True)
        found = answers(pipeline, arguments.side)
    metadata = {"family": arguments.family, "prompt": PROMPT, "negative_prompt": NEGATIVE,
                "seed": str(SEED), "steps": str(STEPS), "guidance_scale": str(GUIDANCE_SCALE)}
    found = {name: tensor.contiguous() for name, tensor in found.items()}
    save_file(found, arguments.folder / "reference.safetensors", metadata)


if __name__ == "__main__":
    main()
