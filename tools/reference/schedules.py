"""Goldens of the noise schedules, the timestep grids, and of whole sampling loops."""

import math
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from diffusers.models.embeddings import get_timestep_embedding
from diffusers.schedulers import scheduling_ddim, scheduling_ddpm

import hashed
from record import rounded, summary, write

TRAIN_STEPS = 1000
ALPHA_INDICES = [0, 1, 100, 500, 998, 999]
SCHEDULES = {
    "linear": (1e-4, 0.02),
    "scaled_linear": (0.00085, 0.012),
    "squaredcos_cap_v2": (1e-4, 0.02),  # The cosine schedule reads neither end.
}
EMBEDDED_TIMESTEPS = [0, 7, 801]
SAMPLE_SHAPE = [1, 4, 8, 8]
LOOP_STEPS = 10


def alphas_cumprod(schedule: str) -> np.ndarray:
    """f64 [1000]: what diffusers computes in f32, without its rounding."""
    start, end = SCHEDULES[schedule]
    if schedule == "linear":
        betas = np.linspace(start, end, TRAIN_STEPS)
    elif schedule == "scaled_linear":
        betas = np.linspace(math.sqrt(start), math.sqrt(end), TRAIN_STEPS) ** 2
    else:
        steps = np.arange(TRAIN_STEPS + 1) / TRAIN_STEPS
        alpha_bar = np.cos((steps + 0.008) / 1.008 * math.pi / 2) ** 2
        betas = np.minimum(1 - alpha_bar[1:] / alpha_bar[:-1], 0.999)
    alphas = np.cumprod(1 - betas)
    theirs = DDIMScheduler(beta_start=start, beta_end=end, beta_schedule=schedule).alphas_cumprod
    assert np.allclose(alphas, theirs.double().numpy(), rtol=1e-4, atol=1e-9), schedule
    return alphas


def ddim_timesteps() -> dict[str, dict[str, list[int]]]:
    grids = {
        "leading_offset_0": ("leading", 0),
        "leading_offset_1": ("leading", 1),
        "trailing": ("trailing", 0),
        "linspace": ("linspace", 0),
    }
    table = {}
    for name, (spacing, offset) in grids.items():
        scheduler = DDIMScheduler(timestep_spacing=spacing, steps_offset=offset)
        table[name] = {}
        for count in [50, 20, 7]:
            scheduler.set_timesteps(count)
            table[name][str(count)] = scheduler.timesteps.tolist()
    return table


def timestep_embeddings() -> dict:
    timesteps = torch.tensor(EMBEDDED_TIMESTEPS)
    table = {"timesteps": EMBEDDED_TIMESTEPS, "dim": 8}
    for flip, shift in [(True, 0), (False, 1)]:
        values = get_timestep_embedding(
            timesteps, 8, flip_sin_to_cos=flip, downscale_freq_shift=shift
        )
        table[f"flip_sin_to_cos={str(flip).lower()},freq_shift={shift}"] = rounded(values)
    return table


def run_loop(scheduler, module, **step_arguments) -> dict:
    """Samples with model(x, t) = x·t/(t + 1); step k draws its noise from "input:noise:<k>"."""
    scheduler.alphas_cumprod = torch.from_numpy(alphas_cumprod("linear"))
    if isinstance(scheduler, DDIMScheduler) and not scheduler.config.set_alpha_to_one:
        scheduler.final_alpha_cumprod = scheduler.alphas_cumprod[0]
    scheduler.set_timesteps(LOOP_STEPS)
    sample = hashed.input_tensor("sample", SAMPLE_SHAPE)
    true_randn = module.randn_tensor
    try:
        for k, t in enumerate(scheduler.timesteps.tolist()):
            module.randn_tensor = lambda shape, k=k, **_: hashed.input_tensor(f"noise:{k}", shape)
            output = sample * t / (t + 1)
            sample = scheduler.step(output, t, sample, **step_arguments).prev_sample
    finally:
        module.randn_tensor = true_randn
    magnitude = sample.abs()
    return {
        "sum_abs": rounded(magnitude.sum().item()),
        "mean_abs": rounded(magnitude.mean().item()),
        "samples": summary(sample, samples=8)["samples"],
    }


def loops() -> dict:
    """Ten leading steps of the default linear schedule, nothing clipped, from "input:sample"."""
    table = {}
    for prediction in ["epsilon", "v_prediction"]:
        common = {"clip_sample": False, "prediction_type": prediction}
        for to_one in [True, False]:
            scheduler = DDIMScheduler(set_alpha_to_one=to_one, **common)
            name = f"ddim,{prediction},set_alpha_to_one={str(to_one).lower()},eta=0"
            table[name] = run_loop(scheduler, scheduling_ddim)
        scheduler = DDIMScheduler(**common)
        name = f"ddim,{prediction},set_alpha_to_one=true,eta=1"
        table[name] = run_loop(scheduler, scheduling_ddim, eta=1.0)
        scheduler = DDPMScheduler(variance_type="fixed_small", **common)
        table[f"ddpm,{prediction},fixed_small"] = run_loop(scheduler, scheduling_ddpm)
    return table


def write_all(root: Path) -> None:
    alphas = {"indices": ALPHA_INDICES}
    for schedule in SCHEDULES:
        alphas[schedule] = rounded(alphas_cumprod(schedule)[ALPHA_INDICES], digits=12)
    golden = {"alphas_cumprod": alphas}
    golden |= {f"ddim_timesteps_{name}": grid for name, grid in ddim_timesteps().items()}
    golden["timestep_embedding"] = timestep_embeddings()
    golden |= {f"loop:{name}": loop for name, loop in loops().items()}
    write(root / "schedules.json", golden)
