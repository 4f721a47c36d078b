"""Goldens of the networks that enlarge pictures: RRDBNet, SRVGGNetCompact and idealo's residual dense networks.

Written here from their papers and from the layers that the files of `@upscalerjs/esrgan-*` list, in PyTorch. As a
check of the latter, `python super_resolution.py PACKAGE` enlarges the package's own example with the weights in it and
compares with the result that is there, which TensorFlow.js made:

    npm pack @upscalerjs/esrgan-slim && tar xzf upscalerjs-esrgan-slim-1.0.0.tgz
    python super_resolution.py package          # prints the differences in 8 bits

`python super_resolution.py PACKAGE --embed x4 FILE` writes the weights of one scale as the program carries them.
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import hashed
from record import Stages, write

SHAPE = [1, 3, 12, 8]
NETWORKS = {
    "rrdb_x4": {"kind": "rrdb", "num_feat": 16, "num_block": 2, "num_grow_ch": 8, "scale": 4},
    "rrdb_x2": {"kind": "rrdb", "num_feat": 16, "num_block": 1, "num_grow_ch": 8, "scale": 2},
    "srvgg_x4": {"kind": "srvgg", "num_feat": 16, "num_conv": 3, "scale": 4},
    "srvgg_x2": {"kind": "srvgg", "num_feat": 8, "num_conv": 2, "scale": 2},
    "rdn_x3": {"kind": "rdn", "features": 16, "growth": 8, "layers": 2, "blocks": 3, "scale": 3},
    "rdn_x4": {"kind": "rdn", "features": 16, "growth": 4, "layers": 1, "blocks": 2, "scale": 4},
    "rrdn_x4": {"kind": "rrdn", "num_feat": 16, "num_block": 2, "num_grow_ch": 8, "scale": 4},
}


def conv(inputs: int, outputs: int, kernel: int = 3) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)


class DenseBlock(nn.Module):
    def __init__(self, width: int, growth: int, slope: float):
        super().__init__()
        for n in range(4):
            self.add_module(f"conv{n + 1}", conv(width + n * growth, growth))
        self.conv5 = conv(width + 4 * growth, width)
        self.slope = slope

    def forward(self, x):
        seen = [x]
        for n in range(4):
            seen.append(F.leaky_relu(getattr(self, f"conv{n + 1}")(torch.cat(seen, 1)), self.slope))
        return x + 0.2 * self.conv5(torch.cat(seen, 1))


class Rrdb(nn.Module):
    def __init__(self, *sizes):
        super().__init__()
        self.rdb1, self.rdb2, self.rdb3 = (DenseBlock(*sizes) for _ in range(3))

    def forward(self, x):
        return x + 0.2 * self.rdb3(self.rdb2(self.rdb1(x)))


class RRDBNet(nn.Module):
    """Wang et al. 2018, with the doubling and the order of Real-ESRGAN."""

    def __init__(self, num_feat, num_block, num_grow_ch, scale):
        super().__init__()
        self.unshuffle = {4: 1, 2: 2, 1: 4}[scale]
        self.conv_first = conv(3 * self.unshuffle**2, num_feat)
        self.body = nn.Sequential(*(Rrdb(num_feat, num_grow_ch, 0.2) for _ in range(num_block)))
        self.conv_body, self.conv_up1, self.conv_up2, self.conv_hr = (conv(num_feat, num_feat) for _ in range(4))
        self.conv_last = conv(num_feat, 3)

    def forward(self, x):
        first = self.conv_first(F.pixel_unshuffle(x, self.unshuffle))
        x = first + self.conv_body(self.body(first))
        for up in (self.conv_up1, self.conv_up2):
            x = F.leaky_relu(up(F.interpolate(x, scale_factor=2, mode="nearest")), 0.2)
        return self.conv_last(F.leaky_relu(self.conv_hr(x), 0.2))


def depth_to_space(x, s):
    """TensorFlow's: channel (i·s + j)·C + c becomes the pixel in row i and column j."""
    n, channels, h, w = x.shape
    blocks = x.reshape(n, s, s, channels // s**2, h, w)
    return blocks.permute(0, 3, 4, 1, 5, 2).reshape(n, channels // s**2, s * h, s * w)


class RRDN(nn.Module):
    """idealo's, with the names that RRDBNet has for the same layers; `conv_hr` is PreShuffle, `conv_last` SR."""

    def __init__(self, num_feat, num_block, num_grow_ch, scale):
        super().__init__()
        self.scale = scale
        self.conv_first = conv(3, num_feat)
        self.body = nn.Sequential(*(Rrdb(num_feat, num_grow_ch, 0.0) for _ in range(num_block)))
        self.conv_body = conv(num_feat, num_feat)
        self.conv_hr = conv(num_feat, 3 * scale**2)
        self.conv_last = conv(3, 3)

    def forward(self, x):
        first = self.conv_first(x)
        x = first + self.conv_body(self.body(first))
        return self.conv_last(depth_to_space(self.conv_hr(x), self.scale))


class SRVGGNetCompact(nn.Module):
    def __init__(self, num_feat, num_conv, scale):
        super().__init__()
        layers = [conv(3, num_feat), nn.PReLU(num_feat)]
        for _ in range(num_conv):
            layers += [conv(num_feat, num_feat), nn.PReLU(num_feat)]
        self.body = nn.ModuleList([*layers, conv(num_feat, 3 * scale**2)])
        self.scale = scale

    def forward(self, x):
        y = x
        for layer in self.body:
            y = layer(y)
        return F.pixel_shuffle(y, self.scale) + F.interpolate(x, scale_factor=self.scale, mode="nearest")


class RDN(nn.Module):
    """Zhang et al. 2018 as idealo builds it, with the names in its files."""

    def __init__(self, features, growth, layers, blocks, scale):
        super().__init__()
        self.layers, self.blocks, self.scale = layers, blocks, scale
        self.add_module("F_m1", conv(3, features))
        self.add_module("F_0", conv(features, features))
        for d in range(1, blocks + 1):
            for c in range(1, layers + 1):
                self.add_module(f"F_{d}_{c}", conv(features + (c - 1) * growth, growth))
            self.add_module(f"LFF_{d}", conv(features + layers * growth, features, 1))
        self.add_module("GFF_1", conv(blocks * features, features, 1))
        self.add_module("GFF_2", conv(features, features))
        self.add_module("UPN1", conv(features, 64, 5))
        self.add_module("UPN2", conv(64, 32))
        self.add_module("UPN3", conv(32, 3 * scale**2))
        self.add_module("SR", conv(3 * scale**2, 3))

    def forward(self, x):
        shallow = self.F_m1(x)
        x, outputs = self.F_0(shallow), []
        for d in range(1, self.blocks + 1):
            seen = x
            for c in range(1, self.layers + 1):
                seen = torch.cat([seen, F.relu(getattr(self, f"F_{d}_{c}")(seen))], 1)
            x = x + getattr(self, f"LFF_{d}")(seen)
            outputs.append(x)
        x = shallow + self.GFF_2(self.GFF_1(torch.cat(outputs, 1)))
        x = self.UPN3(F.relu(self.UPN2(F.relu(self.UPN1(x)))))
        return self.SR(F.interpolate(x, scale_factor=self.scale, mode="nearest"))


KINDS = {"rrdb": RRDBNet, "srvgg": SRVGGNetCompact, "rdn": RDN, "rrdn": RRDN}


def write_all(root: Path) -> None:
    folder, stages, configs = root / "super_resolution", Stages(), {}
    folder.mkdir(parents=True, exist_ok=True)
    image = hashed.input_tensor("image", SHAPE)
    for name, config in NETWORKS.items():
        model = hashed.fill(KINDS[config["kind"]](**{k: v for k, v in config.items() if k != "kind"}))
        configs[name] = config | {"tensors": {n: list(p.shape) for n, p in model.named_parameters()}}
        with torch.no_grad():
            stages.add(name, model(image))
    write(folder / "config.json", configs)
    write(folder / "input.json", {"image": SHAPE})
    write(folder / "golden.json", stages)
    write(root / "esrgan_slim.json", {"x4": shipped()})


def shipped() -> list[int]:
    """Bytes of a picture of 20 × 16 bytes, enlarged with the weights that the program carries."""
    from safetensors.torch import load_file

    weights = load_file(Path(__file__).resolve().parents[2] / "models" / "esrgan-slim" / "x4.safetensors")
    values = hashed.input_tensor("bytes", [16, 20, 3]).float().numpy()
    pixels = np.floor((values + np.float32(1.7)) * np.float32(75))
    image = torch.from_numpy(pixels).double().permute(2, 0, 1)[None]
    with torch.no_grad():
        made = of_package(weights, 4).double()(image)[0].permute(1, 2, 0).clamp(0, 255).round().flatten().int()
    return [int(made[k * (len(made) - 1) // 63]) for k in range(64)]


def package_weights(folder: Path) -> dict[str, np.ndarray]:
    """The tensors of a layers model of TensorFlow.js by their names there."""
    weights = {}
    for group in json.loads((folder / "model.json").read_text())["weightsManifest"]:
        raw, start = b"".join((folder / path).read_bytes() for path in group["paths"]), 0
        for entry in group["weights"]:
            count = math.prod(entry["shape"])
            weights[entry["name"]] = np.frombuffer(raw, "<f4", count, start).reshape(entry["shape"])
            start += 4 * count
        assert start == len(raw)
    return weights


def renamed(name: str) -> str:
    return name.replace("/kernel", ".weight").replace("/bias", ".bias")


def state_dict(weights: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """In PyTorch's layout: [3, 3, in, out] → [out, in, 3, 3]."""
    turned = {renamed(n): w.transpose(3, 2, 0, 1) if w.ndim == 4 else w for n, w in weights.items()}
    return {name: torch.from_numpy(w.copy()) for name, w in turned.items()}


def of_package(weights: dict[str, torch.Tensor], scale: int) -> RDN:
    blocks = sum(name.startswith("LFF_") and name.endswith(".weight") for name in weights)
    layers = sum(name.startswith("F_1_") and name.endswith(".weight") for name in weights)
    growth, features = weights["F_1_1.weight"].shape[:2]
    model = RDN(features, growth, layers, blocks, scale)
    model.load_state_dict(weights)
    return model.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path)
    parser.add_argument("--embed", nargs=2, metavar=("SCALE", "FILE"))
    options = parser.parse_args()
    if options.embed:
        from safetensors.torch import save_file

        scale, file = options.embed
        weights = state_dict(package_weights(options.package / "models" / scale))
        about = {"format": "pt", "license": "MIT", "source": f"npm @upscalerjs/esrgan-slim 1.0.0, models/{scale}"}
        save_file({name: w.half().contiguous() for name, w in weights.items()}, file, metadata=about)
        return
    from PIL import Image

    def pixels(name: str) -> np.ndarray:
        return np.asarray(Image.open(options.package / "assets" / name).convert("RGB")).astype(np.float32)

    image = torch.from_numpy(pixels("fixture.png")).permute(2, 0, 1)[None]
    for scale in (2, 3, 4):
        weights = state_dict(package_weights(options.package / f"models/x{scale}"))
        with torch.no_grad():
            made = of_package(weights, scale)(image)[0].permute(1, 2, 0).clamp(0, 255).numpy()
        difference = np.abs(np.round(made) - pixels(f"samples/{scale}x/result.png"))
        print(f"x{scale}: largest difference {difference.max():.0f}, mean {difference.mean():.4f}")


if __name__ == "__main__":
    main()
