"""PyTorch with diffusers as a contestant of `peers.py`, operation by operation or compiled.

Channels last and inference mode, as its documentation advises for the CPU. With `--compile`,
torch.compile (which needs a C++ compiler) is tried too and the faster of both keeps answering.
"""

from collections.abc import Callable

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from peer_line import CONTEXT, LATENTS, TIMESTEP, arguments, seconds, serve

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}
WARM_UPS = 2
# Of the passes by which one way is chosen.
TRIES = 3


def main() -> None:
    parser = arguments(__doc__.splitlines()[0], list(DTYPES))
    parser.add_argument("--compile", action="store_true", help="try torch.compile as well")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    dtype = DTYPES[args.dtype]
    latents = torch.randn(LATENTS, dtype=dtype).to(memory_format=torch.channels_last)
    how = {"torch_dtype": dtype, "low_cpu_mem_usage": False}
    if args.what == "unet":
        module = UNet2DConditionModel.from_pretrained(args.model / "unet", **how)
        given = (latents, torch.tensor([TIMESTEP]), torch.randn(CONTEXT, dtype=dtype))
    else:
        module = AutoencoderKL.from_pretrained(args.model / "vae", **how)
        given = (latents,)
    module = module.eval().to(memory_format=torch.channels_last)
    eager = module.forward if args.what == "unet" else module.decode

    def ready(function: Callable) -> Callable[[], object]:
        def call() -> object:
            with torch.inference_mode():
                return function(*given, return_dict=False)[0]

        for _ in range(WARM_UPS):
            call()
        return call

    about = {"torch": torch.__version__, "threads": torch.get_num_threads(), "way": "eager"}
    call = ready(eager)
    if args.compile:
        # Frozen weights are laid out for oneDNN once.
        torch._inductor.config.freezing = True
        ways = {"eager": call, "compiled": ready(torch.compile(eager, dynamic=False))}
        # By turns, for the same load on both.
        taken = [{way: seconds(call) for way, call in ways.items()} for _ in range(TRIES)]
        best = {way: min(times[way] for times in taken) for way in ways}
        about |= {"seconds": best, "way": min(best, key=best.get)}
        call = ways[about["way"]]
    serve(call, about)


if __name__ == "__main__":
    main()
