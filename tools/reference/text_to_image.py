"""Writes testdata/golden/text_to_image.json: pixels that diffusers' StableDiffusionPipeline makes.

    python tools/reference/text_to_image.py FOLDER

FOLDER is the tiny model of crates/pipeline/tests/tiny, as `Components::save` wrote it: so this also
checks that diffusers can read our folders. Seeds are PyTorch's, noise is drawn on the CPU.
"""

import json
import pathlib
import sys

import torch
from diffusers import StableDiffusionPipeline

CASES = [
    {"prompt": "noto emoji of cat, blue background", "steps": 10, "guidance_scale": 5, "seed": 42},
    {"prompt": "a dog", "steps": 7, "guidance_scale": 1, "seed": 1, "width": 128, "height": 72},
    {"prompt": "cat's dog", "negative_prompt": "red background", "steps": 4, "guidance_scale": 9.5, "seed": 7},
    {"prompt": "", "steps": 5, "guidance_scale": 2, "eta": 0.5, "seed": 3},
]
COUNT = 40

pipeline = StableDiffusionPipeline.from_pretrained(sys.argv[1], local_files_only=True)
pipeline.set_progress_bar_config(disable=True)


def pixels(case):
    arguments = dict(case)
    generator = torch.Generator().manual_seed(arguments.pop("seed"))
    steps = arguments.pop("steps")
    image = pipeline(num_inference_steps=steps, generator=generator, output_type="np", **arguments).images[0]
    flat = (image * 255).round().astype(int).flatten()
    return [int(flat[k * (len(flat) - 1) // (COUNT - 1)]) for k in range(COUNT)]


golden = [{"request": case, "pixels": pixels(case)} for case in CASES]
path = pathlib.Path(__file__).parents[2] / "testdata/golden/text_to_image.json"
path.write_text("[\n" + ",\n".join(json.dumps(g) for g in golden) + "\n]\n")
