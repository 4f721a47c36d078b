"""Times PyTorch's convolutions and matrix products at Stable Diffusion's shapes, in GFLOP/s.

    python tools/bench/kernels.py --threads 2 --dtype bf16

Prints one JSON object per line: the best call and the median call of those that fit in
`--seconds`. Convolutions run in both memory formats; channels last is Aquatint's own.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
from torch.nn.functional import conv2d, linear

# (channels in, channels out, height and width), 3×3, batch 1
CONVOLUTIONS = [(320, 320, 64), (640, 640, 32), (128, 128, 256)]
# (rows, columns in, columns out)
PRODUCTS = [(4096, 320, 320), (4096, 1280, 320)]
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}
LAYOUTS = {"nchw": torch.contiguous_format, "nhwc": torch.channels_last}
LEAST_CALLS = 3


def measure(name: str, flop: int, call: Callable[[], torch.Tensor], budget: float) -> None:
    call()
    seconds = []
    end = time.perf_counter() + budget
    while len(seconds) < LEAST_CALLS or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    print(json.dumps({
        "kernel": name,
        "best_gflop_per_second": round(flop / min(seconds) / 1e9, 1),
        "median_gflop_per_second": round(flop / statistics.median(seconds) / 1e9, 1),
        "calls": len(seconds),
    }), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", choices=[*DTYPES, "both"], default="both")
    parser.add_argument("--seconds", type=float, default=2.0, help="time spent on each kernel")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    with torch.inference_mode():
        for dtype_name in DTYPES if args.dtype == "both" else [args.dtype]:
            dtype = DTYPES[dtype_name]
            for c_in, c_out, size in CONVOLUTIONS:
                flop = 2 * c_in * c_out * 9 * size * size
                for layout_name, layout in LAYOUTS.items():
                    x = torch.randn(1, c_in, size, size, dtype=dtype).to(memory_format=layout)
                    w = torch.randn(c_out, c_in, 3, 3, dtype=dtype).to(memory_format=layout)
                    b = torch.randn(c_out, dtype=dtype)
                    name = f"conv2d 3x3 {c_in}->{c_out} @{size} {layout_name} {dtype_name}"
                    measure(name, flop, lambda: conv2d(x, w, b, padding=1), args.seconds)
            for rows, k, n in PRODUCTS:
                x, w = torch.randn(rows, k, dtype=dtype), torch.randn(n, k, dtype=dtype)
                name = f"gemm {rows}x{k}x{n} {dtype_name}"
                measure(name, 2 * rows * k * n, lambda: linear(x, w), args.seconds)


if __name__ == "__main__":
    main()
