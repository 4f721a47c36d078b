"""Times training of one U-Net by Aquatint and by PyTorch in turn, and prints the ratios.

    python tools/bench/train_peers.py --dtype bf16 --rounds 5

In each round both train for a few steps, each in a process of its own, one after the other, so that
whatever else the machine does falls on both; the ratio is that of the medians of the same round. The
network is that of models/seven-styles unless told otherwise. diffusers leaves its draft out, five layers
with nearly three million parameters: what ours does more is not taken off.
"""

import argparse
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


def ours(bench: Path, args: argparse.Namespace) -> list[float]:
    """Median and best images a second."""
    command = [str(bench), str(args.config), str(args.steps), args.dtype]
    environment = os.environ | {"RAYON_NUM_THREADS": str(args.threads)}
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    return [float(number) for number in re.search(r"([\d.]+) images/s \(best ([\d.]+)\)", out).groups()]


def theirs(args: argparse.Namespace) -> list[float]:
    command = [sys.executable, str(HERE / "train_unet.py"), "--config", str(args.config),
               "--dtype", args.dtype, "--steps", str(args.steps), "--threads", str(args.threads)]
    command += ["--channels-last"] if args.channels_last else []
    out = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    found = json.loads([line for line in out.splitlines() if line.startswith("{")][-1])
    return [found["median_images_per_second"], found["batch"] / found["best_step_seconds"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=CONFIG, help="diffusers' unet/config.json")
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="bf16")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=12, help="timed in each round, after three to warm up")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--channels-last", action="store_true", help="PyTorch's memory format")
    args = parser.parse_args()
    bench = our_bench()
    ratios, best, load = [], {"Aquatint": 0.0, "PyTorch": 0.0}, os.getloadavg()[0]
    for round_number in range(args.rounds):
        (our_median, our_best), (their_median, their_best) = ours(bench, args), theirs(args)
        ratios.append(our_median / their_median)
        best["Aquatint"] = max(best["Aquatint"], our_best)
        best["PyTorch"] = max(best["PyTorch"], their_best)
        print(f"round {round_number + 1}: Aquatint {our_median:.1f}, PyTorch {their_median:.1f} images/s, "
              f"{ratios[-1]:.2f} times", file=sys.stderr)
    print(json.dumps({
        "dtype": args.dtype,
        "threads": args.threads,
        "steps": args.steps,
        "load_average": [load, os.getloadavg()[0]],
        "median_ratio": round(statistics.median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "best_images_per_second": {name: round(value, 1) for name, value in best.items()},
        "ratio_of_best": round(best["Aquatint"] / best["PyTorch"], 3),
    }))


if __name__ == "__main__":
    main()
