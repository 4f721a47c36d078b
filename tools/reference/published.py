"""Names and shapes of the published models at full size, as diffusers and transformers build them
from their configurations, without memory: how many, how many numbers, and a hash of them all."""

from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel, UNet2DModel, VQModel
from diffusers.pipelines.latent_diffusion.pipeline_latent_diffusion import (
    LDMBertConfig,
    LDMBertModel,
)
from transformers import CLIPTextConfig, CLIPTextModelWithProjection

import hashed
from record import write

CROSS, DOWN, UP = "CrossAttnDownBlock2D", "DownBlock2D", "UpBlock2D"
CROSS_UP = "CrossAttnUpBlock2D"
ATTN, ATTN_UP = "AttnDownBlock2D", "AttnUpBlock2D"
RES, RES_UP = "ResnetDownsampleBlock2D", "ResnetUpsampleBlock2D"
ENC, DEC = "DownEncoderBlock2D", "UpDecoderBlock2D"
ATTN_ENC, ATTN_DEC = "AttnDownEncoderBlock2D", "AttnUpDecoderBlock2D"

SD1 = {"_class_name": "UNet2DConditionModel", "cross_attention_dim": 768}
XL = {
    "_class_name": "UNet2DConditionModel",
    "down_block_types": [DOWN, CROSS, CROSS],
    "up_block_types": [CROSS_UP, CROSS_UP, UP],
    "block_out_channels": [320, 640, 1280],
    "transformer_layers_per_block": [1, 2, 10],
    "attention_head_dim": [5, 10, 20],
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
CELEBA = {"_class_name": "UNet2DModel", "attention_head_dim": 32}
KL = {"_class_name": "AutoencoderKL", "layers_per_block": 2}
VQ_F4 = {
    "_class_name": "VQModel",
    "down_block_types": [ENC] * 3,
    "up_block_types": [DEC] * 3,
    "block_out_channels": [128, 256, 512],
    "layers_per_block": 2,
    "num_vq_embeddings": 8192,
    "vq_embed_dim": 3,
}
CLIP = {"_class_name": "CLIPTextModelWithProjection", "hidden_act": "gelu"}

MODELS = {
    "sd15_inpainting_unet": SD1 | {"in_channels": 9},
    "lcm_unet": SD1 | {"time_cond_proj_dim": 256},
    "sdxl_unet": XL,
    "sdxl_refiner_unet": XL | {
        "down_block_types": [DOWN, CROSS, CROSS, DOWN],
        "up_block_types": [UP, CROSS_UP, CROSS_UP, UP],
        "block_out_channels": [384, 768, 1536, 1536],
        "transformer_layers_per_block": 4,
        "attention_head_dim": [6, 12, 24, 24],
        "cross_attention_dim": 1280,
        "projection_class_embeddings_input_dim": 2560,
    },
    "x4_upscaler_unet": {
        "_class_name": "UNet2DConditionModel",
        "in_channels": 7,
        "down_block_types": [DOWN, CROSS, CROSS, CROSS],
        "up_block_types": [CROSS_UP, CROSS_UP, CROSS_UP, UP],
        "block_out_channels": [256, 512, 512, 1024],
        "only_cross_attention": [True, True, True, False],
        "cross_attention_dim": 1024,
        "num_class_embeds": 1000,
        "use_linear_projection": True,
    },
    "text2img_large_unet": {"_class_name": "UNet2DConditionModel", "cross_attention_dim": 1280},
    "cin256_v2_unet": {
        "_class_name": "UNet2DConditionModel",
        "in_channels": 3,
        "out_channels": 3,
        "down_block_types": [DOWN, CROSS, CROSS, CROSS],
        "up_block_types": [CROSS_UP, CROSS_UP, CROSS_UP, UP],
        "block_out_channels": [192, 384, 576, 960],
        "attention_head_dim": 1,
        "cross_attention_dim": 512,
    },
    "celebahq_unet": CELEBA,
    "bsr_sr_unet": CELEBA | {
        "in_channels": 6,
        "down_block_types": [DOWN, DOWN, DOWN, ATTN],
        "up_block_types": [ATTN_UP, UP, UP, UP],
        "block_out_channels": [160, 320, 320, 640],
    },
    # Eight heads everywhere: no shape depends on attention_head_dim, and diffusers has one value.
    "lsun_churches_unet": CELEBA | {
        "in_channels": 4,
        "out_channels": 4,
        "down_block_types": [ATTN, ATTN, ATTN, ATTN, RES],
        "up_block_types": [RES_UP, ATTN_UP, ATTN_UP, ATTN_UP, ATTN_UP],
        "block_out_channels": [192, 384, 384, 768, 768],
        "downsample_type": "resnet",
        "upsample_type": "resnet",
        "resnet_time_scale_shift": "scale_shift",
        "attn_norm_num_groups": 32,
    },
    "ldm_inpainting_unet": CELEBA | {
        "in_channels": 7,
        "down_block_types": [RES, ATTN, ATTN, ATTN],
        "up_block_types": [ATTN_UP, ATTN_UP, ATTN_UP, RES_UP],
        "block_out_channels": [256, 512, 768, 1024],
        "downsample_type": "resnet",
        "upsample_type": "resnet",
    },
    "vq_f4": VQ_F4,
    "vq_f4_noattn": VQ_F4 | {"mid_block_add_attention": False},
    "vq_f8": VQ_F4 | {
        "down_block_types": [ENC, ENC, ENC, ATTN_ENC],
        "up_block_types": [ATTN_DEC, DEC, DEC, DEC],
        "block_out_channels": [128, 256, 256, 512],
        "latent_channels": 4,
        "num_vq_embeddings": 16384,
        "vq_embed_dim": 4,
    },
    "kl_f4": KL | {
        "down_block_types": [ENC] * 3,
        "up_block_types": [DEC] * 3,
        "block_out_channels": [128, 256, 512],
        "latent_channels": 3,
    },
    "kl_f16": KL | {
        "down_block_types": [ENC] * 4 + [ATTN_ENC],
        "up_block_types": [ATTN_DEC] + [DEC] * 4,
        "block_out_channels": [128, 128, 256, 256, 512],
        "latent_channels": 16,
    },
    "kl_f32": KL | {
        "down_block_types": [ENC] * 4 + [ATTN_ENC] * 2,
        "up_block_types": [ATTN_DEC] * 2 + [DEC] * 4,
        "block_out_channels": [128, 128, 256, 256, 512, 512],
        "latent_channels": 64,
    },
    "ldm_bert": {"_class_name": "LDMBertModel", "model_type": "ldmbert"},
    "open_clip_h": CLIP | {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 23,
        "num_attention_heads": 16,
        "projection_dim": 1024,
    },
    "open_clip_bigg": CLIP | {
        "hidden_size": 1280,
        "intermediate_size": 5120,
        "num_hidden_layers": 32,
        "num_attention_heads": 20,
        "projection_dim": 1280,
    },
}


def build(config: dict) -> torch.nn.Module:
    options = {k: v for k, v in config.items() if k != "_class_name"}
    kind = config["_class_name"]
    with torch.device("meta"):
        if kind == "LDMBertModel":
            return LDMBertModel(LDMBertConfig(**options))
        if kind == "CLIPTextModelWithProjection":
            return CLIPTextModelWithProjection(CLIPTextConfig(**options))
        models = [UNet2DConditionModel, UNet2DModel, AutoencoderKL, VQModel]
        return {model.__name__: model for model in models}[kind](**options)


def published(path: Path, config: dict) -> None:
    shapes = {name: list(p.shape) for name, p in build(config).named_parameters()}
    lines = "".join(f"{name} {shapes[name]}\n" for name in sorted(shapes))
    golden = {"config": config, "tensors": len(shapes)}
    golden["numbers"] = sum(torch.Size(shape).numel() for shape in shapes.values())
    golden["hash"] = f"{hashed.fnv1a64(lines):016x}"
    write(path, golden)


def write_all(root: Path) -> None:
    for name, config in MODELS.items():
        published(root / "published" / f"{name}.json", config)
