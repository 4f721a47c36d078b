"""Writes testdata/golden/clip_tokenizer.json: what transformers' CLIPTokenizer makes of some texts.

    cargo test -p aquatint-pipeline --test tokenizer   # needs the file only for the comparison
    python tools/reference/tokenizer.py FOLDER         # FOLDER: a tokenizer that Tokenizer::save wrote

The vocabulary is the one that crates/pipeline/tests/tokenizer.rs learns from its captions.
"""

import json
import pathlib
import sys

from transformers import CLIPTokenizer

TEXTS = [
    "", "cat", "Noto EMOJI of Sunflower, blue background", "a cat's face, it's they'll we'd I'm",
    "keycap: 1000", "flag: Côte d'Ivoire", "cafe\u0301 CAFÉ", "猫と犬 🐱🐶!", "  spaces \t\n and\u00a0more  ",
    "''s !'re ''", "<|startoftext|>cat<|endoftext|>dog", "x² Ⅻ ½ 3rd", "ΣΑΣ İstanbul straße ŉ",
    "under_score-dash–dash…", "\u0000\u0007\u200b", "naïve ﬁ ﬀ Å", "हिन्दी ไทย العربية", "sunflowers happiest cats",
    "a" * 30, "grinning cat " * 12, "e\u0301\u0323 q\u0307\u0323", "<|endoftext", "100% (really) [ok] {no}",
]

folder = pathlib.Path(sys.argv[1])
tokenizer = CLIPTokenizer.from_pretrained(folder)
ids = {text: tokenizer(text, truncation=True)["input_ids"] for text in TEXTS}
golden = {"vocab_size": len(tokenizer), "ids": ids}
path = pathlib.Path(__file__).parents[2] / "testdata/golden/clip_tokenizer.json"
path.write_text(json.dumps(golden, ensure_ascii=True, separators=(",", ":")) + "\n")
