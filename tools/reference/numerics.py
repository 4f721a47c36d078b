"""Goldens of PyTorch's own arithmetic: its optimizer, the contrastive loss, its random numbers."""

import math
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy, normalize

import hashed
from record import gradient_norms, rounded, write

ADAMW = {"lr": 1e-2, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.1}
PARAMETERS = 6
RANDN_SEEDS = [0, 42, 2**32 + 5]
# Below 16 numbers PyTorch draws pairs one by one; from 16 on it fills blocks and redoes the tail.
RANDN_COUNTS = [8, 15, 16, 20, 33]


def optimizer(path: Path) -> None:
    """Five AdamW steps from "input:param" with gradients u("input:grad:<step>", i)."""
    parameter = torch.nn.Parameter(hashed.input_tensor("param", [PARAMETERS]))
    adamw = torch.optim.AdamW([parameter], **ADAMW)
    golden = {"options": ADAMW, "initial": rounded(parameter)}
    for step in range(5):
        gradient = hashed.u(f"input:grad:{step}", PARAMETERS).astype("float32")
        parameter.grad = torch.from_numpy(gradient).double()
        adamw.step()
        golden[f"step_{step}"] = rounded(parameter)
    write(path, golden)


def clip_loss(path: Path) -> None:
    """CLIP's loss (arXiv:2103.00020, Figure 3): the mean of both directions' cross entropies."""
    image = hashed.input_tensor("image_embeds", [4, 6]).requires_grad_()
    text = hashed.input_tensor("text_embeds", [4, 6]).requires_grad_()
    logit_scale = torch.tensor(math.log(1 / 0.07), dtype=torch.float64, requires_grad=True)
    logits = logit_scale.exp() * normalize(image, dim=-1) @ normalize(text, dim=-1).T
    labels = torch.arange(len(logits))
    loss = (cross_entropy(logits, labels) + cross_entropy(logits.T, labels)) / 2
    golden = {"shape": list(image.shape), "logit_scale": rounded(logit_scale.item())}
    golden |= gradient_norms(
        loss, {"image_embeds": image, "text_embeds": text, "logit_scale": logit_scale}
    )
    write(path, golden)


def torch_randn(path: Path) -> None:
    """The CPU generator after torch.manual_seed; nine digits name each f32 exactly."""
    golden = {}
    for seed in RANDN_SEEDS:
        for count in RANDN_COUNTS:
            torch.manual_seed(seed)
            golden[f"randn:{seed}:{count}"] = rounded(torch.randn(count), digits=9)
        torch.manual_seed(seed)
        golden[f"rand:{seed}:8"] = rounded(torch.rand(8), digits=9)
    write(path, golden)


def write_all(root: Path) -> None:
    optimizer(root / "optimizer.json")
    clip_loss(root / "clip_loss.json")
    torch_randn(root / "torch_randn.json")
