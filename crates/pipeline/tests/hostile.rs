//! The shipped vocabularies against transformers, on strings that are hard to split: 16,000 that a
//! generator draws here and in tools/reference/tokenizers_golden.py alike, compared by checksum.

use std::io::Read;

use aquatint_pipeline::Tokenizer;
use serde_json::Value;

const STRINGS: usize = 1000;

fn golden() -> Value {
    serde_json::from_str(include_str!("../../../testdata/golden/tokenizers.json")).unwrap()
}

fn shipped() -> [(&'static str, Tokenizer); 3] {
    [
        ("clip", Tokenizer::clip()),
        ("open_clip", Tokenizer::open_clip()),
        ("bert", Tokenizer::bert()),
    ]
}

/// A snippet, or any character between two, both included.
#[derive(Clone)]
enum Piece {
    Snippet(String),
    Range(u64, u64),
}

/// SplitMix64 (Steele et al. 2014).
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }

    fn string(&mut self, alphabet: &[Piece]) -> String {
        let mut text = String::new();
        for _ in 0..1 + self.below(24) {
            if self.below(4) == 0 {
                text.push(' ');
            }
            match &alphabet[self.below(alphabet.len() as u64) as usize] {
                Piece::Snippet(snippet) => text.push_str(snippet),
                Piece::Range(first, last) => {
                    let code = first + self.below(last - first + 1);
                    text.push(char::from_u32(code as u32).unwrap());
                }
            }
        }
        text
    }
}

/// Kinds of strings in the order of their seeds.
fn kinds(golden: &Value) -> Vec<(String, Vec<Piece>)> {
    let file: &[u8] = include_bytes!("../assets/bert-vocab.txt.gz");
    let mut words = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut words).unwrap();
    let word = |word: &str| Piece::Snippet(word.strip_prefix("##").unwrap_or(word).to_owned());
    let mut kinds = vec![("words".to_owned(), words.lines().map(word).collect::<Vec<_>>())];
    let listed = golden["alphabets"].as_array().unwrap();
    for entry in listed {
        let pieces = entry[1].as_array().unwrap().iter().map(|piece| match piece.as_str() {
            Some(snippet) => Piece::Snippet(snippet.to_owned()),
            None => Piece::Range(piece[0].as_u64().unwrap(), piece[1].as_u64().unwrap()),
        });
        kinds.push((entry[0].as_str().unwrap().to_owned(), pieces.collect()));
    }
    let all = kinds[1..].iter().flat_map(|(_, pieces)| pieces.clone()).collect();
    kinds.push(("everything".to_owned(), all));
    kinds
}

/// FNV-1a over the ids, four bytes each.
fn checksum(rows: impl Iterator<Item = Vec<u32>>) -> String {
    let bytes = rows.flatten().flat_map(u32::to_le_bytes);
    let step = |sum: u64, byte: u8| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3);
    format!("{:016x}", bytes.fold(0xCBF2_9CE4_8422_2325, step))
}

#[test]
fn a_hostile_set_has_transformers_ids() {
    let golden = golden();
    let kinds = kinds(&golden);
    assert!(kinds.len() * STRINGS >= 10_000);
    let mut different = Vec::new();
    for (name, tokenizer) in shipped() {
        for (seed, (kind, alphabet)) in kinds.iter().enumerate() {
            let mut draw = Draw(seed as u64);
            let rows = (0..STRINGS).map(|_| tokenizer.encode(&draw.string(alphabet)));
            if golden["checksums"][name][kind] != checksum(rows) {
                different.push(format!("{name}: {kind}"));
            }
        }
    }
    assert!(different.is_empty(), "other ids than transformers': {different:?}");
}

#[test]
fn literal_ids() {
    let golden = golden();
    let texts = golden["literals"].as_array().unwrap();
    assert_eq!(texts.len(), 10);
    for (name, tokenizer) in shipped() {
        let [start, end, pad] = tokenizer.special_ids();
        for (text, expected) in texts.iter().zip(golden["ids"][name].as_array().unwrap()) {
            let expected: Vec<u32> = serde_json::from_value(expected.clone()).unwrap();
            assert_eq!((expected[0], expected[expected.len() - 1]), (start, end));
            let ids = tokenizer.encode(text.as_str().unwrap());
            assert_eq!(ids[..expected.len()], expected, "{name}: {text}");
            assert!(ids[expected.len()..].iter().all(|&id| id == pad), "{name}: {text}");
            assert_eq!(ids.len(), 77);
        }
    }
}

#[test]
fn sizes_and_special_ids() {
    let facts = shipped().map(|(_, tokenizer)| {
        (tokenizer.vocab_size(), tokenizer.max_id(), tokenizer.special_ids())
    });
    assert_eq!(facts[0], (49408, 49407, [49406, 49407, 49407]));
    assert_eq!(facts[1], (49408, 49407, [49406, 49407, 0]));
    assert_eq!(facts[2], (30522, 30521, [101, 102, 0]));
}

#[test]
fn a_very_long_prompt_is_cut_like_any_other() {
    for (name, tokenizer) in shipped() {
        for snippet in ["a", "!", "1", " ", "\n", "'s", "猫", "e\u{301}", "🐱", "a b", "\0", "<|"]
        {
            let text = snippet.repeat((1 << 16) / snippet.len());
            assert_eq!(tokenizer.encode(&text).len(), 77, "{name}: {snippet:?}");
        }
    }
}
