"""Times training of diffusers' UNet2DConditionModel on the CPU: the number Aquatint is held to.

    python tools/bench/train_unet.py --config unet/config.json --batch 32 --dtype bf16 --threads 2

One step is Algorithm 1 of DDPM (arXiv:2006.11239) on random latents, timesteps and contexts:
draw, noise, forward, mean squared error, backward, AdamW. Prints one JSON object.
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
from torch.nn.functional import mse_loss

WARM_UPS = 3


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, required=True, help="diffusers' unet/config.json")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--latent", type=int, default=16, help="height and width of the latents")
    parser.add_argument("--tokens", type=int, default=40, help="length of the context")
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=12, help=f"timed after {WARM_UPS} warm-ups")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    model = UNet2DConditionModel.from_config(json.loads(args.config.read_text())).train()
    layout = torch.channels_last if args.channels_last else torch.contiguous_format
    model = model.to(memory_format=layout)
    adamw = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=1e-2)
    alphas = DDPMScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012
    ).alphas_cumprod
    size = (args.batch, model.config.in_channels, args.latent, args.latent)
    context_size = (args.batch, args.tokens, model.config.cross_attention_dim)

    def step() -> float:
        x0 = torch.randn(size).to(memory_format=layout)
        eps = torch.randn_like(x0)
        t = torch.randint(len(alphas), (args.batch,))
        context = torch.randn(context_size)
        alpha_bar = alphas[t].view(-1, 1, 1, 1)
        xt = alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * eps
        adamw.zero_grad(set_to_none=True)
        autocast = torch.autocast("cpu", dtype=torch.bfloat16)
        with autocast if args.dtype == "bf16" else contextlib.nullcontext():
            predicted = model(xt, t, encoder_hidden_states=context).sample
        loss = mse_loss(predicted.float(), eps)
        loss.backward()
        adamw.step()
        return loss.item()

    for _ in range(WARM_UPS):
        step()
    seconds, losses = [], []
    for _ in range(args.steps):
        start = time.perf_counter()
        losses.append(step())
        seconds.append(time.perf_counter() - start)
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
        "steps": args.steps,
        "median_images_per_second": round(args.batch / median, 3),
        "median_step_seconds": round(median, 5),
        "best_step_seconds": round(min(seconds), 5),
        "last_loss": round(losses[-1], 5),
        "peak_rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }))


if __name__ == "__main__":
    main()
