"""Small pictures of every kind that people have, as Pillow reads and scales them.

Writes testdata/pictures/: the files, `NAME.rgba.png` with what Pillow sees in them (upright), and
`scaled.json` with a few pixels scaled by `Image.LANCZOS` and `ImageOps.fit`.
"""

import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

FOLDER = Path(__file__).parents[2] / "testdata" / "pictures"


def scene(width=24, height=16):
    """Smooth, so that JPEG's loss is small, and with no symmetry."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    red = x * 255 // (width - 1)
    green = y * 255 // (height - 1)
    blue = (x * 4 + y * 9) % 256
    return np.stack([red, green, blue], -1).astype(np.uint8)


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    rgb = Image.fromarray(scene())
    alpha = Image.fromarray(scene()[..., 1])
    rgba = rgb.copy()
    rgba.putalpha(alpha)
    grey = rgb.convert("L")
    grey16 = Image.fromarray(scene()[..., 0].astype(np.uint16) * 257)
    palette = rgb.quantize(16)

    def save(name, picture, **options):
        path = FOLDER / name
        picture.save(path, **options)
        seen = ImageOps.exif_transpose(Image.open(path))
        if seen.mode == "I;16":
            seen = Image.fromarray((np.asarray(seen) >> 8).astype(np.uint8))
        seen.convert("RGBA").save(FOLDER / f"{path.name}.rgba.png", optimize=True)

    save("rgb.png", rgb)
    save("rgba.png", rgba)
    save("grey.png", grey)
    save("grey-alpha.png", rgba.convert("LA"))
    save("grey16.png", grey16)
    save("palette.png", palette)
    save("palette-alpha.png", palette, transparency=3)
    save("one-bit.png", grey.convert("1"))
    save("rgb.jpg", rgb, quality=95, subsampling=0)
    save("halved.jpg", rgb, quality=95, subsampling=2)
    save("progressive.jpg", rgb, quality=95, progressive=True)
    save("grey.jpg", grey, quality=95)
    save("cmyk.jpg", rgb.convert("CMYK"), quality=95)
    save("lossy.webp", rgb, quality=90)
    save("lossy-alpha.webp", rgba, quality=90)
    save("lossless.webp", rgb, lossless=True)
    save("lossless-alpha.webp", rgba, lossless=True, exact=True)
    turned = rgb.transpose(Image.Transpose.ROTATE_90)
    save("moving.webp", rgb, lossless=True, save_all=True, append_images=[rgb.rotate(180)])
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        picture = turned if orientation > 4 else rgb
        save(f"turned-{orientation}.jpg", picture, quality=90, exif=exif)
    exif = Image.Exif()
    exif[0x0112] = 6
    save("turned.png", turned, exif=exif)
    save("turned.webp", turned, lossless=True, exif=exif)

    noise = np.random.default_rng(0).integers(0, 256, (13, 17, 3), np.uint8)
    picture = Image.fromarray(noise)
    # Not wider and lower at once: for that, newer Pillow takes the columns first.
    scaled = []
    for width, height in [(17, 13), (34, 26), (8, 8), (40, 14), (5, 21), (1, 1)]:
        scaled.append({
            "size": [width, height],
            "stretch": list(picture.resize((width, height), Image.LANCZOS).tobytes()),
            "cover": list(ImageOps.fit(picture, (width, height), Image.LANCZOS).tobytes()),
        })
    golden = {"size": [17, 13], "picture": list(picture.tobytes()), "scaled": scaled}
    (FOLDER / "scaled.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
