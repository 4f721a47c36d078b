"""Numbers that are a hash of a name, so that neither side of a comparison stores weights.

`u(name, i)` is uniform in [-1, 1): the i-th output of splitmix64 seeded by the FNV-1a hash of the
name. All arithmetic is uint64 with wraparound and f64; only the last step rounds to f32.
"""

import math

import numpy as np
import torch

GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)
INPUT_AMPLITUDE = 1.7


def fnv1a64(name: str) -> int:
    h = 0xCBF29CE484222325
    for byte in name.encode("utf-8"):
        h = ((h ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return h


def splitmix64(z: np.ndarray) -> np.ndarray:
    z = z + GOLDEN_GAMMA
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def u(name: str, count: int) -> np.ndarray:
    """f64 [count], uniform in [-1, 1)."""
    state = np.uint64(fnv1a64(name)) + np.arange(count, dtype=np.uint64) * GOLDEN_GAMMA
    return (splitmix64(state) >> np.uint64(11)).astype(np.float64) * 2.0**-53 * 2.0 - 1.0


def weight(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """f32 values of the parameter `name`, row-major in PyTorch's layout."""
    values = u(name, math.prod(shape))
    if len(shape) == 1 and name.endswith(".weight"):
        values = 1.0 + 0.1 * values
    elif len(shape) >= 2:
        values = math.sqrt(3.0 / math.prod(shape[1:])) * values
    else:
        values = 0.1 * values
    return values.reshape(shape).astype(np.float32)


def fill(model: torch.nn.Module) -> torch.nn.Module:
    """Gives every parameter its hashed value, rounded to f32, then computes in f64.

    f64 makes the answers independent of the machine and of the number of threads.
    """
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(weight(name, tuple(parameter.shape))))
    return model.double().eval()


def input_tensor(what: str, shape: list[int]) -> torch.Tensor:
    """f64 tensor of f32-rounded values 1.7·u("input:<what>", i)."""
    values = (INPUT_AMPLITUDE * u(f"input:{what}", math.prod(shape))).astype(np.float32)
    return torch.from_numpy(values.reshape(shape)).double()


def input_ids(what: str, count: int, vocabulary: int) -> list[int]:
    values = (u(f"input:{what}", count) + 1.0) / 2.0 * vocabulary
    return np.floor(values).astype(int).tolist()
