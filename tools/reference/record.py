"""Summaries of tensors, the hooks that collect them, and the JSON they are printed as."""

import json
from pathlib import Path

import numpy as np
import torch

SAMPLES = 16


def rounded(value, digits: int = 8):
    """The value (or nested lists of values) with `digits` significant decimal digits."""
    if isinstance(value, torch.Tensor):
        value = value.detach().double().tolist()
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [rounded(v, digits) for v in value]
    return float(f"{value:.{digits}g}")


def summary(tensor: torch.Tensor, samples: int = SAMPLES) -> dict:
    """Shape, mean, population standard deviation, and `samples` values spread evenly."""
    flat = tensor.detach().double().contiguous().flatten()
    last = flat.numel() - 1
    spread = [k * last // (samples - 1) for k in range(samples)]
    return {
        "shape": list(tensor.shape),
        "mean": rounded(flat.mean().item()),
        "std": rounded(flat.std(correction=0).item()),
        "samples": rounded(flat[spread]),
    }


class Stages(dict):
    """Stage name → summary, in the order in which the model computes them."""

    def watch(self, root: torch.nn.Module, paths: dict[str, str]) -> "Stages":
        """Records the output of each module path under its stage name."""

        def hook(stage):
            def record(_module, _inputs, output):
                # Down blocks answer (hidden state, skips), CLIP layers may answer 1-tuples.
                self.add(stage, output[0] if isinstance(output, tuple) else output)

            return record

        for stage, path in paths.items():
            root.get_submodule(path).register_forward_hook(hook(stage))
        return self

    def add(self, stage: str, tensor: torch.Tensor) -> None:
        assert stage not in self, f"stage {stage} ran twice"
        self[stage] = summary(tensor)
        std = self[stage]["std"]
        assert 1e-3 < std < 50, f"stage {stage} has std {std}: a useless golden"


def gradient_norms(loss: torch.Tensor, of: dict[str, torch.Tensor]) -> dict[str, float]:
    """The loss, and the L2 norm of its gradient with respect to each named tensor."""
    gradients = torch.autograd.grad(loss, list(of.values()))
    norms = {"loss": rounded(loss.item())}
    for name, gradient in zip(of, gradients, strict=True):
        norms[name] = rounded(gradient.norm().item())
        assert norms[name] > 1e-9, f"the gradient of {name} is nothing but rounding"
    return norms


def write(path: Path, value: dict) -> None:
    """One line per entry of the top level, so that a changed stage is a changed line."""
    lines = [f"  {json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in value.items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
