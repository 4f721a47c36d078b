"""Times training of one U-Net by Aquatint and by PyTorch in turn, and prints the ratios.

    python tools/bench/train_peers.py --dtype bf16 --rounds 5

In each round both train for a few steps, each in a process of its own, one after the other, so that
whatever else the machine does falls on both; the ratio is that of the medians of the same round. What
is compared: the U-Net of models/seven-styles unless told otherwise, with its draft and the loss of 128
more drafts on both sides (for PyTorch in train_unet.py, around diffusers' network), as many parameters
in both; batch 32, 16×16 latents, 40 tokens, AdamW, no dropout, no clipping, no average of the weights.
PyTorch has autocast to bf16, fused AdamW and its own choice of attention, and trains twice in a round,
in its usual memory format and in channels-last: the faster counts. `--compile` adds torch.compile.
"""

import argparse
import functools
import json
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CONFIG = ROOT / "models/seven-styles/unet/config.json"


def our_bench() -> Path:
    """Builds `crates/train/benches/unet_step.rs` and says where it lies."""
    build = ["cargo", "bench", "--package", "aquatint-train", "--bench", "unet_step", "--no-run",
             "--message-format", "json"]
    lines = subprocess.run(build, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = [json.loads(line).get("executable") for line in lines.splitlines() if line.startswith("{")]
    return Path([path for path in found if path][-1])


def run(command: list[str], **options) -> tuple[str, float]:
    """What a command prints, and its peak of memory in MiB."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options) as process:
        out = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return out, usage.ru_maxrss / 1024


def ours(bench: Path, args: argparse.Namespace) -> list[float]:
    """Median and best images a second, and MiB."""
    command = [str(bench), str(args.config), str(args.steps), args.dtype]
    environment = os.environ | {"RAYON_NUM_THREADS": str(args.threads)}
    out, peak = run(command, env=environment)
    speeds = re.search(r"([\d.]+) images/s \(best ([\d.]+)\)", out).groups()
    return [*(float(number) for number in speeds), peak]


def theirs(args: argparse.Namespace, options: list[str]) -> list[float]:
    command = [sys.executable, str(HERE / "train_unet.py"), "--config", str(args.config),
               "--dtype", args.dtype, "--steps", str(args.steps), "--threads", str(args.threads)]
    out, peak = run(command + options, stderr=subprocess.DEVNULL)
    found = json.loads([line for line in out.splitlines() if line.startswith("{")][-1])
    return [found["median_images_per_second"], found["batch"] / found["best_step_seconds"], peak]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=CONFIG, help="diffusers' unet/config.json")
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="bf16")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=12, help="timed in each round, after three to warm up")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compile", action="store_true", help="a third PyTorch, compiled")
    args = parser.parse_args()
    bench = our_bench()
    peers = {"PyTorch": [], "PyTorch, channels last": ["--channels-last"]}
    if args.compile:
        peers["PyTorch, compiled"] = ["--channels-last", "--compile"]
    contestants = {"Aquatint": lambda: ours(bench, args)}
    contestants |= {name: functools.partial(theirs, args, options) for name, options in peers.items()}
    medians, best = {name: [] for name in contestants}, dict.fromkeys(contestants, 0.0)
    peaks = dict.fromkeys(contestants, 0.0)
    ratios, load = [], os.getloadavg()[0]
    for round_number in range(args.rounds):
        for name, train in contestants.items():
            median, fastest, peak = train()
            medians[name].append(median)
            best[name] = max(best[name], fastest)
            peaks[name] = max(peaks[name], peak)
        ratios.append(medians["Aquatint"][-1] / max(medians[name][-1] for name in peers))
        speeds = ", ".join(f"{name} {found[-1]:.1f}" for name, found in medians.items())
        print(f"round {round_number + 1}: {speeds} images/s; {ratios[-1]:.2f} times the faster",
              file=sys.stderr)
    print(json.dumps({
        "dtype": args.dtype,
        "threads": args.threads,
        "steps": args.steps,
        "load_average": [load, os.getloadavg()[0]],
        "median_images_per_second": {
            name: round(statistics.median(found), 1) for name, found in medians.items()},
        "best_images_per_second": {name: round(value, 1) for name, value in best.items()},
        "peak_memory_mib": {name: round(value) for name, value in peaks.items()},
        "ratios": [round(ratio, 3) for ratio in ratios],
        "median_ratio": round(statistics.median(ratios), 3),
        "ratio_of_best": round(best["Aquatint"] / max(best[name] for name in peers), 3),
    }))


if __name__ == "__main__":
    main()
