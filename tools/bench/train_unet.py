"""Times training of diffusers' UNet2DConditionModel on the CPU: the number Aquatint is held to.

    python tools/bench/train_unet.py --config unet/config.json --batch 32 --dtype bf16 --threads 2

One step is Algorithm 1 of DDPM (arXiv:2006.11239) on random latents, timesteps and contexts: draw
noise, forward, mean squared error, backward, AdamW. A configuration with Aquatint's key `draft` gets
the same draft here (crates/models/src/unet/draft.rs): the same layers, and the squared error of
`--drafts` more drafts in the loss. Prints one JSON object.
"""

import argparse
import contextlib
import json
import resource
import statistics
import time
from pathlib import Path

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from torch.nn.functional import mse_loss, silu

WARM_UPS = 3


class Draft(nn.Module):
    """Three layers from a context to a small picture, and a convolution from there into the U-Net."""

    def __init__(self, config: dict, unet: UNet2DConditionModel) -> None:
        super().__init__()
        tokens, kept, hidden, size = (
            config[key] for key in ("tokens", "token_channels", "hidden_size", "size"))
        latents = unet.config.out_channels
        self.shape = (latents, size, size)
        self.token_proj = nn.Linear(unet.config.cross_attention_dim, kept)
        self.linear_1 = nn.Linear(tokens * kept, hidden)
        self.linear_2 = nn.Linear(hidden, hidden)
        self.linear_3 = nn.Linear(hidden, latents * size * size)
        self.conv = nn.Conv2d(latents, unet.config.block_out_channels[0], 3, padding=1)

    def forward(self, context: Tensor) -> Tensor:
        x = silu(self.linear_1(self.token_proj(context).flatten(1)))
        return self.linear_3(silu(self.linear_2(x))).unflatten(1, self.shape)


class Model(nn.Module):
    """The U-Net, which adds the features of a draft to its first ones where there is one."""

    def __init__(self, config: dict) -> None:
        super().__init__()
        self.unet = UNet2DConditionModel.from_config(config)
        self.draft = Draft(config["draft"], self.unet) if "draft" in config else None
        self.features: Tensor | None = None
        if self.draft:
            self.unet.conv_in.register_forward_hook(lambda _module, _x, out: out + self.features)

    def forward(self, xt: Tensor, t: Tensor, context: Tensor) -> Tensor:
        if self.draft:
            self.features = self.draft.conv(self.draft(context))
        return self.unet(xt, t, encoder_hidden_states=context, return_dict=False)[0]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, required=True, help="diffusers' unet/config.json")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--latent", type=int, default=16, help="height and width of the latents")
    parser.add_argument("--tokens", type=int, default=40, help="length of the context")
    parser.add_argument("--drafts", type=int, default=128, help="more drafts in the loss")
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=12, help=f"timed after {WARM_UPS} warm-ups")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--compile", action="store_true", help="torch.compile the U-Net")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    model = Model(json.loads(args.config.read_text())).train()
    layout = torch.channels_last if args.channels_last else torch.contiguous_format
    model = model.to(memory_format=layout)
    run = torch.compile(model) if args.compile else model
    adamw = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=1e-2, fused=True)
    alphas = DDPMScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012
    ).alphas_cumprod
    unet = model.unet.config

    def latents(count: int) -> Tensor:
        size = (count, unet.in_channels, args.latent, args.latent)
        return torch.randn(size).to(memory_format=layout)

    def contexts(count: int) -> Tensor:
        return torch.randn(count, args.tokens, unet.cross_attention_dim)

    def step(x0: Tensor, context: Tensor, drafted: Tensor, captions: Tensor) -> float:
        eps = torch.randn_like(x0)
        t = torch.randint(len(alphas), (args.batch,))
        alpha_bar = alphas[t].view(-1, 1, 1, 1)
        xt = alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * eps
        adamw.zero_grad(set_to_none=True)
        autocast = torch.autocast("cpu", dtype=torch.bfloat16)
        with autocast if args.dtype == "bf16" else contextlib.nullcontext():
            predicted = run(xt, t, context)
            draft = model.draft(captions) if model.draft else None
        loss = mse_loss(predicted.float(), eps)
        if draft is not None:
            loss = loss + mse_loss(draft.float(), drafted)
        loss.backward()
        adamw.step()
        return loss.item()

    seconds, losses = [], []
    for _ in range(WARM_UPS + args.steps):
        # What is drawn here comes from the disk and from other networks in earnest.
        data = latents(args.batch), contexts(args.batch), latents(args.drafts), contexts(args.drafts)
        start = time.perf_counter()
        losses.append(step(*data))
        seconds.append(time.perf_counter() - start)
    seconds = seconds[WARM_UPS:]
    median = statistics.median(seconds)
    print(json.dumps({
        "torch": torch.__version__,
        "config": "/".join(args.config.parts[-3:]),
        "parameters": sum(p.numel() for p in model.parameters()),
        "batch": args.batch,
        "latent": args.latent,
        "tokens": args.tokens,
        "dtype": args.dtype,
        "threads": args.threads,
        "channels_last": args.channels_last,
        "compile": args.compile,
        "steps": args.steps,
        "median_images_per_second": round(args.batch / median, 3),
        "median_step_seconds": round(median, 5),
        "best_step_seconds": round(min(seconds), 5),
        "last_loss": round(losses[-1], 5),
        "peak_rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }))


if __name__ == "__main__":
    main()
