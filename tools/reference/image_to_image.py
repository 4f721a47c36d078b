"""Writes testdata/golden/image_to_image.json: pixels that diffusers' pipelines make of a picture.

    python tools/reference/image_to_image.py FOLDER INPAINTING

FOLDER is the tiny model of crates/pipeline/tests/tiny, INPAINTING the one of 9 channels, as
`Components::save` wrote them. Picture and masks are formulas that the test has as well. diffusers
returns the whole picture; what is kept of the original is put over it by the test.
"""

import json
import pathlib
import sys

import numpy as np
import torch
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionInpaintPipeline
from PIL import Image

SIDE = 64
COUNT = 40
PROMPT = {"prompt": "noto emoji of cat", "negative_prompt": "red"}
IMAGES = [
    PROMPT | {"steps": 10, "guidance_scale": 5, "strength": 0.75, "seed": 42},
    PROMPT | {"steps": 7, "guidance_scale": 1, "strength": 0.5, "seed": 1, "eta": 0.5},
    PROMPT | {"steps": 5, "guidance_scale": 3, "strength": 1.0, "seed": 2},
]
# (model, mask, request): a mask of whole latent pixels, and one that cuts through them.
MASKS = [
    ("any", [16, 8, 48, 40], PROMPT | {"steps": 8, "guidance_scale": 4, "strength": 0.8, "seed": 3}),
    ("inpainting", [13, 9, 50, 41], PROMPT | {"steps": 6, "guidance_scale": 4, "strength": 1.0, "seed": 4}),
    ("inpainting", [13, 9, 50, 41], PROMPT | {"steps": 6, "guidance_scale": 1, "strength": 0.5, "seed": 5}),
]

y, x, c = np.mgrid[:SIDE, :SIDE, :3]
init = Image.fromarray(((3 * x + y * (c + 1) + 40 * c) % 256).astype(np.uint8))


def mask(left, top, right, bottom):
    inside = (x >= left) & (x < right) & (y >= top) & (y < bottom)
    return Image.fromarray((255 * inside[:, :, 0]).astype(np.uint8))


def pixels(pipeline, request, **more):
    arguments = dict(request) | more
    generator = torch.Generator().manual_seed(arguments.pop("seed"))
    steps = arguments.pop("steps")
    image = pipeline(image=init, num_inference_steps=steps, generator=generator, output_type="np", **arguments).images[0]
    flat = (image * 255).round().astype(int).flatten()
    return [int(flat[k * (len(flat) - 1) // (COUNT - 1)]) for k in range(COUNT)]


def load(kind, folder):
    pipeline = kind.from_pretrained(folder, local_files_only=True, safety_checker=None)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


plain, inpainting = sys.argv[1:]
image_to_image = load(StableDiffusionImg2ImgPipeline, plain)
painters = {
    "any": load(StableDiffusionInpaintPipeline, plain),
    "inpainting": load(StableDiffusionInpaintPipeline, inpainting),
}
golden = [{"request": request, "pixels": pixels(image_to_image, request)} for request in IMAGES]
for model, box, request in MASKS:
    made = pixels(painters[model], request, mask_image=mask(*box))
    golden.append({"model": model, "mask": box, "request": request, "pixels": made})
path = pathlib.Path(__file__).parents[2] / "testdata/golden/image_to_image.json"
path.write_text("[\n" + ",\n".join(json.dumps(g) for g in golden) + "\n]\n")
