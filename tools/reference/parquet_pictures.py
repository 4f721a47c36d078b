"""Writes testdata/golden/parquet/: tables of pictures as Hugging Face's `datasets` and as pyarrow
write them, small enough to be read by eye with `parquet-tools`.

    python -m venv V && V/bin/pip install -r requirements-parquet.txt
    V/bin/python parquet_pictures.py
"""

import io
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

HERE = Path(__file__).resolve().parents[2] / "testdata" / "golden" / "parquet"
COUNT = 5


def png(i):
    out = io.BytesIO()
    Image.new("RGBA", (4, 4), (10 * i, 20, 30, 255)).save(out, "PNG")
    return out.getvalue()


def main():
    HERE.mkdir(parents=True, exist_ok=True)
    captions = [f"picture {i}" for i in range(COUNT)]
    tags = [[f"tag {j}" for j in range(i)] for i in range(COUNT)]
    names = [f"{i}.png" for i in range(COUNT)]
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "mask": datasets.Image(),
            "caption": datasets.Value("string"),
            "tags": datasets.List(datasets.Value("string")),
            "label": datasets.ClassLabel(names=["cat", "dog"]),
            "score": datasets.Value("float32"),
        }
    )
    images = [{"bytes": png(i), "path": names[i]} for i in range(COUNT)]
    images[3] = {"bytes": None, "path": "beside.png"}
    data = datasets.Dataset.from_dict(
        {
            "image": images,
            "mask": [{"bytes": png(9), "path": None}] * COUNT,
            "caption": captions[:-1] + [None],
            "tags": tags,
            "label": [i % 2 for i in range(COUNT)],
            "score": [0.5 * i for i in range(COUNT)],
        },
        features=features,
    )
    data.to_parquet(HERE / "train-00000-of-00001.parquet", batch_size=2)

    table = pa.table({"text": captions, "jpg": [png(i) for i in range(COUNT - 1)] + [None]})
    pq.write_table(table, HERE / "bytes.parquet", data_page_version="2.0", row_group_size=3)
    pq.write_table(table, HERE / "bytes-zstd.parquet", compression="zstd")
    table = pa.table({"file_name": names, "text": captions, "split": ["train", "test"] + ["validation"] * 3})
    pq.write_table(table, HERE / "names.parquet", compression="none")
    pq.write_table(pa.table({"image": names, "words": captions}), HERE / "no-captions.parquet")


if __name__ == "__main__":
    main()
