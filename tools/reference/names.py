"""Writes testdata/names: every tensor's name and shape, in the authors' naming and in diffusers'.

    python tools/reference/names.py            # verify, then write
    python tools/reference/names.py --check    # verify, compare with what is written

diffusers' side is built from our presets (`crates/pipeline/src/presets/`) on the meta device, the
authors' side comes from `ldm_layout.py`. Then diffusers' own converters are given the authors'
names and must make exactly diffusers' names and shapes of them. Three layouts diffusers' package no longer
converts: `bert`, `unet_2d` (unconditional) and `vq_attention` (between residual blocks) do it here.

A file holds one part in both namings, one tensor a line, lines folded by braces.
"""

import argparse
import json
import re
import sys
from collections import defaultdict
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel, UNet2DModel, VQModel
from diffusers.loaders import single_file_utils as convert
from diffusers.pipelines.latent_diffusion.pipeline_latent_diffusion import (
    LDMBertConfig,
    LDMBertModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

import ldm_layout

ROOT = Path(__file__).resolve().parents[2]
PRESETS = ROOT / "crates" / "pipeline" / "src" / "presets"
NAMES = ROOT / "testdata" / "names"


def merged(base, patch):
    """JSON merge patch (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    result = dict(base) if isinstance(base, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def preset(family: str) -> dict:
    value = json.loads((PRESETS / f"{family}.json").read_text())
    base = value.pop("extends", None)
    return merged(preset(base), value) if base else value


def build(part: str, config: dict):
    """The model of a part, without memory."""
    config = dict(config)
    kind = config.pop("_class_name", None) or config["architectures"][0]
    if kind == "ClassEmbedder":
        model = torch.nn.Module()
        size = config["n_classes"], config["embed_dim"]
        model.embedding = torch.nn.Embedding(*size, device="meta")
        return model
    with torch.device("meta"):
        if kind in ("CLIPTextModel", "CLIPTextModelWithProjection"):
            cls = CLIPTextModel if kind == "CLIPTextModel" else CLIPTextModelWithProjection
            return cls(CLIPTextConfig(**config))
        if kind == "LDMBertModel":
            return LDMBertModel(LDMBertConfig(**config))
        if isinstance(config.get("attention_head_dim"), list) and kind == "UNet2DModel":
            # diffusers takes one number; a list is ours, and no shape depends on it.
            config["attention_head_dim"] = 8
        classes = [UNet2DConditionModel, UNet2DModel, AutoencoderKL, VQModel]
        return {c.__name__: c for c in classes}[kind].from_config(config)


def shapes(state: dict) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def canonical(part: str, model) -> dict[str, tuple[int, ...]]:
    """Names and shapes as the published diffusers folders have them."""
    found = shapes(dict(model.named_parameters()))
    if part.startswith("text_encoder") and not any(n.startswith("text_model.") for n in found):
        # transformers 5.6 flattened the class; the files keep the prefix.
        found = {f"text_model.{name}": shape for name, shape in found.items()}
    return found


def bert(names):
    result = {}
    for name, shape in names.items():
        name = re.sub(
            r"attn_layers\.layers\.(\d+)\.",
            lambda m: f"layers.{int(m[1]) // 2}.{'af'[int(m[1]) % 2]}.",
            name,
        )
        for old, new in (
            ("a.0.", "self_attn_layer_norm."), ("f.0.", "final_layer_norm."),
            ("a.1.to_out.", "self_attn.out_proj."), ("f.1.net.0.0.", "fc1."),
            ("f.1.net.2.", "fc2."), ("token_emb.", "embed_tokens."),
            ("pos_emb.emb.", "embed_positions."),
        ):
            name = name.replace(old, new)
        name = re.sub(r"a\.1\.to_([qkv])\.", r"self_attn.\1_proj.", name)
        name = re.sub(r"^norm\.", "layer_norm.", name)
        result[name if name.startswith("to_logits") else f"model.{name}"] = shape
    return result


def unet_2d(names):
    """The unconditional U-Nets: as the conditional ones, and then the fused attention is split."""
    meta = {f"model.diffusion_model.{n}": torch.empty(s, device="meta") for n, s in names.items()}
    state = convert.convert_ldm_unet_checkpoint(meta, {"layers_per_block": 2})
    result = {}
    for name, tensor in state.items():
        shape = tuple(tensor.shape)
        # A residual block that changes the resolution: the converter knows convolutions only.
        name = re.sub(r"down_blocks\.(\d)\.resnets\.2\.", r"down_blocks.\1.downsamplers.0.", name)
        if ".attentions." not in name:
            result[name] = shape
        elif ".qkv." in name:
            for part in "qkv":
                result[name.replace("qkv", f"to_{part}")] = (shape[0] // 3, *shape[1:2])
        else:
            name = name.replace(".norm.", ".group_norm.").replace(".proj_out.", ".to_out.0.")
            result[name] = shape[:2]
    return result


def resnet_upsamplers(names, levels):
    """`output_blocks.i.{1,2}` that is a residual block, at the end of all levels but the last."""
    found = {}
    for level in range(levels - 1):
        i = 3 * level + 2
        for sub in (1, 2):
            for name, shape in names.items():
                if name.startswith(f"output_blocks.{i}.{sub}.in_layers.") or name.startswith(
                    (f"output_blocks.{i}.{sub}.emb_layers.", f"output_blocks.{i}.{sub}.out_layers.")
                ):
                    found[name] = shape
    return found


def vq_attention(names):
    """Attention between the residual blocks, which the converter takes for residual blocks."""
    plain = {n: s for n, s in names.items() if not re.search(r"(down|up)\.\d\.attn", n)}
    meta = {f"first_stage_model.{n}": torch.empty(s, device="meta") for n, s in plain.items()}
    levels = len({n.split(".")[2] for n in names if n.startswith("encoder.down.")})
    config = {"down_block_types": [""] * levels, "up_block_types": [""] * levels}
    result = shapes(convert.convert_ldm_vae_checkpoint(meta, config))
    for name, shape in names.items():
        if name in plain:
            continue
        half, _, level, _, index, part, kind = name.split(".")
        part = {"norm": "group_norm", "proj_out": "to_out.0"}.get(part, f"to_{part}")
        up = levels - 1 - int(level)
        side = f"down_blocks.{level}" if half == "encoder" else f"up_blocks.{up}"
        result[f"{half}.{side}.attentions.{index}.{part}.{kind}"] = shape[:2]
    if "quantize.embedding.weight" in names:
        result["quantize.embedding.weight"] = names["quantize.embedding.weight"]
    return result


def converted(part: str, prefix: str, names: dict, config: dict, model) -> dict:
    """What diffusers makes of the authors' names."""
    meta = {prefix + name: torch.empty(shape, device="meta") for name, shape in names.items()}
    kind = config.get("_class_name") or config["architectures"][0]
    if kind == "UNet2DConditionModel":
        config = dict(model.config)
        result = shapes(convert.convert_ldm_unet_checkpoint(meta, config))
        if "time_embed.cond_proj.weight" in names:
            # diffusers converts no such file; the name is the one that its writers chose.
            result["time_embedding.cond_proj.weight"] = names["time_embed.cond_proj.weight"]
        return result
    if kind == "AutoencoderKL":
        return shapes(convert.convert_ldm_vae_checkpoint(meta, dict(model.config)))
    if ".model." in prefix:
        return shapes(convert.convert_open_clip_checkpoint(model, meta, prefix=prefix))
    if part.startswith("text_encoder"):
        result = shapes(convert.convert_ldm_clip_checkpoint(meta))
        result.pop("text_model.embeddings.position_ids")
        return result
    if kind == "UNet2DModel":
        ups = resnet_upsamplers(names, len(config["block_out_channels"]))
        result = unet_2d({n: s for n, s in names.items() if n not in ups})
        for name, shape in ups.items():
            _, i, _, leaf = name.split(".", 3)
            as_block = {f"middle_block.0.{leaf}": shape}
            leaf = next(iter(unet_2d(as_block))).removeprefix("mid_block.resnets.0.")
            result[f"up_blocks.{int(i) // 3}.upsamplers.0.{leaf}"] = shape
        return result
    return {"bert": bert, "class_embedder": dict, "vqvae": vq_attention}[part](names)


def verify(family: str) -> dict[str, tuple[dict, dict]]:
    """Part → (authors' names, diffusers' names), after diffusers' converters agreed."""
    result = {}
    configs = preset(family)
    for part, (prefix, names) in ldm_layout.parts(family).items():
        model = build(part, configs[part])
        wanted = canonical(part, model)
        made = converted(part, prefix, names, configs[part], model)
        different = sorted(set(made.items()) ^ set(wanted.items()))
        assert not different, f"{family}/{part}: {len(different)}: {different[:8]}"
        result[part] = (names, wanted)
    return result


def fold(names: dict[str, tuple[int, ...]]) -> list[str]:
    """Lines `name shape`; names of one shape that differ in one component are folded by braces."""
    groups: dict[tuple, set] = defaultdict(set)
    for name, shape in names.items():
        groups[("x".join(map(str, shape)) or "scalar", name.count("."))].add(tuple(name.split(".")))
    lines = []
    for (shape, dots), members in groups.items():
        for position in reversed(range(dots + 1)):
            by_rest = defaultdict(list)
            for member in members:
                rest = member[:position] + (None,) + member[position + 1 :]
                by_rest[rest].append(member[position])
            members = {
                rest[:position] + (braces(values),) + rest[position + 1 :]
                for rest, values in by_rest.items()
            }
        lines += [f"{'.'.join(member)} {shape}" for member in members]
    return sorted(lines)


def braces(values: list[str]) -> str:
    """`{0..5,7}`, `{bias,weight}`, or the value if it is alone. Braces do not nest: a component
    that was folded already keeps its own."""
    if len(values) == 1:
        return values[0]
    numbers = sorted(int(v) for v in values if v.isdigit())
    rest = sorted(v for v in values if not v.isdigit())
    items, i = [], 0
    while i < len(numbers):
        j = i
        while j + 1 < len(numbers) and numbers[j + 1] == numbers[j] + 1:
            j += 1
        items.append(f"{numbers[i]}..{numbers[j]}" if j > i else f"{numbers[i]}")
        i = j + 1
    return "{" + ",".join(items + rest) + "}"


def text(names: dict, wanted: dict) -> str:
    return "\n".join(["# authors", *fold(names), "# diffusers", *fold(wanted), ""])


def changes(names: dict, base: dict) -> dict | None:
    """What must be added to or replaced in `base` to get `names`, if nothing must be removed."""
    if not base.keys() <= names.keys():
        return None
    return {name: shape for name, shape in names.items() if base.get(name) != shape}


def files() -> dict[str, str]:
    """File name → content: each distinct part once, and which family consists of which.

    A part that differs little from an earlier one is written as the changes to it, after the line
    `# like FILE`.
    """
    contents: dict[str, str] = {}
    parts: dict[str, tuple[dict, dict]] = {}
    families = []
    for family in ldm_layout.FAMILIES:
        words = [family]
        prefixes = {part: prefix for part, (prefix, _) in ldm_layout.parts(family).items()}
        for part, (names, wanted) in verify(family).items():
            file = next((file for file, old in parts.items() if old == (names, wanted)), None)
            if file is None:
                file = f"{family}.{part}.names"
                options = [text(names, wanted)]
                for like, (old_names, old_wanted) in parts.items():
                    both = changes(names, old_names), changes(wanted, old_wanted)
                    if None not in both:
                        options.append(f"# like {like}\n{text(*both)}")
                contents[file] = min(options, key=len)
                parts[file] = (names, wanted)
            words.append(f"{part}={prefixes[part]}={file}")
        families.append(" ".join(words))
        print(f"{family}: diffusers agrees", file=sys.stderr)
    contents["families.txt"] = "\n".join(families) + "\n"
    return contents


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    check = parser.parse_args().check
    contents = files()
    if check:
        there = {p.name: p.read_text() for p in NAMES.iterdir()}
        stale = sorted(n for n in contents.keys() | there.keys() if contents.get(n) != there.get(n))
        print("\n".join(f"differs: {name}" for name in stale) or "identical")
        return 1 if stale else 0
    NAMES.mkdir(parents=True, exist_ok=True)
    for old in NAMES.iterdir():
        old.unlink()
    for name, content in contents.items():
        (NAMES / name).write_text(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
