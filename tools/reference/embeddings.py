"""Writes testdata/embeddings: textual-inversion embeddings as those who train them save them.

    python tools/reference/embeddings.py            # write the files
    python tools/reference/embeddings.py --check    # compare with those that are there

The vectors are of a text encoder with 8 channels: number i of a file is i / 8.
"""

import argparse
import io
import sys
from pathlib import Path

import torch
from safetensors.torch import save

ROOT = Path(__file__).resolve().parents[2] / "testdata" / "embeddings"


def vectors(n: int, width: int = 8) -> torch.Tensor:
    return torch.arange(n * width, dtype=torch.float32).reshape(n, width) / 8


def torch_save(value, **options) -> bytes:
    out = io.BytesIO()
    torch.save(value, out, **options)
    return out.getvalue()


def web_ui(vec: torch.Tensor) -> dict:
    """What the web UI's trainer saves."""
    return {"string_to_token": {"*": 265}, "string_to_param": {"*": vec}, "name": "style", "step": 1999,
            "sd_checkpoint": None, "sd_checkpoint_name": None}


def files() -> dict[str, bytes]:
    parameter = torch.nn.Parameter(vectors(2))
    # The authors of textual inversion save a module and the token's number as a tensor.
    authors = {"string_to_token": {"*": torch.tensor(265)}, "string_to_param": torch.nn.ParameterDict({"*": parameter})}
    return {
        "web-ui.pt": torch_save(web_ui(parameter.detach().requires_grad_())),
        "web-ui-parameter.pt": torch_save(web_ui(parameter)),
        "authors.pt": torch_save(authors),
        "learned_embeds.bin": torch_save({"<cat-toy>": vectors(1)[0]}),
        "learned_embeds.safetensors": save({"<cat-toy>": vectors(2)}),
        "kohya.safetensors": save({"emb_params": vectors(2)}, {"format": "pt"}),
        "xl.safetensors": save({"clip_l": vectors(2), "clip_g": vectors(2, 12)}),
        "xl.pt": torch_save({"clip_l": vectors(2), "clip_g": vectors(2, 12)}),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    check = parser.parse_args().check
    different = []
    for name, content in files().items():
        if check:
            different += [name] if (ROOT / name).read_bytes() != content else []
        else:
            (ROOT / name).write_bytes(content)
    print("\n".join(f"differs: {name}" for name in different) or "identical")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
