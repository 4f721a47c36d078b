"""How `peers.py` talks with a contestant: one line on stdin asks for one pass, one line answers.

The first line that a contestant writes says that it is loaded and warm, every other one how long a
pass took: `{"ready": {…}}`, then `{"seconds": 2.25}`. `cargo xtask speed` speaks the same.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

# One pass of Stable Diffusion 1.5 for a picture of 512 × 512.
LATENTS = (1, 4, 64, 64)
CONTEXT = (1, 77, 768)
TIMESTEP = 501.0


def arguments(description: str, dtypes: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("model", type=Path, help="a folder as diffusers saves it")
    parser.add_argument("--what", choices=["unet", "decode"], default="unet")
    parser.add_argument("--dtype", choices=dtypes, default="bf16")
    parser.add_argument("--threads", type=int, default=2)
    return parser


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def serve(call: Callable[[], object], about: dict[str, object]) -> None:
    """Answers until stdin ends. `call` has been called before, so that nothing is left to set up."""
    print(json.dumps({"ready": about}), flush=True)
    for _ in sys.stdin:
        print(json.dumps({"seconds": seconds(call)}), flush=True)
