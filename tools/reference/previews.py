"""Goldens of the decoder of diffusers' tiny autoencoder."""

from pathlib import Path

from diffusers import AutoencoderTiny

import hashed
from record import Stages, write

CONFIGS = {
    "decoder_tiny": {
        "_class_name": "AutoencoderTiny",
        "latent_channels": 4,
        "encoder_block_out_channels": [8, 8, 8],
        "decoder_block_out_channels": [8, 8, 8],
        "num_encoder_blocks": [1, 1, 1],
        "num_decoder_blocks": [2, 1, 1],
    },
}


def decoder(folder: Path, config: dict) -> None:
    shape = [2, config["latent_channels"], 5, 6]
    latents = hashed.input_tensor("latents", shape)
    model = hashed.fill(AutoencoderTiny.from_config(config).decoder)
    stages = Stages().watch(model, {"conv_in": "layers.0", "block": "layers.2", "up": "layers.5"})
    stages.add("decoded", model(latents))
    write(folder / "config.json", config)
    write(folder / "input.json", {"latents": shape})
    write(folder / "golden.json", stages)


def write_all(root: Path) -> None:
    for name, config in CONFIGS.items():
        decoder(root / name, config)
