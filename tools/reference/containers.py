"""Writes testdata/containers: small files of each container, as their own writers make them.

    python tools/reference/containers.py            # write the files
    python tools/reference/containers.py --check    # write them elsewhere, compare byte for byte

Blocks of quantized numbers are random bytes; what they mean is computed here number by number from
ggml's definition of the blocks, and lies beside them in the same file.
"""

import argparse
import collections
import filecmp
import io
import json
import pathlib
import pickle
import struct
import sys
import tempfile
import types
import warnings
import zipfile

import numpy as np
import torch
from safetensors.torch import save_file

# The old format is written through classes that PyTorch is about to remove.
warnings.filterwarnings("ignore", "TypedStorage is deprecated")
ROOT = pathlib.Path(__file__).resolve().parents[2] / "testdata" / "containers"


def tensors() -> dict[str, torch.Tensor]:
    """Whole, transposed, offset, strided and shared tensors of several types."""
    base = torch.arange(24, dtype=torch.float32)
    return {
        "whole": base.reshape(2, 3, 4),
        "transposed": base.reshape(4, 6).t(),
        "offset": base[5:11],
        "strided": base[3::4],
        "expanded": torch.tensor([[1.5], [-2.0]]).expand(2, 3),
        "parameter": torch.nn.Parameter(torch.tensor([0.25, -0.5])),
        "half": torch.tensor([1.0, -2.0, 65504.0]).half(),
        "bf16": torch.tensor([1.0, -3.0]).bfloat16(),
        "double": torch.tensor([0.1, 1e300], dtype=torch.float64),
        "steps": torch.tensor(470000),
        "flags": torch.tensor([True, False]),
        "empty": torch.zeros(0, 7),
    }


def torch_zip(value, protocol: int = 2) -> bytes:
    out = io.BytesIO()
    torch.save(value, out, pickle_protocol=protocol)
    return out.getvalue()


class Storages(pickle.Unpickler):
    """Notes the keys of storages in the order of their use, and the size of their numbers."""

    def __init__(self, file):
        super().__init__(file)
        self.sizes: dict[str, int] = {}

    def find_class(self, module, name):
        # One of the files would call `print`, and here too it must not.
        return (lambda *_: None) if "builtin" in module else super().find_class(module, name)

    def persistent_load(self, pid):
        self.sizes[pid[2]] = torch._utils._element_size(pid[1].dtype)
        return torch.storage.TypedStorage(pid[4], dtype=pid[1].dtype)


def torch_legacy(value) -> bytes:
    """The old format. Its keys are addresses in memory, and order the storages; here both count up."""
    out = io.BytesIO()
    torch.save(value, out, _use_new_zipfile_serialization=False)
    out.seek(0)
    for _ in range(3):
        pickle.load(out)
    reader = Storages(out)
    reader.load()
    head = out.getvalue()[: out.tell()]
    storages = {}
    for key in pickle.load(out):
        count = out.read(8)
        storages[key] = count + out.read(int.from_bytes(count, "little") * reader.sizes[key])

    def text(key: str) -> bytes:
        return b"X" + struct.pack("<I", len(key)) + key.encode()

    for number, key in enumerate(reader.sizes):
        head = head.replace(text(key), text(str(number)))
    keys = pickle.dumps([str(number) for number in range(len(reader.sizes))], protocol=2)
    return head + keys + b"".join(storages[key] for key in reader.sizes)


def stub(name: str, base: type = object, **attributes) -> type:
    """A class of a library that need not be installed, so that its name is in the pickle."""
    module, _, last = name.rpartition(".")
    made = type(last, (base,), {"__module__": module, **attributes})
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        path = ".".join(parts[:end])
        sys.modules.setdefault(path, types.ModuleType(path))
    setattr(sys.modules[module], last, made)
    return made


def lightning() -> dict:
    """What pytorch_lightning 1.x stores, with configurations and callbacks."""
    checkpoint = stub("pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint")
    attributes = stub("pytorch_lightning.utilities.parsing.AttributeDict", dict)
    config = stub("omegaconf.dictconfig.DictConfig")()
    config.content = {"lr": 1e-4, "parent": config}
    weights = collections.OrderedDict(
        {
            "model.weight": torch.tensor([[1.0, 2.0], [3.0, 4.0]]),
            "model.bias": torch.tensor([0.5, -0.5]),
        }
    )
    weights._metadata = collections.OrderedDict({"": {"version": 1}})
    return {
        "epoch": 12,
        "global_step": 470000,
        "pytorch-lightning_version": "1.4.2",
        "state_dict": weights,
        "callbacks": {
            checkpoint: {
                "best_model_score": torch.tensor(0.1),
                "current_score": np.float64(0.25),
                "path": pathlib.PurePosixPath("a/b"),
            }
        },
        "optimizer_states": [
            {"state": {0: {"step": 1, "exp_avg": torch.ones(4)}}, "param_groups": [{"lr": 1e-4}]}
        ],
        "lr_schedulers": [collections.defaultdict(dict, {"a": {1, 2}})],
        "hyper_parameters": attributes(config=config, size=np.int64(3), raw=b"\x00\xff"),
    }


class Call:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def refused() -> dict[str, bytes]:
    """By the name that must be in the refusal. Nothing here is ever loaded."""
    import importlib
    import subprocess

    weights = {"weight": torch.ones(2)}
    as_zip = {
        "posix.system": Call(__import__("os").system, "echo harm"),
        "builtins.eval": Call(eval, "print('harm')"),
        "builtins.getattr": Call(getattr, weights, "keys"),
        "subprocess.Popen": Call(subprocess.Popen, ["true"]),
        "importlib.import_module": Call(importlib.import_module, "this"),
        "torch.serialization.load": Call(torch.serialization.load, "elsewhere.pt"),
    }
    files = {name: torch_zip({"a": value, **weights}) for name, value in as_zip.items()}
    files["builtins.exec"] = torch_zip({"a": Call(exec, "0"), **weights}, protocol=4)
    files["builtins.print"] = torch_legacy({"a": Call(print, "harm"), **weights})
    files["io.open"] = pickle.dumps(Call(open, "/dev/null"), protocol=0)
    return files


def rezipped(source: bytes, compression: int, extra: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(source)) as old, zipfile.ZipFile(out, "w", compression) as new:
        entries = {name: old.read(name) for name in old.namelist()} | extra
        for name, content in entries.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = compression
            new.writestr(info, content)
    return out.getvalue()


def zip64(entries: dict[str, bytes]) -> bytes:
    """An archive whose sizes and places all stand in 64-bit fields, as if it were large."""
    data, directory = b"", b""
    for name, content in entries.items():
        place, raw = len(data), name.encode()
        data += struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 45, 0, 0, 0, 0, 0, 0, 0, len(raw), 3)
        data += raw + b"\0\0\0" + content
        field = struct.pack("<HHQQQ", 1, 24, len(content), len(content), place)
        directory += struct.pack(
            "<4sHHHHHHIIIHHHHHII",
            *(b"PK\1\2", 45, 45, 0, 0, 0, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF),
            *(len(raw), len(field), 0, 0, 0, 0, 0xFFFFFFFF),
        )
        directory += raw + field
    end, n = len(data) + len(directory), len(entries)
    wide = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, n, n, len(directory), len(data))
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, end, 1)
    last = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return data + directory + wide + locator + last


F32, F16, BF16, I32 = 0, 1, 30, 26


def gguf(values: list[tuple[str, int, bytes]], tensors: list[tuple]) -> bytes:
    """Tensors are (name, PyTorch's shape, number of the type, bytes)."""

    def text(name: str) -> bytes:
        return struct.pack("<Q", len(name.encode())) + name.encode()

    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(values))
    head += b"".join(text(key) + struct.pack("<I", kind) + raw for key, kind, raw in values)
    data = b""
    for name, shape, kind, raw in tensors:
        data += bytes(-len(data) % 32)
        head += text(name) + struct.pack("<I", len(shape))
        head += b"".join(struct.pack("<Q", size) for size in reversed(shape))
        head += struct.pack("<IQ", kind, len(data))
        data += raw
    return head + bytes(-len(head) % 32) + data


def half(raw) -> np.float32:
    return np.frombuffer(bytes(raw), "<f2")[0].astype(np.float32)


def bits(value: int, start: int, count: int) -> int:
    return (int(value) >> start) & ((1 << count) - 1)


def q_0_or_1(b, width: int, minimum: bool) -> list[np.float32]:
    """Q4_0, Q4_1, Q5_0, Q5_1: d, maybe m, maybe the fifth bits, the low four bits."""
    d, at = half(b[:2]), 4 if minimum else 2
    m = half(b[2:4]) if minimum else None
    fifth = int.from_bytes(bytes(b[at : at + 4]), "little") if width == 5 else 0
    q = b[at + 4 :] if width == 5 else b[at:]
    numbers = []
    for i in range(32):
        n = bits(q[i % 16], 4 * (i // 16), 4) + 16 * bits(fifth, i, 1)
        numbers.append(np.float32(n) * d + m if minimum else np.float32(n - 2 ** (width - 1)) * d)
    return numbers


def q8_0(b) -> list[np.float32]:
    return [half(b[:2]) * np.float32(np.int8(np.uint8(q))) for q in b[2:]]


def q2_k(b) -> list[np.float32]:
    d, m, numbers = half(b[80:82]), half(b[82:84]), []
    for i in range(256):
        n, j, l = i // 128, i % 128 // 32, i % 32
        scale = b[i // 16]
        q = bits(b[16 + 32 * n + l], 2 * j, 2)
        numbers.append(d * np.float32(bits(scale, 0, 4)) * np.float32(q) - m * np.float32(scale >> 4))
    return numbers


def q3_k(b) -> list[np.float32]:
    high, q, packed, d = b[:32], b[32:96], b[96:108], half(b[108:110])
    numbers = []
    for i in range(256):
        n, j, l, g = i // 128, i % 128 // 32, i % 32, i // 16
        low = bits(packed[g % 8], 4 * (g // 8), 4)
        scale = low + 16 * bits(packed[8 + g % 4], 2 * (g // 4), 2) - 32
        number = bits(q[32 * n + l], 2 * j, 2) - (0 if bits(high[l], 4 * n + j, 1) else 4)
        numbers.append(d * np.float32(scale) * np.float32(number))
    return numbers


def six_bit(packed, g: int) -> tuple[int, int]:
    if g < 4:
        return bits(packed[g], 0, 6), bits(packed[g + 4], 0, 6)
    scale = bits(packed[g + 4], 0, 4) + 16 * bits(packed[g - 4], 6, 2)
    return scale, bits(packed[g + 4], 4, 4) + 16 * bits(packed[g], 6, 2)


def q4_or_5_k(b, width: int) -> list[np.float32]:
    d, m, packed = half(b[:2]), half(b[2:4]), b[4:16]
    q = b[48:] if width == 5 else b[16:]
    numbers = []
    for i in range(256):
        g, l = i // 32, i % 32
        scale, minimum = six_bit(packed, g)
        n = bits(q[32 * (g // 2) + l], 4 * (g % 2), 4)
        n += 16 * bits(b[16 + l], g, 1) if width == 5 else 0
        numbers.append(d * np.float32(scale) * np.float32(n) - m * np.float32(minimum))
    return numbers


def q6_k(b) -> list[np.float32]:
    d, numbers = half(b[208:210]), []
    for i in range(256):
        n, k, l = i // 128, i % 128 // 32, i % 32
        low = bits(b[64 * n + 32 * (k % 2) + l], 4 * (k // 2), 4)
        q = low + 16 * bits(b[128 + 32 * n + l], 2 * k, 2) - 32
        scale = np.int8(np.uint8(b[192 + i // 16]))
        numbers.append(d * np.float32(scale) * np.float32(q))
    return numbers


# name: (number of the type, bytes of a block, where its f16 numbers are, what it means)
QUANTIZED = {
    "q4_0": (2, 18, (0,), lambda b: q_0_or_1(b, 4, False)),
    "q4_1": (3, 20, (0, 2), lambda b: q_0_or_1(b, 4, True)),
    "q5_0": (6, 22, (0,), lambda b: q_0_or_1(b, 5, False)),
    "q5_1": (7, 24, (0, 2), lambda b: q_0_or_1(b, 5, True)),
    "q8_0": (8, 34, (0,), q8_0),
    "q2_k": (10, 84, (80, 82), q2_k),
    "q3_k": (11, 110, (108,), q3_k),
    "q4_k": (12, 144, (0, 2), lambda b: q4_or_5_k(b, 4)),
    "q5_k": (13, 176, (0, 2), lambda b: q4_or_5_k(b, 5)),
    "q6_k": (14, 210, (208,), q6_k),
}


def quantized(name: str) -> bytes:
    """Two random blocks, as one tensor of two rows, and their numbers as another."""
    kind, size, halves, meaning = QUANTIZED[name]
    random = np.random.RandomState(kind)
    blocks = random.randint(0, 256, (2, size)).astype(np.uint8)
    for block in blocks:
        for at in halves:
            # Random bits could be infinite; a scale is a moderate number.
            scale = np.float16(random.uniform(-0.1, 0.1))
            block[at : at + 2] = np.frombuffer(scale.tobytes(), np.uint8)
    expected = np.array([meaning(block) for block in blocks], np.float32)
    return gguf(
        [("general.architecture", 8, struct.pack("<Q", 2) + b"sd")],
        [
            ("weight", expected.shape, kind, blocks.tobytes()),
            ("expected", expected.shape, F32, expected.tobytes()),
        ],
    )


def plain_gguf() -> bytes:
    base = torch.arange(6, dtype=torch.float32)
    list_of_text = struct.pack("<IQ", 8, 2) + 2 * (struct.pack("<Q", 1) + b"x")
    shape = struct.pack("<IQ", 5, 3) + struct.pack("<iii", 1, 2, 1)
    return gguf(
        [
            ("general.architecture", 8, struct.pack("<Q", 2) + b"sd"),
            ("general.file_type", 4, struct.pack("<I", 1)),
            ("tokenizer.list", 9, list_of_text),
            ("comfy.gguf.orig_shape.reshaped", 9, shape),
        ],
        [
            ("conv.weight", (1, 2, 3), F32, base.numpy().tobytes()),
            ("conv.bias", (3,), F16, torch.tensor([1.0, -2.0, 0.5]).half().numpy().tobytes()),
            ("bf16", (2,), BF16, torch.tensor([1.0, -3.0]).bfloat16().view(torch.int16).numpy().tobytes()),
            ("reshaped", (2,), F32, np.array([7, 8], np.float32).tobytes()),
            ("ids", (2,), I32, np.array([-1, 5], np.int32).tobytes()),
        ],
    )


def write_all(root: pathlib.Path) -> None:
    for folder in ("shards", "refused", "gguf"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    values = tensors()
    contiguous = {name: value.detach().contiguous().clone() for name, value in values.items()}
    save_file(contiguous, root / "plain.safetensors", {"made_by": "containers.py"})

    names = sorted(contiguous)
    shards = {"a-00001-of-00002.safetensors": names[:6], "a-00002-of-00002.safetensors": names[6:]}
    for file, part in shards.items():
        save_file({name: contiguous[name] for name in part}, root / "shards" / file)
    where = {name: file for file, part in shards.items() for name in part}
    index = json.dumps({"metadata": {"total_size": 1}, "weight_map": where}, indent=1)
    (root / "shards" / "a.safetensors.index.json").write_text(index + "\n")

    modern = torch_zip(values)
    (root / "plain.ckpt").write_bytes(modern)
    (root / "protocol5.pt").write_bytes(torch_zip({"state_dict": {"half": values["half"]}}, 5))
    (root / "legacy.pt").write_bytes(torch_legacy(values))
    (root / "lightning.ckpt").write_bytes(torch_zip(lightning()))
    (root / "lightning_legacy.ckpt").write_bytes(torch_legacy(lightning()))
    (root / "module.pt").write_bytes(torch_zip(torch.nn.ReLU()))
    small = torch_zip({"weight": torch.tensor([1.0, 2.0])})
    (root / "compressed.ckpt").write_bytes(rezipped(small, zipfile.ZIP_DEFLATED, {}))
    script = rezipped(small, zipfile.ZIP_STORED, {"archive/constants.pkl": b"\x80\x02)."})
    (root / "script.pt").write_bytes(script)
    with zipfile.ZipFile(io.BytesIO(small)) as old:
        (root / "zip64.pt").write_bytes(zip64({name: old.read(name) for name in old.namelist()}))
    for name, content in refused().items():
        (root / "refused" / f"{name}.ckpt").write_bytes(content)

    (root / "plain.gguf").write_bytes(plain_gguf())
    for path in root.rglob("*.safetensors"):
        path.chmod(0o644)
    for name in QUANTIZED:
        (root / "gguf" / f"{name}.gguf").write_bytes(quantized(name))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    if not parser.parse_args().check:
        write_all(ROOT)
        return 0
    with tempfile.TemporaryDirectory() as fresh:
        write_all(pathlib.Path(fresh))
        made = [p.relative_to(fresh) for p in pathlib.Path(fresh).rglob("*") if p.is_file()]
        _, different, missing = filecmp.cmpfiles(fresh, ROOT, map(str, made), shallow=False)
    print("\n".join(f"differs: {name}" for name in different + missing) or "identical")
    return 1 if different + missing else 0


if __name__ == "__main__":
    sys.exit(main())
