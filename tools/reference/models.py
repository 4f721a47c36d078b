"""Goldens of tiny models: what each stage of diffusers' and transformers' models answers."""

from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModelWithProjection

import hashed
from record import Stages, gradient_norms, write

CLIP_TEXT = {
    "model_type": "clip_text_model",
    "vocab_size": 100,
    "hidden_size": 32,
    "intermediate_size": 64,
    "projection_dim": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 12,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
    "bos_token_id": 98,
    "eos_token_id": 99,
    "pad_token_id": 99,
}

UNET = {
    "_class_name": "UNet2DConditionModel",
    "sample_size": 8,
    "in_channels": 4,
    "out_channels": 4,
    "center_input_sample": False,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
    "mid_block_type": "UNetMidBlock2DCrossAttn",
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
    "block_out_channels": [32, 64],
    "layers_per_block": 1,
    "downsample_padding": 1,
    "mid_block_scale_factor": 1,
    "act_fn": "silu",
    "norm_num_groups": 8,
    "norm_eps": 1e-5,
    "cross_attention_dim": 24,
    "attention_head_dim": 4,
    "use_linear_projection": False,
}

UNET_SD = UNET | {
    "sample_size": 16,
    "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
    "block_out_channels": [32, 64, 64],
    "layers_per_block": 2,
    "attention_head_dim": 8,
}

UNET_SD2 = UNET_SD | {
    "sample_size": 8,
    "block_out_channels": [16, 32, 32],
    "layers_per_block": 1,
    "cross_attention_dim": 40,
    "attention_head_dim": [2, 4, 4],
    "use_linear_projection": True,
}

UNET_TEXT = UNET | {
    "block_out_channels": [16, 32],
    "addition_embed_type": "text",
    "addition_embed_type_num_heads": 4,
}

UNET_TEXT_GRADIENTS = [
    "add_embedding.norm1.weight",
    "add_embedding.pool.positional_embedding",
    "add_embedding.pool.q_proj.weight",
    "add_embedding.pool.k_proj.weight",
    "add_embedding.pool.v_proj.bias",
    "add_embedding.proj.weight",
    "add_embedding.norm2.bias",
    "time_embedding.linear_2.bias",
]

UNET_GRADIENTS = [
    "conv_in.weight",
    "conv_in.bias",
    "time_embedding.linear_1.weight",
    "time_embedding.linear_2.bias",
    "down_blocks.0.resnets.0.norm1.weight",
    "down_blocks.0.resnets.0.time_emb_proj.weight",
    "down_blocks.0.downsamplers.0.conv.weight",
    "down_blocks.1.resnets.0.conv_shortcut.weight",
    "down_blocks.1.attentions.0.norm.bias",
    "down_blocks.1.attentions.0.proj_in.weight",
    "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.weight",
    "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight",
    "mid_block.attentions.0.transformer_blocks.0.attn2.to_v.weight",
    "mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0.bias",
    "mid_block.attentions.0.transformer_blocks.0.norm3.weight",
    "mid_block.attentions.0.transformer_blocks.0.ff.net.0.proj.weight",
    "up_blocks.0.upsamplers.0.conv.weight",
    "up_blocks.1.resnets.1.conv2.weight",
    "conv_norm_out.weight",
    "conv_out.bias",
]

VAE = {
    "_class_name": "AutoencoderKL",
    "sample_size": 16,
    "in_channels": 3,
    "out_channels": 3,
    "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D"],
    "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D"],
    "block_out_channels": [16, 32],
    "layers_per_block": 1,
    "act_fn": "silu",
    "latent_channels": 4,
    "norm_num_groups": 8,
    "scaling_factor": 0.18215,
}

VAE_STAGES = [
    "encoder.conv_in",
    "encoder.down_blocks.0",
    "encoder.mid_block",
    "encoder",
    "decoder.conv_in",
    "decoder.mid_block",
    "decoder.up_blocks.0",
]

VAE_GRADIENTS = [
    "encoder.conv_in.weight",
    "encoder.down_blocks.0.resnets.0.norm1.bias",
    "encoder.down_blocks.0.downsamplers.0.conv.weight",
    "encoder.down_blocks.1.resnets.0.conv_shortcut.weight",
    "encoder.mid_block.attentions.0.to_q.weight",
    "quant_conv.weight",
    "post_quant_conv.bias",
    "decoder.mid_block.attentions.0.group_norm.weight",
    "decoder.mid_block.attentions.0.to_out.0.weight",
    "decoder.up_blocks.0.upsamplers.0.conv.bias",
    "decoder.up_blocks.1.resnets.1.conv2.weight",
    "decoder.conv_out.weight",
]


def parameters(model: torch.nn.Module, names: list[str]) -> dict[str, torch.Tensor]:
    return {name: model.get_parameter(name) for name in names}


def clip_text(folder: Path, **changes) -> None:
    config = CLIP_TEXT | changes
    bos, eos, length = config["bos_token_id"], config["eos_token_id"], 12
    ids = hashed.input_ids("input_ids", 2 * length, config["vocab_size"])
    rows = []
    for row, end in enumerate([6, 10]):
        words = ids[row * length + 1 : row * length + end]
        assert bos not in words and eos not in words, "a word id is one of the special ids"
        rows.append([bos] + words + [eos] * (length - end))
    model = hashed.fill(CLIPTextModelWithProjection(CLIPTextConfig(**config)))
    paths = {"embeddings": "text_model.embeddings"}
    for layer in range(config["num_hidden_layers"]):
        paths[f"encoder.layers.{layer}"] = f"text_model.encoder.layers.{layer}"
    stages = Stages().watch(model, paths)
    with torch.no_grad():
        output = model(input_ids=torch.tensor(rows))
    stages.add("last_hidden_state", output.last_hidden_state)
    stages.add("text_embeds", output.text_embeds)
    write(folder / "config.json", config)
    write(folder / "input.json", {"input_ids": rows})
    write(folder / "golden.json", stages)


def unet(folder: Path, config: dict, size: tuple[int, int], tokens: int, timesteps: list[int],
         gradients: list[str] = ()) -> None:
    shapes = {
        "sample": [len(timesteps), config["in_channels"], *size],
        "context": [len(timesteps), tokens, config["cross_attention_dim"]],
    }
    sample = hashed.input_tensor("sample", shapes["sample"])
    context = hashed.input_tensor("context", shapes["context"]).requires_grad_()
    model = hashed.fill(UNet2DConditionModel.from_config(config))
    levels = range(len(config["block_out_channels"]))
    added = ["add_embedding"] if "addition_embed_type" in config else []
    names = ["conv_in", "time_embedding", *added, *(f"down_blocks.{i}" for i in levels), "mid_block",
             *(f"up_blocks.{i}" for i in levels)]
    stages = Stages().watch(model, {name: name for name in names})
    out = model(sample, torch.tensor(timesteps), encoder_hidden_states=context).sample
    stages.add("out", out)
    if gradients:
        noise = hashed.input_tensor("noise", list(out.shape))
        loss = ((out - noise) ** 2).mean()
        stages["grads"] = gradient_norms(
            loss, parameters(model, gradients) | {"input:context": context}
        )
        shapes["noise"] = list(out.shape)
    write(folder / "config.json", config)
    write(folder / "input.json", shapes | {"timesteps": timesteps})
    write(folder / "golden.json", stages)


def vae(folder: Path) -> None:
    shape = [2, VAE["in_channels"], 16, 16]
    image = hashed.input_tensor("image", shape)
    model = hashed.fill(AutoencoderKL.from_config(VAE))
    stages = Stages().watch(model, {name: name for name in VAE_STAGES} | {"moments": "quant_conv"})
    posterior = model.encode(image).latent_dist
    stages.add("mean", posterior.mean)
    stages.add("logvar", posterior.logvar)
    decoded = model.decode(posterior.mean).sample
    stages.add("decoded", decoded)
    loss = (decoded - image).abs().mean()
    stages["grads"] = gradient_norms(loss, parameters(model, VAE_GRADIENTS))
    write(folder / "config.json", VAE)
    write(folder / "input.json", {"image": shape})
    write(folder / "golden.json", stages)


def write_all(root: Path) -> None:
    clip_text(root / "clip_text_tiny")
    clip_text(root / "clip_text_tiny_gelu", hidden_act="gelu")
    unet(root / "unet_tiny", UNET, (8, 8), 5, [7, 801], UNET_GRADIENTS)
    unet(root / "unet_tiny_sd", UNET_SD, (12, 16), 7, [0, 501])
    unet(root / "unet_tiny_sd2", UNET_SD2, (8, 12), 6, [999, 21])
    unet(root / "unet_tiny_text", UNET_TEXT, (8, 8), 5, [7, 801], UNET_TEXT_GRADIENTS)
    vae(root / "vae_tiny")
