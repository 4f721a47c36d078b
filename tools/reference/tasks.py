"""Goldens of models that are told something else than words: whole pipelines of diffusers where it has one, and its
parts in a loop of our own where it has none. Weights are hashed, the noise is PyTorch's, drawn in f32."""

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DDPMScheduler,
    LDMPipeline,
    LDMSuperResolutionPipeline,
    StableDiffusionUpscalePipeline,
    UNet2DConditionModel,
    UNet2DModel,
    VQModel,
)
from diffusers.pipelines.deprecated.latent_diffusion_uncond import pipeline_latent_diffusion_uncond
from diffusers.pipelines.latent_diffusion import pipeline_latent_diffusion_superresolution
from diffusers.pipelines.stable_diffusion import pipeline_stable_diffusion_upscale

import hashed
from families import UNET_UPSCALER
from models import UNET, VAE
from pipelines import CLIP, PIXELS, SCHEDULER, UNET_SMALL, clip
from record import Stages, write
from tokenizers_golden import tokenizers

SEED = 5
HEIGHT, WIDTH = 16, 24
# So many that they divide the timesteps: else DDIM steps past the next one in diffusers.
REQUEST = {"seed": SEED, "steps": 4}
UNET_PLAIN = {
    "_class_name": "UNet2DModel", "sample_size": 8, "in_channels": 3, "out_channels": 3,
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D"], "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
    "block_out_channels": [8, 16], "layers_per_block": 1, "norm_num_groups": 4, "attention_head_dim": 8,
}
F4 = {
    "down_block_types": ["DownEncoderBlock2D"] * 3, "up_block_types": ["UpDecoderBlock2D"] * 3,
    "block_out_channels": [8, 8, 8], "norm_num_groups": 4,
}
F8 = {
    "down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4,
    "block_out_channels": [8, 8, 8, 8], "norm_num_groups": 4,
}
VQ_F4 = {
    "_class_name": "VQModel", "in_channels": 3, "out_channels": 3, "layers_per_block": 1, "latent_channels": 3,
    "num_vq_embeddings": 64, "vq_embed_dim": 3, **F4,
}
V = SCHEDULER | {"prediction_type": "v_prediction", "timestep_spacing": "trailing", "set_alpha_to_one": True}
LOW_RES = {
    "_class_name": "DDPMScheduler", "beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000, "clip_sample": True, "prediction_type": "epsilon",
}
X4 = {
    "model_index": {"_class_name": "StableDiffusionUpscalePipeline", "max_noise_level": 25},
    "text_encoder": CLIP,
    "unet": UNET_UPSCALER | {"block_out_channels": [8, 16], "norm_num_groups": 4, "cross_attention_dim": 8},
    "vae": VAE | F4 | {"scaling_factor": 0.08333},
    "scheduler": V,
    "low_res_scheduler": LOW_RES,
}
SR = {
    "model_index": {"_class_name": "LDMSuperResolutionPipeline"},
    "unet": UNET_PLAIN | {"in_channels": 6},
    # diffusers' pipeline does not look at this.
    "vqvae": VQ_F4 | {"scaling_factor": 0.18215},
    "scheduler": SCHEDULER,
}
UNCONDITIONAL_VQ = {
    "model_index": {"_class_name": "LDMPipeline"},
    "unet": UNET_PLAIN | {"sample_size": 16},
    "vqvae": VQ_F4 | {"scaling_factor": 0.5},
    "scheduler": SCHEDULER,
}
UNCONDITIONAL_KL = {
    "model_index": {"_class_name": "LDMPipeline"},
    "unet": UNET_PLAIN | {"in_channels": 4, "out_channels": 4},
    "vqvae": VAE | F8,
    "scheduler": V,
}
CLASS = UNCONDITIONAL_KL | {
    "model_index": {"_class_name": "LDMPipeline", "id2label": {"0": "cat", "1": "dog, hound"}},
    "unet": UNET_PLAIN | {
        "in_channels": 4, "out_channels": 4, "num_class_embeds": 3, "resnet_time_scale_shift": "scale_shift",
    },
}
CIN = {
    "model_index": {"_class_name": "LDMPipeline", "class_embedder": ["aquatint", "ClassEmbedder"]},
    "unet": UNET_SMALL | {"sample_size": 16, "in_channels": 3, "out_channels": 3, "cross_attention_dim": 10},
    "vqvae": VQ_F4 | {"scaling_factor": 1.0},
    "class_embedder": {"_class_name": "ClassEmbedder", "n_classes": 1001, "embed_dim": 10},
    "scheduler": SCHEDULER,
}


def f32_noise(shape, generator=None, device=None, dtype=None, **_) -> torch.Tensor:
    return torch.randn(tuple(shape), generator=generator).double()


for module in (
    pipeline_latent_diffusion_uncond, pipeline_latent_diffusion_superresolution, pipeline_stable_diffusion_upscale,
):
    module.randn_tensor = f32_noise


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(SEED)


def small_picture() -> tuple[torch.Tensor, list[int]]:
    """Bytes of a picture, row by row, and the same as [1, 3, H, W] in [-1, 1]."""
    values = hashed.input_tensor("small", [HEIGHT, WIDTH, 3]).float()
    pixels = torch.floor((values + 1.7) * 75)
    image = (pixels / 127.5 - 1).double().permute(2, 0, 1)[None]
    return image, pixels.int().flatten().tolist()


def autoencoder(config: dict):
    return hashed.fill((AutoencoderKL if config["_class_name"] == "AutoencoderKL" else VQModel).from_config(config))


def drawn(stages: Stages, name: str, autoencoder, draw) -> None:
    """Adds what is decoded, and bytes of the picture."""
    decode, latents = autoencoder.decode, []
    autoencoder.decode = lambda z, *a, **o: (latents.append(z), decode(z, *a, **o))[1]
    image = draw()
    autoencoder.decode = decode
    stages.add(f"{name}.decoded", latents[0])
    flat = (image * 255).round().astype(int).flatten()
    stages[f"{name}.pixels"] = [int(flat[k * (len(flat) - 1) // (PIXELS - 1)]) for k in range(PIXELS)]


def save(folder: Path, config: dict, stages: Stages, **more) -> None:
    write(folder / "config.json", config)
    write(folder / "input.json", REQUEST | more)
    write(folder / "golden.json", stages)


def x4(folder: Path) -> None:
    pipeline = StableDiffusionUpscalePipeline(
        vae=autoencoder(X4["vae"]), text_encoder=clip(False, CLIP), tokenizer=tokenizers()["clip"],
        unet=hashed.fill(UNet2DConditionModel.from_config(X4["unet"])),
        low_res_scheduler=DDPMScheduler.from_config(LOW_RES), scheduler=DDIMScheduler.from_config(V),
        max_noise_level=25,
    )
    pipeline.set_progress_bar_config(disable=True)
    image, _ = small_picture()
    stages = Stages()
    for name, noise_level, guidance_scale in (("usual", 20, 3.0), ("clean", 0, 1.0)):
        drawn(stages, name, pipeline.vae, lambda: pipeline(
            prompt="A red cat, 35mm!", image=image, num_inference_steps=REQUEST["steps"], noise_level=noise_level,
            guidance_scale=guidance_scale, generator=generator(), output_type="np",
        ).images[0])
    save(folder, X4, stages, prompt="A red cat, 35mm!")


def sr(folder: Path) -> None:
    vqvae = autoencoder(SR["vqvae"])
    pipeline = LDMSuperResolutionPipeline(
        vqvae=vqvae, unet=hashed.fill(UNet2DModel.from_config(SR["unet"])),
        scheduler=DDIMScheduler.from_config(SCHEDULER),
    )
    pipeline.set_progress_bar_config(disable=True)
    image, _ = small_picture()
    stages = Stages()
    for name, eta in (("usual", 0.0),):
        drawn(stages, name, vqvae, lambda: pipeline(
            image=image, num_inference_steps=REQUEST["steps"], eta=eta, generator=generator(), output_type="np",
        ).images[0])
    save(folder, SR, stages)


def unconditional(folder: Path, config: dict) -> None:
    vqvae = autoencoder(config["vqvae"])
    pipeline = LDMPipeline(
        vqvae=vqvae, unet=hashed.fill(UNet2DModel.from_config(config["unet"])),
        scheduler=DDIMScheduler.from_config(config["scheduler"]),
    )
    pipeline.set_progress_bar_config(disable=True)
    stages = Stages()
    drawn(stages, "usual", vqvae, lambda: pipeline(
        num_inference_steps=REQUEST["steps"], generator=generator(), output_type="np",
    ).images[0])
    save(folder, config, stages)


def looped(config: dict, predict, vqvae, guidance_scale: float):
    """Algorithm of Ho and Salimans 2022 around diffusers' DDIM: predict(x, t) answers for no class and for one."""
    scheduler = DDIMScheduler.from_config(config["scheduler"])
    scheduler.set_timesteps(REQUEST["steps"])
    side = config["unet"]["sample_size"]
    x = f32_noise([1, config["unet"]["in_channels"], side, side], generator=generator())
    for t in scheduler.timesteps:
        none, some = predict(x, t)
        x = scheduler.step(none + guidance_scale * (some - none), t, x).prev_sample
    image = vqvae.decode(x / vqvae.config.scaling_factor).sample
    return (image / 2 + 0.5).clamp(0, 1)[0].permute(1, 2, 0).numpy()


def classes(folder: Path) -> None:
    vqvae, unet = autoencoder(CLASS["vqvae"]), hashed.fill(UNet2DModel.from_config(CLASS["unet"]))

    def predict(x, t):
        return [unet(x, t, class_labels=torch.tensor([label])).sample for label in (2, 1)]

    stages = Stages()
    for name, scale in (("guided", 2.5), ("alone", 1.0)):
        drawn(stages, name, vqvae, lambda: looped(CLASS, predict, vqvae, scale))
    save(folder, CLASS, stages, **{"class": "hound"})


def cin(folder: Path) -> None:
    vqvae, unet = autoencoder(CIN["vqvae"]), hashed.fill(UNet2DConditionModel.from_config(CIN["unet"]))
    table = torch.from_numpy(hashed.weight("embedding.weight", (1001, 10))).double()

    def predict(x, t):
        return [unet(x, t, table[[label]][None]).sample for label in (1000, 207)]

    stages = Stages()
    drawn(stages, "guided", vqvae, lambda: looped(CIN, predict, vqvae, 2.5))
    save(folder, CIN, stages, **{"class": "207"})


def write_all(root: Path) -> None:
    with torch.no_grad():
        x4(root / "pipeline_tiny_x4")
        sr(root / "pipeline_tiny_sr")
        unconditional(root / "pipeline_tiny_unconditional_vq", UNCONDITIONAL_VQ)
        unconditional(root / "pipeline_tiny_unconditional_kl", UNCONDITIONAL_KL)
        classes(root / "pipeline_tiny_class")
        cin(root / "pipeline_tiny_cin")
