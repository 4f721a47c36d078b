"""Times Aquatint against OpenVINO and PyTorch: one U-Net pass and one decode of Stable Diffusion 1.5.

    python -m venv .venv && .venv/bin/pip install -r tools/bench/requirements-peers.txt
    .venv/bin/python tools/reference/full_size.py sd15 FOLDER
    .venv/bin/python tools/bench/peers.py FOLDER --cache CACHE

Every contestant is a process of its own that has loaded the model, weights random, and waits. In each
round all do one pass, one after the other, so that whatever else the machine does falls on all alike;
the ratio of two is that of the same round, and what is printed is the median of these. The first run
converts and quantizes for OpenVINO, which takes long and up to 8 GB; what it makes stays in the cache.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
WHATS = {"unet": "U-Net pass", "decode": "VAE decode"}
# Name and dtype, in the order of their turns.
CONTESTANTS = [
    ("OpenVINO", "f32"), ("PyTorch", "f32"), ("Aquatint", "f32"),
    ("OpenVINO", "bf16"), ("PyTorch", "bf16"), ("Aquatint", "bf16"),
    ("OpenVINO", "int8"), ("Aquatint", "int8"),
]
OURS = "Aquatint"


@dataclass
class Contestant:
    """A child process and what it answered."""

    name: str
    dtype: str
    process: subprocess.Popen
    about: dict = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    peak_mib: int | None = None

    @property
    def title(self) -> str:
        return f"{self.name} {self.dtype}"

    def read(self, key: str) -> object:
        """The value of `key` in the next line that is an answer; libraries write lines of their own."""
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)[key]
        raise ChildProcessError(f"{self.title} ended with status {self.process.wait()}")

    def one_pass(self) -> None:
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.seconds.append(self.read("seconds"))

    def close(self) -> None:
        status = Path(f"/proc/{self.process.pid}/status")
        if status.exists():
            peaks = [l.split()[1] for l in status.read_text().splitlines() if l.startswith("VmHWM")]
            self.peak_mib = int(peaks[0]) // 1024 if peaks else None
        self.process.stdin.close()
        self.process.wait()


def xtask() -> Path:
    """Builds the repository's chores and says where they lie."""
    build = ["cargo", "build", "--release", "--package", "xtask", "--message-format", "json"]
    lines = subprocess.run(build, cwd=HERE, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = [json.loads(line).get("executable") for line in lines.splitlines()]
    return Path([path for path in found if path][-1])


def command(name: str, dtype: str, what: str, args: argparse.Namespace, ours: Path) -> list[str]:
    options = ["--what", what, "--dtype", dtype, "--threads", str(args.threads)]
    model = str(args.folder / "model")
    if name == OURS:
        return [str(ours), "speed", str(args.folder), *options]
    if name == "PyTorch":
        options += ["--compile"] if args.compile else []
        return [sys.executable, str(HERE / "peer_pytorch.py"), model, *options]
    return [sys.executable, str(HERE / "peer_openvino.py"), model, *options, "--cache", str(args.cache)]


def start(name: str, dtype: str, what: str, args: argparse.Namespace, ours: Path) -> Contestant | None:
    """One after the other, so that no two load at once. None if it cannot."""
    process = subprocess.Popen(
        command(name, dtype, what, args, ours), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True, env=os.environ | {"CUDA_VISIBLE_DEVICES": "", "PYTHONWARNINGS": "ignore"})
    contestant = Contestant(name, dtype, process)
    try:
        contestant.about = contestant.read("ready")
    except ChildProcessError as error:
        print(f"not measured: {error}", file=sys.stderr)
        return None
    print(f"{contestant.title} is ready: {contestant.about}", file=sys.stderr)
    return contestant


def measure(what: str, args: argparse.Namespace, ours: Path) -> dict:
    wanted = [(n, d) for n, d in CONTESTANTS if d in args.dtypes and n in args.contestants]
    if what == "decode":  # no autoencoder is served in int8
        wanted = [(n, d) for n, d in wanted if d != "int8"]
    started = [start(name, dtype, what, args, ours) for name, dtype in wanted]
    contestants = [contestant for contestant in started if contestant]
    missing = [" ".join(pair) for pair, found in zip(wanted, started, strict=True) if not found]
    load_before = os.getloadavg()
    for round_number in range(args.rounds):
        for contestant in contestants:
            contestant.one_pass()
        times = ", ".join(f"{c.title} {c.seconds[-1]:.2f}" for c in contestants)
        print(f"{WHATS[what]}, round {round_number + 1}: {times}", file=sys.stderr)
    for contestant in contestants:
        contestant.close()
    return {
        "what": what,
        "rounds": args.rounds,
        "threads": args.threads,
        "load_average": [load_before[0], os.getloadavg()[0]],
        "not_measured": missing,
        "contestants": [row(contestant, contestants) for contestant in contestants],
    }


def row(contestant: Contestant, everyone: list[Contestant]) -> dict:
    """Ours ÷ theirs of each round, where there is one of ours of the same dtype."""
    ours = [c for c in everyone if c.name == OURS and c.dtype == contestant.dtype]
    ratios = []
    if ours and contestant.name != OURS:
        ratios = [a / b for a, b in zip(ours[0].seconds, contestant.seconds, strict=True)]
    return {
        "name": contestant.title,
        "median_seconds": statistics.median(contestant.seconds),
        "least_seconds": min(contestant.seconds),
        "ratios": ratios,
        "median_ratio": statistics.median(ratios) if ratios else None,
        "peak_mib": contestant.peak_mib,
        "seconds": contestant.seconds,
        "about": contestant.about,
    }


def table(result: dict) -> str:
    load = " to ".join(f"{value:.1f}" for value in result["load_average"])
    lines = [
        f"| {WHATS[result['what']]}, {result['threads']} threads, {result['rounds']} rounds, load {load} "
        "| median s | least s | Aquatint ÷ it, median | least–most | peak MiB |",
        "|---|---|---|---|---|---|",
    ]
    for entry in result["contestants"]:
        ratios = entry["ratios"]
        ratio = f"{entry['median_ratio']:.2f} | {min(ratios):.2f}–{max(ratios):.2f}" if ratios else "– | –"
        lines.append(f"| {entry['name']} | {entry['median_seconds']:.2f} | {entry['least_seconds']:.2f} "
                     f"| {ratio} | {entry['peak_mib']} |")
    lines += [f"| {name} | not measured | | | | |" for name in result["not_measured"]]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="what tools/reference/full_size.py wrote")
    parser.add_argument("--cache", type=Path, required=True, help="where converted models are kept")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--what", nargs="+", choices=WHATS, default=list(WHATS))
    parser.add_argument("--dtypes", nargs="+", choices=["f32", "bf16", "int8"], default=["bf16", "int8"])
    names = sorted({name for name, _ in CONTESTANTS})
    parser.add_argument("--contestants", nargs="+", choices=names, default=names)
    parser.add_argument("--compile", action="store_true", help="let PyTorch try torch.compile, minutes")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    args = parser.parse_args()
    ours = xtask() if OURS in args.contestants else Path()
    results = [measure(what, args, ours) for what in args.what]
    print(json.dumps(results, indent=1) if args.json else "\n\n".join(map(table, results)))


if __name__ == "__main__":
    main()
