"""Writes testdata/golden: the answers of diffusers, transformers and PyTorch on hashed weights.

    python tools/reference/generate.py            # write the goldens
    python tools/reference/generate.py --check    # generate again, compare byte for byte
"""

import argparse
import filecmp
import sys
import tempfile
from pathlib import Path

import torch

import families
import first_stages
import loras
import models
import numerics
import perceptual
import pipelines
import previews
import published
import samplers
import schedules
import super_resolution
import tasks
import ten_steps
import tokenizers_golden
import web_ui_prompt

GOLDEN = Path(__file__).resolve().parents[2] / "testdata" / "golden"


def write_all(root: Path) -> None:
    # One thread fixes the order of every sum.
    torch.set_num_threads(1)
    models.write_all(root)
    families.write_all(root)
    first_stages.write_all(root)
    loras.write_all(root)
    pipelines.write_all(root)
    perceptual.write_all(root)
    previews.write_all(root)
    published.write_all(root)
    samplers.write_all(root)
    schedules.write_all(root)
    super_resolution.write_all(root)
    tasks.write_all(root)
    ten_steps.write_all(root)
    numerics.write_all(root)
    tokenizers_golden.write_all(root)
    web_ui_prompt.write_all(root)


def check(root: Path) -> list[str]:
    """The paths, relative to the root, that differ from what is generated now."""
    with tempfile.TemporaryDirectory() as fresh:
        write_all(Path(fresh))
        folders = [root, Path(fresh)]
        names = {p.relative_to(f) for f in folders for p in f.rglob("*.json")}
        _, different, missing = filecmp.cmpfiles(*folders, sorted(names), shallow=False)
    return [str(name) for name in different + missing]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=GOLDEN)
    parser.add_argument("--check", action="store_true", help="write nothing, compare with --out")
    arguments = parser.parse_args()
    if not arguments.check:
        write_all(arguments.out)
        return 0
    stale = check(arguments.out)
    print("\n".join(f"differs: {name}" for name in stale) or "identical")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
