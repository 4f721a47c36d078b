"""Goldens of the samplers and noise levels: diffusers, k-diffusion where diffusers has none."""

import importlib
import importlib.machinery
import math
import sys
import types
from pathlib import Path

import diffusers
import numpy as np
import scipy.stats
import torch
from diffusers.schedulers import (
    scheduling_euler_ancestral_discrete,
    scheduling_k_dpm_2_ancestral_discrete,
    scheduling_lcm,
    scheduling_tcd,
)
from diffusers.schedulers.scheduling_ddim import rescale_zero_terminal_snr
from diffusers.schedulers.scheduling_utils import AysSchedules

import hashed
from record import rounded, summary, write
from schedules import SAMPLE_SHAPE, SCHEDULES, TRAIN_STEPS, alphas_cumprod

STEPS = 10
PREDICTIONS = ["epsilon", "v_prediction"]
ALPHAS = alphas_cumprod("scaled_linear")
SIGMAS = np.sqrt((1 - ALPHAS) / ALPHAS)
BETAS = dict(zip(["beta_start", "beta_end"], SCHEDULES["scaled_linear"], strict=True))
COMMON = {"beta_schedule": "scaled_linear", "timestep_spacing": "trailing", **BETAS}


def network(xt: torch.Tensor, t: float) -> torch.Tensor:
    """Smooth, bounded, not linear, no one's denoiser, and not the same at every timestep."""
    return torch.tanh(1.3 * xt.double() + 0.2) * (0.3 + float(t) / 2000)


class Normals:
    """The k-th noise of a run is "input:noise:<k>"."""

    def __init__(self):
        self.drawn = 0

    def __call__(self, *_arguments, **_named) -> torch.Tensor:
        self.drawn += 1
        return hashed.input_tensor(f"noise:{self.drawn - 1}", SAMPLE_SHAPE)


class Brownian:
    """W(σ) that starts at the first σ asked for and goes down: new noise for each new σ."""

    def __init__(self):
        self.normals, self.known = Normals(), {}

    def at(self, sigma: float) -> torch.Tensor:
        for known in self.known:
            if abs(known / sigma - 1) < 1e-4:
                return self.known[known]
        if self.known:
            lowest = min(self.known)
            assert sigma < lowest, "a bridge"
            self.known[sigma] = self.known[lowest] + (lowest - sigma) ** 0.5 * self.normals()
        else:
            self.known[sigma] = torch.zeros(SAMPLE_SHAPE, dtype=torch.float64)
        return self.known[sigma]

    def __call__(self, sigma, sigma_next) -> torch.Tensor:
        sigma, sigma_next = float(sigma), float(sigma_next)
        return (self.at(sigma) - self.at(sigma_next)) / -abs(sigma - sigma_next) ** 0.5


def answer(x: torch.Tensor) -> dict:
    return {"sum_abs": rounded(x.abs().sum().item()), "samples": summary(x, samples=6)["samples"]}


def of_diffusers(name: str, prediction: str, module=None, grid=None, step=None, **config) -> dict:
    # PNDM is a sum of ε in the paper and of v in diffusers, where it loses its order: v of other
    # steps is read with x of this one. So it is told ε.
    told_epsilon = name == "PNDMScheduler" and prediction == "v_prediction"
    prediction = "epsilon" if told_epsilon else prediction
    scheduler = getattr(diffusers, name)(prediction_type=prediction, **COMMON, **config)
    scheduler.alphas_cumprod = torch.from_numpy(ALPHAS)
    if hasattr(scheduler, "final_alpha_cumprod"):
        scheduler.final_alpha_cumprod = torch.tensor(1.0, dtype=torch.float64)
    scheduler.set_timesteps(STEPS)
    if grid is not None:
        assert scheduler.timesteps.tolist() == grid, scheduler.timesteps
    if name == "DPMSolverSDEScheduler":
        scheduler.noise_sampler = Brownian()
    sample = hashed.input_tensor("sample", SAMPLE_SHAPE)
    # Whoever begins with more than unit noise works on x, not on xt.
    if scheduler.init_noise_sigma != 1.0:
        sample = sample * float(scheduler.sigmas.max() ** 2 + 1) ** 0.5
    noise = Normals()
    true_randn = module.randn_tensor if module else None
    try:
        if module:
            module.randn_tensor = noise
        for t in scheduler.timesteps:
            output = network(scheduler.scale_model_input(sample, t), t)
            if told_epsilon:
                alpha = ALPHAS[int(t)]
                output = alpha**0.5 * output + (1 - alpha) ** 0.5 * sample
            arguments = dict(step or {})
            if name.startswith("DPMSolverMultistep"):
                last = scheduler.step_index == STEPS - 1
                stochastic = config["algorithm_type"].startswith("sde") and not last
                arguments["variance_noise"] = noise() if stochastic else 0 * sample
            sample = scheduler.step(output, t, sample, **arguments).prev_sample.double()
    finally:
        if module:
            module.randn_tensor = true_randn
    return answer(sample)


def t_of(sigma: float) -> float:
    return float(np.interp(math.log(sigma), np.log(SIGMAS), np.arange(TRAIN_STEPS)))


def denoiser(prediction: str):
    """D(x; σ) of the network, for k-diffusion."""

    def denoise(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        sigma = float(sigma.flatten()[0])
        output = network(x / (sigma**2 + 1) ** 0.5, t_of(sigma))
        if prediction == "epsilon":
            return x - sigma * output
        return x / (sigma**2 + 1) - sigma / (sigma**2 + 1) ** 0.5 * output

    return denoise


def k_sampling() -> types.ModuleType:
    """k_diffusion.sampling alone: the package would load what its training needs."""
    package = types.ModuleType("k_diffusion")
    spec = importlib.machinery.PathFinder.find_spec("k_diffusion")
    package.__path__ = list(spec.submodule_search_locations)
    utils = types.ModuleType("k_diffusion.utils")
    utils.append_dims = lambda x, dims: x[(...,) + (None,) * (dims - x.ndim)]
    package.utils = utils
    sys.modules |= {"k_diffusion": package, "k_diffusion.utils": utils}
    return importlib.import_module("k_diffusion.sampling")


def trailing_sigmas(steps: int = STEPS) -> torch.Tensor:
    timesteps = np.round(np.arange(TRAIN_STEPS, 0, -TRAIN_STEPS / steps)).astype(int) - 1
    return torch.from_numpy(np.append(SIGMAS[timesteps], 0.0))


def of_k_diffusion(k, name: str, prediction: str, noise) -> dict:
    sigmas = trailing_sigmas()
    x = hashed.input_tensor("sample", SAMPLE_SHAPE) * (sigmas[0] ** 2 + 1) ** 0.5
    run = getattr(k, f"sample_{name}")
    return answer(run(denoiser(prediction), x, sigmas, disable=True, noise_sampler=noise))


def of_restart(k, prediction: str) -> dict:
    """Xu et al. 2023, Algorithm 2: Heun's method, and after reaching t_min up again to t_max, twice.

    The levels are the trailing ones; t_min is the seventh, t_max the fifth, with two levels
    between, evenly spaced in σ^(1/7).
    """
    sigmas = trailing_sigmas()
    low, high = sigmas[7].item(), sigmas[5].item()
    again = k.get_sigmas_karras(4, low, high).double()[:-1]
    again[0], again[-1] = high, low
    x = hashed.input_tensor("sample", SAMPLE_SHAPE) * (sigmas[0] ** 2 + 1) ** 0.5
    run = lambda x, levels: k.sample_heun(denoiser(prediction), x, levels, disable=True)
    noise = Normals()
    x = run(x, sigmas[:8])
    for _ in range(2):
        x = run(x + (high**2 - low**2) ** 0.5 * noise(), again)
    return answer(run(x, sigmas[7:]))


def loops() -> dict:
    k = k_sampling()
    table = {}
    lcm = [999, 899, 799, 699, 599, 499, 399, 299, 199, 99]
    for prediction in PREDICTIONS:
        theirs = lambda *names, prediction=prediction, **more: of_diffusers(
            names[0], prediction, **more
        )
        multistep = lambda **more: theirs("DPMSolverMultistepScheduler", **more)
        ancestral = scheduling_euler_ancestral_discrete
        ancestral_2 = scheduling_k_dpm_2_ancestral_discrete
        runs = {
            "plms": theirs("PNDMScheduler", skip_prk_steps=True),
            "euler": theirs("EulerDiscreteScheduler"),
            "euler_ancestral": theirs("EulerAncestralDiscreteScheduler", module=ancestral),
            "heun": theirs("HeunDiscreteScheduler"),
            "lms": theirs("LMSDiscreteScheduler"),
            "dpm2": theirs("KDPM2DiscreteScheduler"),
            "dpm2_ancestral": theirs("KDPM2AncestralDiscreteScheduler", module=ancestral_2),
            "dpmpp_2m": multistep(algorithm_type="dpmsolver++"),
            "dpmpp_2m_sde": multistep(algorithm_type="sde-dpmsolver++"),
            "dpmpp_3m_sde": of_k_diffusion(k, "dpmpp_3m_sde", prediction, Normals()),
            "dpmpp_sde": theirs("DPMSolverSDEScheduler"),
            "dpmpp_2s_ancestral": of_k_diffusion(k, "dpmpp_2s_ancestral", prediction, Normals()),
            "unipc": theirs("UniPCMultistepScheduler"),
            "deis": theirs("DEISMultistepScheduler"),
            "lcm": theirs("LCMScheduler", module=scheduling_lcm, grid=lcm, clip_sample=False),
            "tcd": theirs(
                "TCDScheduler", module=scheduling_tcd, grid=lcm, step={"eta": 0.3}
            ),
            "restart": of_restart(k, prediction),
        }
        table |= {f"loop:{name},{prediction}": run for name, run in runs.items()}
    return table


def levels() -> dict:
    """Noise levels for 10 (and some for 7) steps of Stable Diffusion's schedule."""
    k = k_sampling()
    low, high = float(SIGMAS[0]), float(SIGMAS[-1])
    at = lambda t: np.exp(np.interp(t, np.arange(TRAIN_STEPS), np.log(SIGMAS)))
    end = lambda levels: rounded(np.append(levels, 0.0))
    last = TRAIN_STEPS - 1
    table = {
        "karras": rounded(k.get_sigmas_karras(STEPS, low, high)),
        "exponential": rounded(k.get_sigmas_exponential(STEPS, low, high)),
        "uniform": end(at(np.linspace(last, 0, STEPS))),
        "sgm_uniform": end(at(np.linspace(last, 0, STEPS + 1)[:-1])),
        "simple": end([SIGMAS[-(1 + int(i * TRAIN_STEPS / 7))] for i in range(7)]),
        "kl_optimal": end(np.tan(np.linspace(math.atan(high), math.atan(low), STEPS))),
        "align_your_steps": AysSchedules["StableDiffusionSigmas"],
        "align_your_steps_xl": AysSchedules["StableDiffusionXLSigmas"],
    }
    # Lee et al. 2024 on timesteps, rounded to whole ones.
    ppf = scipy.stats.beta.ppf(1 - np.linspace(0, 1, STEPS, endpoint=False), 0.6, 0.6)
    table["beta"] = end(SIGMAS[np.rint(ppf * last).astype(int)])
    scheduler = diffusers.LCMScheduler()
    scheduler.set_timesteps(7)
    table["lcm"] = end(SIGMAS[scheduler.timesteps.numpy()])
    betas = torch.linspace(*(b**0.5 for b in BETAS.values()), TRAIN_STEPS, dtype=torch.float64) ** 2
    alphas = torch.cumprod(1 - rescale_zero_terminal_snr(betas), 0)
    table["rescale_betas_zero_snr"] = rounded(alphas[[0, 1, 100, 500, 998]], digits=12)
    return {f"levels:{name}": values for name, values in table.items()}


def brownian() -> dict:
    """Increments of torchsde's trees as k-diffusion asks for them."""
    k = k_sampling()
    table = {}
    for seed in [42, 2**32 + 5]:
        tree = k.BrownianTreeNoiseSampler(torch.zeros(1, 4, 4, 4), 0.0292, 14.6146, [seed])
        stops = [14.6146, 6.475, 3.1, 3.0, 0.0292]
        for sigma, sigma_next in [*zip(stops[:-1], stops[1:], strict=True), (14.6146, 3.1)]:
            noise = tree(torch.tensor(sigma), torch.tensor(sigma_next))
            values = summary(noise.double(), samples=6)["samples"]
            table[f"brownian:{seed}:{sigma}:{sigma_next}"] = values
    return table


def write_all(root: Path) -> None:
    write(root / "samplers.json", loops() | levels() | brownian())
