"""OpenVINO as a contestant of `peers.py`: converts, quantizes, answers, and shows its own profile.

    python tools/bench/peer_openvino.py FOLDER/model --cache CACHE --what unet --dtype int8 --profile

The model is converted from PyTorch once and kept in the cache, weights in f16, shapes fixed. int8 is
NNCF's quantization after training on a few random samples: weights and activations, static scales.
"""

import statistics
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino as ov
from peer_line import CONTEXT, LATENTS, TIMESTEP, arguments, seconds, serve

# Of NNCF's calibration; the values of the scales do not change the speed.
SAMPLES = 4
WARM_UPS = 2
PROFILED = 5


def inputs(what: str, seed: int = 0) -> list[np.ndarray]:
    draw = np.random.default_rng(seed)
    latents = draw.standard_normal(LATENTS, dtype=np.float32)
    if what == "decode":
        return [latents]
    return [latents, np.array([TIMESTEP], np.float32), draw.standard_normal(CONTEXT, dtype=np.float32)]


def save(model: ov.Model, path: Path) -> None:
    """Weights in f16, atomically: a file in the cache is a whole one."""
    beginning = path.with_name(f"{path.stem}.part.xml")
    ov.save_model(model, beginning, compress_to_fp16=True)
    beginning.with_suffix(".bin").rename(path.with_suffix(".bin"))
    beginning.rename(path)


def convert(model: Path, what: str, path: Path) -> None:
    """From PyTorch, which is imported only here: it is not needed to measure."""
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel

    class Decode(torch.nn.Module):
        def __init__(self, vae: AutoencoderKL) -> None:
            super().__init__()
            self.vae = vae

        def forward(self, latents: torch.Tensor) -> torch.Tensor:
            return self.vae.decode(latents, return_dict=False)[0]

    class Predict(torch.nn.Module):
        def __init__(self, unet: UNet2DConditionModel) -> None:
            super().__init__()
            self.unet = unet

        def forward(
            self, sample: torch.Tensor, timestep: torch.Tensor, context: torch.Tensor
        ) -> torch.Tensor:
            return self.unet(sample, timestep, context, return_dict=False)[0]

    if what == "unet":
        module = Predict(UNet2DConditionModel.from_pretrained(model / "unet"))
    else:
        module = Decode(AutoencoderKL.from_pretrained(model / "vae"))
    example = tuple(torch.from_numpy(x) for x in inputs(what))
    with torch.no_grad():
        traced = torch.jit.trace(module.eval(), example, check_trace=False)
        shapes = [list(x.shape) for x in example]
        converted = ov.convert_model(traced, example_input=example, input=shapes)
    save(converted, path)


def quantize(path: Path, what: str, quantized: Path) -> None:
    import nncf

    samples = nncf.Dataset([inputs(what, seed) for seed in range(SAMPLES)])
    # Correcting biases and smoothing change weights, not the operations; they take hours.
    off = nncf.AdvancedSmoothQuantParameters(convolution=-1, matmul=-1)
    model = nncf.quantize(
        ov.Core().read_model(path), samples, subset_size=SAMPLES,
        model_type=nncf.ModelType.TRANSFORMER,
        advanced_parameters=nncf.AdvancedQuantizationParameters(
            disable_bias_correction=True, smooth_quant_alphas=off),
    )
    save(model, quantized)


def prepared(model: Path, what: str, dtype: str, cache: Path) -> Path:
    """The file for OpenVINO, made if the cache lacks it."""
    cache.mkdir(parents=True, exist_ok=True)
    plain = cache / f"{what}.xml"
    if not plain.exists():
        convert(model, what, plain)
    if dtype != "int8":
        return plain
    quantized = cache / f"{what}-int8.xml"
    if not quantized.exists():
        quantize(plain, what, quantized)
    return quantized


def profile(call: Callable[[], object], request: ov.InferRequest) -> None:
    """Where the passes spent their time, by kind of operation and by implementation: OpenVINO gives
    the mean over all passes of the process."""
    taken = [seconds(call) for _ in range(PROFILED)]
    print(f"{statistics.mean(taken):.2f} s in the mean, {min(taken):.2f} s at best")
    kinds: dict[tuple[str, str], list[float]] = defaultdict(list)
    for node in request.profiling_info:
        if node.status == ov.ProfilingInfo.Status.EXECUTED:
            kinds[node.node_type, node.exec_type].append(node.real_time.total_seconds())
    total = sum(map(sum, kinds.values()))
    print("| operation | implementation | calls | ms | % |\n|---|---|---|---|---|")
    for (kind, how), times in sorted(kinds.items(), key=lambda item: -sum(item[1])):
        spent = sum(times)
        print(f"| {kind} | {how} | {len(times)} | {1e3 * spent:.1f} | {100 * spent / total:.1f} |")


def main() -> None:
    parser = arguments(__doc__.splitlines()[0], ["f32", "bf16", "int8"])
    parser.add_argument("--cache", type=Path, required=True, help="where converted models are kept")
    parser.add_argument("--prepare", action="store_true", help="only convert and quantize")
    parser.add_argument("--profile", action="store_true", help="print the time by operation instead")
    args = parser.parse_args()
    path = prepared(args.model, args.what, args.dtype, args.cache)
    if args.prepare:
        return
    compiled = ov.Core().compile_model(path, "CPU", {
        "INFERENCE_PRECISION_HINT": "f32" if args.dtype == "f32" else "bf16",
        "INFERENCE_NUM_THREADS": args.threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "PERF_COUNT": args.profile,
    })
    request = compiled.create_infer_request()
    given = inputs(args.what)

    def call() -> object:
        return request.infer(given, share_inputs=True, share_outputs=True)

    for _ in range(WARM_UPS):
        call()
    if args.profile:
        profile(call, request)
        return
    about = {"openvino": ov.__version__, "threads": compiled.get_property("INFERENCE_NUM_THREADS")}
    serve(call, about)


if __name__ == "__main__":
    main()
