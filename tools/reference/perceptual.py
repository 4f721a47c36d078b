"""Goldens of the networks of perceptual distances: LPIPS by its authors' package on a VGG16 of hashed
weights, and EfficientNet-Lite0 by the package that its published weights were made for.

Needs requirements-perceptual.txt.
"""

import warnings
from pathlib import Path

import numpy as np
import torch

import hashed
from record import rounded, summary, write

SIDE = 32


def pictures() -> list[torch.Tensor]:
    return [hashed.input_tensor(what, [2, 3, SIDE, SIDE]) / 1.7 for what in ("a", "b")]


def lpips_vgg() -> dict:
    """Distances of two pairs with and without the heads, and the gradient's length in one picture."""
    import lpips

    golden = {}
    for heads in (True, False):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = lpips.LPIPS(net="vgg", lpips=heads, pretrained=False, pnet_rand=True, verbose=False)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                # torchvision's name, whatever slice the layer is in.
                if name.startswith("net."):
                    name = "features." + ".".join(name.split(".")[2:])
                value = hashed.weight(name, tuple(parameter.shape))
                if name.startswith("lin"):
                    value = np.abs(value)
                parameter.copy_(torch.from_numpy(value))
        model = model.double().eval()
        a, b = pictures()
        b.requires_grad_()
        distance = model(a, b).flatten()
        (gradient,) = torch.autograd.grad(distance.sum(), b)
        golden["lpips" if heads else "vgg16"] = {
            "distance": rounded(distance),
            "gradient": rounded(gradient.norm().item()),
        }
    return golden


def efficientnet_lite0() -> dict:
    """What blocks and head say of a picture of 224 pixels."""
    from efficientnet_lite_pytorch import EfficientNet

    model = EfficientNet.from_name("efficientnet-lite0")
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith("num_batches_tracked"):
                continue
            value = hashed.weight(name, tuple(tensor.shape))
            if name.endswith("running_var"):
                value = np.float32(1.0) + value
            tensor.copy_(torch.from_numpy(value))
    model = model.double().eval()
    golden = {}
    for block in (0, 2, 4, 10, 15):
        def record(_module, _inputs, output, block=block):
            golden[f"block_{block}"] = summary(output)

        model._blocks[block].register_forward_hook(record)
    image = hashed.input_tensor("a", [1, 3, 224, 224]) / 1.7
    # (byte - 127) / 128, as TensorFlow's pictures came.
    with torch.no_grad():
        features = model.extract_features((127.5 * image + 127.5 - 127.0) / 128.0)
    golden["pooled"] = summary(features.mean((2, 3)))
    return golden


def write_all(root: Path) -> None:
    write(root / "perceptual.json", lpips_vgg() | {"effnet_lite0": efficientnet_lite0()})


if __name__ == "__main__":
    torch.set_num_threads(1)
    write_all(Path(__file__).resolve().parents[2] / "testdata" / "golden")
