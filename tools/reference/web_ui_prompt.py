"""How Stable Diffusion web UI 1.10 reads prompts, written anew over transformers' CLIP; and what it draws.

    python tools/reference/web_ui_prompt.py FOLDER     # five steps with FOLDER/model, see full_size.py
    cargo xtask web-ui FOLDER                          # compares

`write_all` writes testdata/golden/web_ui_prompt*: contexts of tiny text encoders with hashed weights. Whoever
knows the web UI will find its names in the comments.
"""

import argparse
import math
import re
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save_file

import hashed
from record import Stages, write
from tokenizers_golden import tokenizers

TOKENS = re.compile(
    r"(?P<escaped>\\[()\[\]\\]?)|(?P<weight>:(?P<number>[+-]?[.\d]+)\))|(?P<bracket>[()\[\]])|(?P<text>[^\\()\[\]:]+|:)"
)
BREAK = re.compile(r"\s*\bBREAK\b\s*")


def parse_weights(prompt: str) -> list[tuple[str, float]]:
    """Pieces with their weights; ("BREAK", -1) where a new chunk begins (`parse_prompt_attention`)."""
    pieces: list[list] = []
    opened: dict[str, list[int]] = {"(": [], "[": []}

    def multiply(start: int, weight: float) -> None:
        for piece in pieces[start:]:
            piece[1] *= weight

    def text(found: str) -> None:
        first, *rest = BREAK.split(found)
        pieces.append([first, 1.0])
        for part in rest:
            pieces.extend([["BREAK", -1], [part, 1.0]])

    for token in TOKENS.finditer(prompt):
        whole = token.group()
        if token["escaped"]:
            pieces.append([whole[1:], 1.0])
        elif whole in opened:
            opened[whole].append(len(pieces))
        elif token["weight"] and opened["("]:
            multiply(opened["("].pop(), float(token["number"]))
        elif whole == ")" and opened["("]:
            multiply(opened["("].pop(), 1.1)
        elif whole == "]" and opened["["]:
            multiply(opened["["].pop(), 1 / 1.1)
        else:
            text(whole)
    for start in opened["("]:
        multiply(start, 1.1)
    for start in opened["["]:
        multiply(start, 1 / 1.1)

    merged: list[tuple[str, float]] = []
    for words, weight in pieces or [["", 1.0]]:
        if merged and merged[-1][1] == weight:
            words = merged.pop()[0] + words
        merged.append((words, weight))
    return merged


@dataclass
class Chunk:
    """What the text encoder reads at once: 75 places, each a token, or a vector in its place, and a weight."""

    places: list = field(default_factory=list)
    weights: list[float] = field(default_factory=list)


class Reader:
    """One text encoder with its tokenizer."""

    length = 75
    backtrack = 20

    def __init__(self, model, tokenizer, normalized: bool, embeddings: dict[str, torch.Tensor] | None = None):
        self.model, self.tokenizer, self.normalized = model, tokenizer, normalized
        self.comma = self.ids("a , b")[1]
        self.embeddings = sorted(
            ((self.ids(name), vectors) for name, vectors in (embeddings or {}).items()), key=lambda e: -len(e[0])
        )

    def ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False).input_ids

    def chunks(self, prompt: str) -> list[Chunk]:
        """`tokenize_line`."""
        done: list[Chunk] = []
        chunk, comma = Chunk(), None

        def close():
            nonlocal chunk, comma
            done.append(chunk)
            chunk, comma = Chunk(), None

        for text, weight in parse_weights(prompt):
            if (text, weight) == ("BREAK", -1):
                close()
                continue
            ids, at = self.ids(text), 0
            while at < len(ids):
                full = len(chunk.places) == self.length
                if ids[at] == self.comma:
                    comma = len(chunk.places)
                elif full and comma is not None and len(chunk.places) - comma <= self.backtrack:
                    after = Chunk(chunk.places[comma + 1:], chunk.weights[comma + 1:])
                    chunk = Chunk(chunk.places[: comma + 1], chunk.weights[: comma + 1])
                    close()
                    chunk = after
                if len(chunk.places) == self.length:
                    close()
                name, vectors = next(
                    (e for e in self.embeddings if ids[at : at + len(e[0])] == e[0]), (ids[at : at + 1], ids[at : at + 1])
                )
                if len(chunk.places) + len(vectors) > self.length:
                    close()
                chunk.places.extend(vectors)
                chunk.weights.extend([weight] * len(vectors))
                at += len(name)
        if chunk.places or not done:
            close()
        return done

    def states(self, places: list, skip: int) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Of one chunk [1, 77, D], and of the whole of it (`encode_with_transformers`)."""
        start, end, pad = (self.tokenizer.bos_token_id, self.tokenizer.eos_token_id, self.tokenizer.pad_token_id)
        framed = [start, *places, end]
        framed += [pad] * (self.length + 2 - len(framed))
        ids = torch.tensor([[0 if isinstance(p, torch.Tensor) else p for p in framed]])
        text_model = getattr(self.model, "text_model", self.model)

        def put(_module, _inputs, output):
            vectors = {i: p for i, p in enumerate(framed) if isinstance(p, torch.Tensor)}
            output = output.clone()
            for i, vector in vectors.items():
                output[0, i] = vector
            return output

        hook = text_model.embeddings.token_embedding.register_forward_hook(put)
        out = self.model(input_ids=ids, output_hidden_states=True)
        hook.remove()
        if not self.normalized:
            return out.hidden_states[-skip], getattr(out, "text_embeds", None)
        if skip == 1:
            return out.last_hidden_state if hasattr(out, "last_hidden_state") else None, None
        return text_model.final_layer_norm(out.hidden_states[-skip]), None

    def read(self, prompt: str, skip: int, emphasis: str) -> tuple[torch.Tensor, torch.Tensor | None]:
        """All chunks side by side [1, n·77, D], and the first one as a whole (`process_tokens`, `sd_emphasis`)."""
        read, wholes = [], []
        for chunk in self.chunks(prompt):
            z, whole = self.states(chunk.places, skip)
            weights = [1.0, *chunk.weights]
            weights += [1.0] * (z.shape[1] - len(weights))
            weights = torch.tensor(weights, dtype=z.dtype)[None, :, None]
            if emphasis == "web-ui":
                z = z * weights * (z.mean() / (z * weights).mean())
            elif emphasis == "no-norm":
                z = z * weights
            elif emphasis == "comfyui":
                # ComfyUI's encode_token_weights.
                nothing = self.states([], skip)[0]
                z = (z - nothing) * weights + nothing
            else:
                raise ValueError(emphasis)
            read.append(z)
            wholes.append(whole)
        return torch.cat(read, dim=1), wholes[0]


def padded(context: torch.Tensor, reader: Reader, skip: int, tokens: int) -> torch.Tensor:
    """With chunks of nothing up to a length ("pad prompt/negative prompt")."""
    nothing = reader.states([], skip)[0]
    missing = (tokens - context.shape[1]) // nothing.shape[1]
    return torch.cat([context] + [nothing] * missing, dim=1)


# Cases of the golden.

WORDS = "a cat, a dog and a bird on the mat, "
CASES = {
    "plain": {"prompt": "a red cat, 35mm"},
    "weights": {"prompt": r"a ((red)) (cat:1.5) [on] a \(mat\), it's 12:30, (tiny:0.3", "negative_prompt": "[blue]"},
    "crossed": {"prompt": "a (red [cat) on a] (mat:1.2:3"},
    "long": {"prompt": WORDS * 5 + "(the end:1.4), " + "very " * 19 + "small", "negative_prompt": "(grey:1.2)"},
    "break": {"prompt": "a cat BREAK (a dog:1.2) (on BREAK mats)", "negative_prompt": "x BREAK y BREAK z"},
    "skip_2": {"prompt": "a (red:1.3) cat", "clip_skip": 2},
    "skip_3": {"prompt": "a red cat", "clip_skip": 3},
    "no_norm": {"prompt": "a (red:1.3) cat", "prompt_weights": "no-norm"},
    "comfyui": {"prompt": "a (red:1.3) [cat] BREAK (a dog:-1)", "prompt_weights": "comfyui"},
    "embedding": {"prompt": "an EasyCat, (easycat:1.2) and " + "cat " * 71 + "easycat on cattoy"},
}
EMBEDDINGS = {"easycat": 3, "cattoy": 1}


def embeddings(width: int, suffix: str = "") -> dict[str, torch.Tensor]:
    return {name: hashed.input_tensor(name + suffix, [n, width]) for name, n in EMBEDDINGS.items()}


def write_all(root: Path) -> None:
    from pipelines import CLIP, CLIP_2, clip

    three = CLIP | {"num_hidden_layers": 3}
    vocabularies = tokenizers()

    def both(reader: Reader, case: dict) -> tuple[torch.Tensor, torch.Tensor]:
        skip, emphasis = case.get("clip_skip", 1), case.get("prompt_weights", "web-ui")
        texts = [case["prompt"], case.get("negative_prompt", "")]
        read = [reader.read(text, skip, emphasis)[0] for text in texts]
        tokens = max(context.shape[1] for context in read)
        return tuple(padded(context, reader, skip, tokens) for context in read)

    with torch.no_grad():
        reader = Reader(clip(False, three), vocabularies["clip"], True, embeddings(three["hidden_size"]))
        stages = Stages()
        for name, case in CASES.items():
            prompt, negative = both(reader, case)
            stages.add(f"{name}.prompt", prompt)
            stages.add(f"{name}.negative", negative)
        folder = root / "web_ui_prompt"
        write(folder / "config.json", three)
        write(folder / "input.json", CASES)
        write(folder / "golden.json", stages)

        first = Reader(clip(False, three), vocabularies["clip"], False, embeddings(three["hidden_size"]))
        second = Reader(clip(True, CLIP_2), vocabularies["open_clip"], False, embeddings(CLIP_2["hidden_size"], "_g"))
        stages = Stages()
        for name in ["weights", "long", "embedding", "skip_3"]:
            case = CASES[name]
            skip = case.get("clip_skip", 2)
            read = [reader.read(case["prompt"], skip, "web-ui") for reader in [first, second]]
            stages.add(f"{name}.prompt", torch.cat([context for context, _ in read], dim=2))
            stages.add(f"{name}.pooled", read[1][1])
        folder = root / "web_ui_prompt_xl"
        write(folder / "config.json", {"text_encoder": three, "text_encoder_2": CLIP_2})
        write(folder / "golden.json", stages)


# What the web UI draws: k-diffusion's Euler a, noise of the CPU, no quantization of timesteps.

PROMPT = "a (photograph:1.3) of an ((astronaut)) riding a [horse], 35mm, f/1.8 BREAK (red:0.7) sand, \\(mars\\)"
NEGATIVE = "blurry, (low quality:1.4)"
SEED = 1234
STEPS = 5
CFG_SCALE = 7.5


class Schedule:
    """k-diffusion's DiscreteSchedule of Stable Diffusion."""

    def __init__(self, config: dict):
        start, end, count = config["beta_start"], config["beta_end"], config["num_train_timesteps"]
        assert config["beta_schedule"] == "scaled_linear", config
        betas = torch.linspace(start**0.5, end**0.5, count, dtype=torch.float64) ** 2
        alphas_cumprod = torch.cumprod(1 - betas, dim=0).float()
        self.log_sigmas = (((1 - alphas_cumprod) / alphas_cumprod) ** 0.5).log()

    def sigmas(self, steps: int) -> list[float]:
        t = torch.linspace(len(self.log_sigmas) - 1, 0, steps)
        below, above, part = t.floor().long(), t.ceil().long(), t.frac()
        log_sigma = (1 - part) * self.log_sigmas[below] + part * self.log_sigmas[above]
        return [*log_sigma.exp().tolist(), 0.0]

    def timestep(self, sigma: float) -> float:
        distances = math.log(sigma) - self.log_sigmas
        below = int((distances >= 0).cumsum(dim=0).argmax().clamp(max=len(self.log_sigmas) - 2))
        low, high = self.log_sigmas[below].item(), self.log_sigmas[below + 1].item()
        part = min(max((low - math.log(sigma)) / (low - high), 0), 1)
        return below + part


def draw(folder: Path) -> None:
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(folder / "model", local_files_only=True, safety_checker=None)
    reader = Reader(pipeline.text_encoder, pipeline.tokenizer, True)
    unet, schedule = pipeline.unet, Schedule(pipeline.scheduler.config)
    prompt, _ = reader.read(PROMPT, 1, "web-ui")
    negative, _ = reader.read(NEGATIVE, 1, "web-ui")
    negative = padded(negative, reader, 1, prompt.shape[1])
    generator = torch.Generator("cpu").manual_seed(SEED)
    side = unet.config.sample_size

    def noise() -> torch.Tensor:
        return torch.randn([4, side, side], generator=generator)[None]

    def denoise(x: torch.Tensor, sigma: float) -> torch.Tensor:
        """`CFGDenoiser`, over k-diffusion's CompVisDenoiser."""
        scaled = torch.cat([x, x]) / (sigma**2 + 1) ** 0.5
        eps = unet(scaled, torch.tensor(schedule.timestep(sigma)), torch.cat([prompt, negative])).sample
        of_prompt, of_negative = (x - sigma * eps).chunk(2)
        return of_negative + (of_prompt - of_negative) * CFG_SCALE

    sigmas = schedule.sigmas(STEPS)
    x = noise() * sigmas[0]
    for sigma, next_sigma in zip(sigmas, sigmas[1:]):
        # k-diffusion's sample_euler_ancestral with eta = 1.
        denoised = denoise(x, sigma)
        up = min(next_sigma, (next_sigma**2 * (sigma**2 - next_sigma**2) / sigma**2) ** 0.5)
        down = (next_sigma**2 - up**2) ** 0.5
        x = x + (x - denoised) / sigma * (down - sigma)
        if next_sigma > 0:
            x = x + noise() * up
        print(f"σ {sigma:.4f} → {next_sigma:.4f}", flush=True)
    found = {"prompt": prompt, "negative": negative, "latents": x, "sigmas": torch.tensor(sigmas)}
    metadata = {"prompt": PROMPT, "negative_prompt": NEGATIVE, "seed": str(SEED), "steps": str(STEPS),
                "guidance_scale": str(CFG_SCALE)}
    save_file({name: tensor.contiguous() for name, tensor in found.items()}, folder / "web_ui.safetensors", metadata)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    with torch.no_grad():
        draw(parser.parse_args().folder)


if __name__ == "__main__":
    main()
