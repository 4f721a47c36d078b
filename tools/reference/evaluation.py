"""Goldens of measurements: what pytorch-fid, torch-fidelity, prdc, scikit-image and torchmetrics answer.

    .venv/bin/pip install -r tools/reference/requirements-evaluation.txt
    .venv/bin/python tools/reference/evaluation.py            # write the goldens
    .venv/bin/python tools/reference/evaluation.py --check    # must print "identical"

Features are hashed numbers (`hashed.py`), so that only answers are stored. Inception has hashed weights too; its
variances are 0.5·(1 + u/2), so that the signal does not fade on the way through 48 layers of rectifiers.
"""

import argparse
import contextlib
import io
import tempfile
from pathlib import Path

import numpy as np
import prdc
import torch
import torchmetrics.functional.image as tm
import torchvision
import torchvision.transforms.functional as tvf
from PIL import Image
from pytorch_fid import fid_score
from pytorch_fid import inception as fid_inception
from skimage import metrics
from torch_fidelity import metric_fid, metric_isc, metric_kid, metric_prc
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

import hashed
from record import Stages, summary, write

GOLDEN = Path(__file__).resolve().parents[2] / "testdata" / "golden"


def features(name: str, count: int, dims: int, shift: float = 0.0) -> np.ndarray:
    """[count, dims], with unequal variances and with correlations between neighbours."""
    x = hashed.u(f"features:{name}", count * dims).reshape(count, dims)
    x = x * np.linspace(0.2, 2.0, dims) + shift
    x = x + 0.5 * np.roll(x, 1, axis=1)
    return x.astype(np.float32)


def frechet(a: np.ndarray, b: np.ndarray) -> dict:
    a, b = a.astype(np.float64), b.astype(np.float64)
    (m1, s1), (m2, s2) = [(x.mean(axis=0), np.cov(x, rowvar=False)) for x in (a, b)]
    fidelity = metric_fid.fid_statistics_to_metric({"mu": m1, "sigma": s1}, {"mu": m2, "sigma": s2}, False)
    with contextlib.redirect_stdout(io.StringIO()):
        fid = fid_score.calculate_frechet_distance(m1, s1, m2, s2)
    return {"pytorch_fid": float(fid), "torch_fidelity": fidelity["frechet_inception_distance"]}


def distances() -> dict:
    out = {}
    for name, n, m, dims in [("full", 400, 300, 24), ("deficient", 12, 40, 24), ("both_deficient", 10, 7, 24)]:
        a, b = features("a", n, dims), features("b", m, dims, 0.3)
        out[f"frechet_{name}"] = {"sizes": [n, m, dims], **frechet(a, b)}
    a, b = features("a", 400, 24), features("b", 300, 24, 0.3)
    ta, tb = torch.from_numpy(a), torch.from_numpy(b)
    for subsets, size in [(10, 100), (3, 300)]:
        kid = metric_kid.kid_features_to_metric(ta, tb, kid_subsets=subsets, kid_subset_size=size, verbose=False)
        out[f"kid_{size}"] = {"subsets": subsets, "size": size, **kid}
    for splits, shuffle in [(10, True), (1, True), (4, False)]:
        score = metric_isc.isc_features_to_metric(3 * ta, splits, shuffle)
        out[f"isc_{splits}"] = {"splits": splits, "shuffle": shuffle, **score}
    for k in [3, 5]:
        with contextlib.redirect_stdout(io.StringIO()):
            four = prdc.compute_prdc(real_features=b.astype(np.float64), fake_features=a.astype(np.float64), nearest_k=k)
        two = metric_prc.prc_features_to_metric(ta.double(), tb.double(), prc_neighborhood=k, verbose=False)
        out[f"prdc_{k}"] = {"k": k, "prdc": {key: float(v) for key, v in four.items()}, "torch_fidelity": two}
    return out


def bytes_of(name: str, shape: tuple[int, ...]) -> np.ndarray:
    return np.floor((hashed.u(f"bytes:{name}", int(np.prod(shape))) + 1) * 128).astype(np.uint8).reshape(shape)


def pictures() -> dict:
    """Of pictures [H, W, 3]: a smooth one, and itself with noise."""
    h, w = 40, 52
    y, x, c = np.meshgrid(np.arange(h), np.arange(w), np.arange(3), indexing="ij")
    smooth = np.floor((np.sin(x / 5 + c) * np.cos(y / 7 - c) + 1) * 120).astype(np.uint8)
    noisy = np.clip(smooth.astype(int) + bytes_of("noise", smooth.shape) // 8 - 16, 0, 255).astype(np.uint8)
    nchw = [torch.from_numpy(p.astype(np.float64)).permute(2, 0, 1)[None] for p in (smooth, noisy)]
    options = dict(gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255)
    return {
        "psnr": float(metrics.peak_signal_noise_ratio(smooth, noisy, data_range=255)),
        "ssim_scikit_image": float(metrics.structural_similarity(smooth, noisy, channel_axis=2, **options)),
        "ssim_torchmetrics": float(tm.structural_similarity_index_measure(*nchw, data_range=255.0)),
    }


def hashed_state(network: torch.nn.Module) -> dict:
    state = {}
    for name, tensor in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        value = hashed.weight(name, tuple(tensor.shape))
        if name.endswith("running_var"):
            value = (0.5 * (1 + 0.5 * hashed.u(name, value.size))).astype(np.float32).reshape(value.shape)
        state[name] = torch.from_numpy(value)
    return state


def fidelity(state: dict) -> torch.nn.Module:
    """torch-fidelity's network, computed in f64."""
    with tempfile.NamedTemporaryFile() as file:
        torch.save(state, file.name)
        return FeatureExtractorInceptionV3("hashed", ["2048", "logits_unbiased"], file.name, "float64")


def inception(root: Path) -> None:
    state = hashed_state(torchvision.models.inception_v3(num_classes=1008, aux_logits=False, init_weights=False))
    fid_inception.load_state_dict_from_url = lambda *_, **__: state
    fid = fid_inception.InceptionV3([0, 1, 2, 3], resize_input=False, normalize_input=False).double().eval()
    shape = [1, 3, 299, 299]
    paths = {"Mixed_5b": "2.0", "Mixed_6a": "2.3", "Mixed_7a": "3.0", "Mixed_7b": "3.1", "Mixed_7c": "3.2"}
    stages = Stages().watch(fid, {f"{name}": f"blocks.{path}" for name, path in paths.items()})
    with torch.no_grad():
        outputs = fid(hashed.input_tensor("image", shape))
    for i, y in enumerate(outputs[:3]):
        stages.add(f"block{i}", y)
    stages.add("pool3", outputs[3].reshape(1, 2048))
    write(root / "inception/golden.json", stages)
    write(root / "inception/input.json", {"image": shape})


def networks() -> dict:
    """Whole ways from the bytes of a picture, with either package's resizing: features and logits."""
    state = hashed_state(torchvision.models.inception_v3(num_classes=1008, aux_logits=False, init_weights=False))
    fid_inception.load_state_dict_from_url = lambda *_, **__: state
    fid = fid_inception.InceptionV3([3]).double().eval()
    picture = torch.from_numpy(bytes_of("picture", (37, 52, 3))).permute(2, 0, 1)[None]
    with torch.no_grad():
        features, logits = fidelity(state)(picture)
        others = fid(picture.double() / 255)[0].reshape(1, 2048)
    return {
        "torch_fidelity": summary(features),
        "torch_fidelity_logits": summary(logits),
        "pytorch_fid": summary(others),
    }


def clip_pixels() -> dict:
    """What the original CLIP makes of a picture for a tower of 24 pixels a side."""
    image = Image.fromarray(bytes_of("picture", (37, 52, 3)))
    image = tvf.center_crop(tvf.resize(image, 24, tvf.InterpolationMode.BICUBIC), 24)
    mean, std = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
    return summary(tvf.normalize(tvf.to_tensor(image), mean, std).permute(1, 2, 0))


def archives(root: Path) -> None:
    arrays = dict(mu=np.arange(3) / 4, sigma=np.array([[1, 2], [3, 4]], order="F", dtype="f4"), label=np.array("x"))
    root.mkdir(parents=True, exist_ok=True)
    np.savez(root / "numpy.npz", **arrays)
    np.savez_compressed(root / "numpy_compressed.npz", **arrays)


def write_all(root: Path) -> None:
    archives(root.parent / "containers")
    torch.set_num_threads(1)
    inception(root)
    write(root / "evaluation.json", {**distances(), "pictures": pictures(), "inception": networks(), "clip": clip_pixels()})


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    if parser.parse_args().check:
        with tempfile.TemporaryDirectory() as fresh:
            fresh = Path(fresh) / "golden"
            write_all(fresh)
            names = ["evaluation.json", "inception/golden.json", "inception/input.json"]
            names += ["../containers/numpy.npz", "../containers/numpy_compressed.npz"]
            different = [n for n in names if (GOLDEN / n).read_bytes() != (fresh / n).read_bytes()]
        print("different: " + ", ".join(different) if different else "identical")
    else:
        write_all(GOLDEN)
