//! Every layout in which tokenizers are found, read as transformers reads it. The expected ids are
//! those of `CLIPTokenizer.from_pretrained` and `BertTokenizer.from_pretrained` on such folders.

use std::fs;
use std::path::Path;

use aquatint_pipeline::{ModelSource, Tokenizer};
use serde_json::{Value, json};

const PROMPT: &str = "a! <|STARTOFTEXT|> <|endoftext|> <cat> b";
/// `<|STARTOFTEXT|>` as the plain text that it is.
const SHOUTED: [u32; 7] = [27, 347, 993, 6659, 4160, 91, 285];
const CAT: [u32; 3] = [283, 2368, 285];

const WORDS: &str = "Café naïve 猫犬 [MASK] été";
const WORDS_PLAIN: &[u32] = &[101, 7668, 15743, 100, 1908, 103, 3802, 2063, 102];
const WORDS_CASED: &[u32] = &[101, 100, 100, 100, 1908, 103, 100, 102];
const WORDS_ACCENTED: &[u32] = &[101, 100, 100, 100, 1908, 103, 100, 102];
const WORDS_RUN_ON: &[u32] = &[101, 7668, 15743, 100, 103, 3802, 2063, 102];

fn folder(tokenizer: &Tokenizer) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("tokenizer")).unwrap();
    tokenizer.save(folder.path().join("tokenizer")).unwrap();
    folder
}

fn read(folder: &Path, file: &str) -> String {
    fs::read_to_string(folder.join("tokenizer").join(file)).unwrap()
}

fn write(folder: &Path, file: &str, text: impl AsRef<[u8]>) {
    fs::write(folder.join("tokenizer").join(file), text).unwrap();
}

/// Writes `tokenizer_config.json`: CLIP's, with the changes of `more`.
fn configure(folder: &Path, more: Value) {
    let mut config = json!({
        "bos_token": token("<|startoftext|>"), "eos_token": token("<|endoftext|>"),
        "unk_token": token("<|endoftext|>"), "pad_token": "<|endoftext|>",
        "model_max_length": 77, "tokenizer_class": "CLIPTokenizer",
    });
    for (name, value) in more.as_object().unwrap() {
        config[name] = value.clone();
    }
    write(folder, "tokenizer_config.json", config.to_string());
}

fn token(content: &str) -> Value {
    json!({"content": content, "lstrip": false, "normalized": true, "rstrip": false, "single_word": false})
}

fn load(folder: &Path) -> Tokenizer {
    Tokenizer::load(&ModelSource::Folder(folder.into()), "tokenizer").unwrap()
}

fn error(folder: &Path) -> String {
    let error = Tokenizer::load(&ModelSource::Folder(folder.into()), "tokenizer").unwrap_err();
    let sentence = error.to_string();
    assert!(!sentence.contains('\n') && sentence.len() < 400, "{sentence}");
    sentence
}

/// The frame around `tokens`, and ten of the paddings.
fn framed(tokens: &[&[u32]], pad: u32) -> Vec<u32> {
    [&[49406], &tokens.concat()[..], &[49407], &[pad; 10]].concat()
}

fn assert_ids(folder: &Path, expected: &[u32]) {
    let ids = load(folder).encode(PROMPT);
    assert_eq!((&ids[..expected.len()], ids.len()), (expected, 77));
}

#[test]
fn clip_as_stable_diffusion_publishes_it() {
    let folder = folder(&Tokenizer::clip());
    let folder = folder.path();
    configure(folder, json!({}));
    let tokens: [&[u32]; 4] = [&[320, 256, 49406, 49407], &CAT, &[321], &[]];
    assert_ids(folder, &framed(&tokens, 49407));

    // Stable Diffusion 2: the padding is in the older file only.
    write(folder, "special_tokens_map.json", json!({"pad_token": "!"}).to_string());
    let tokens: [&[u32]; 3] = [&[320, 0, 49406, 49407], &CAT, &[321]];
    assert_ids(folder, &framed(&tokens, 0));

    // Newer files describe every added token, and the older file no longer counts.
    let mut decoder = json!({"0": token("!"), "49406": token("<|startoftext|>")});
    decoder["49408"] = token("<cat>");
    configure(folder, json!({"added_tokens_decoder": decoder}));
    let tokens: [&[u32]; 2] = [&[320, 0, 49406, 49407, 49408], &[321]];
    assert_ids(folder, &framed(&tokens, 49407));
    assert_eq!(load(folder).max_id(), 49408);
    // What is written back has them as well.
    load(folder).save(folder.join("tokenizer")).unwrap();
    assert_ids(folder, &framed(&tokens, 49407));

    // An older way of adding a token.
    configure(folder, json!({}));
    write(folder, "added_tokens.json", json!({"<cat>": 49408}).to_string());
    assert_ids(folder, &framed(&tokens, 0));
}

#[test]
fn clip_in_one_file() {
    let folder = folder(&Tokenizer::clip());
    let folder = folder.path();
    let vocab: Value = serde_json::from_str(&read(folder, "vocab.json")).unwrap();
    let merges = read(folder, "merges.txt");
    let lines: Vec<&str> = merges.lines().skip(1).collect();
    let pairs: Vec<Vec<&str>> = lines.iter().map(|line| line.split(' ').collect()).collect();
    for file in ["vocab.json", "merges.txt"] {
        fs::remove_file(folder.join("tokenizer").join(file)).unwrap();
    }
    configure(folder, json!({"pad_token": "!"}));
    let exact = |id: u32, content: &str| {
        let mut token = token(content);
        (token["id"], token["normalized"]) = (id.into(), false.into());
        token
    };
    let added =
        [exact(49406, "<|startoftext|>"), exact(49407, "<|endoftext|>"), exact(49408, "<cat>")];
    let tokens: [&[u32]; 4] = [&[320, 0], &SHOUTED, &[49407, 49408], &[321]];
    for merges in [json!(lines), json!(pairs)] {
        let model = json!({"type": "BPE", "vocab": vocab, "merges": merges});
        let file = json!({"model": model, "added_tokens": added, "normalizer": null});
        write(folder, "tokenizer.json", file.to_string());
        assert_ids(folder, &framed(&tokens, 0));
    }
}

#[test]
fn bert_in_both_layouts() {
    let shipped = Tokenizer::bert();
    let folder = folder(&shipped);
    let folder = folder.path();
    assert_eq!(read(folder, "vocab.txt").lines().count(), 30522);
    assert_eq!(load(folder).encode("Café 猫 [MASK]"), shipped.encode("Café 猫 [MASK]"));

    let cases: [(Value, &[u32]); 4] = [
        (json!({}), WORDS_PLAIN),
        (json!({"do_lower_case": false}), WORDS_CASED),
        (json!({"strip_accents": false}), WORDS_ACCENTED),
        (json!({"tokenize_chinese_chars": false}), WORDS_RUN_ON),
    ];
    for (mut config, expected) in cases {
        // Whatever BERT's own limit is, latent diffusion reads 77 places.
        config["model_max_length"] = 512.into();
        write(folder, "tokenizer_config.json", config.to_string());
        let ids = load(folder).encode(WORDS);
        assert_eq!((&ids[..expected.len()], ids.len()), (expected, 77), "{config}");
    }

    let words = read(folder, "vocab.txt");
    let vocab: Value =
        words.lines().enumerate().map(|(i, w)| (w.to_owned(), Value::from(i))).collect();
    fs::remove_file(folder.join("tokenizer/vocab.txt")).unwrap();
    write(folder, "tokenizer_config.json", "{}");
    let model = json!({"type": "WordPiece", "vocab": vocab});
    write(folder, "tokenizer.json", json!({"model": model}).to_string());
    assert_eq!(load(folder).encode(WORDS), shipped.encode(WORDS));
}

#[test]
fn what_is_damaged_is_named() {
    let small = Tokenizer::train(["a cat, a cat, two cats"], 520, 8);
    let folder = folder(&small);
    let folder = folder.path();
    let configured = |more: Value| {
        configure(folder, more);
        let sentence = error(folder);
        configure(folder, json!({}));
        sentence
    };
    let broken = configured(json!({"model_max_length": 1}));
    assert!(broken.ends_with("tokenizer_config.json cannot be understood: a text of 1 tokens has no room for a beginning and an end"), "{broken}");
    let broken = configured(json!({"pad_token": "<pad>"}));
    assert!(broken.ends_with("the vocabulary has no token `<pad>`"), "{broken}");
    let broken = configured(json!({"pad_token": 5}));
    assert!(broken.contains("its pad_token is no token"), "{broken}");
    let broken = configured(json!({"added_tokens_decoder": {"x": token("y")}}));
    assert!(broken.contains("its added token x cannot be understood"), "{broken}");
    let broken = configured(json!({"added_tokens_decoder": {"7": token("!")}}));
    assert!(broken.ends_with("the token `!` has two ids, 0 and 7"), "{broken}");
    write(folder, "added_tokens.json", r#"{"<cat>": -1}"#);
    assert!(error(folder).ends_with("added_tokens.json cannot be understood: `<cat>` has no id"));
    fs::remove_file(folder.join("tokenizer/added_tokens.json")).unwrap();

    let together = |model: Value| {
        write(folder, "tokenizer.json", json!({"model": model}).to_string());
        error(folder)
    };
    let broken = together(json!({"type": "Unigram", "vocab": [["a", 0.5]]}));
    assert!(
        broken.ends_with("it is a `Unigram` vocabulary, neither CLIP's nor BERT's"),
        "{broken}"
    );
    let broken = together(json!({"type": "WordPiece", "vocab": {"[CLS]": 0, "[SEP]": 1}}));
    assert!(broken.ends_with("the vocabulary has no token `<|endoftext|>`"), "{broken}");
    let vocab = json!({"<|startoftext|>": 0, "<|endoftext|>": 1, "a": 2});
    let broken =
        together(json!({"type": "BPE", "vocab": vocab, "merges": [["a", "bcdefghijklmnop"]]}));
    assert!(broken.ends_with("the vocabulary has no token `bcdefghijklmnop`"), "{broken}");
    assert!(together(json!(null)).contains("tokenizer.json cannot be understood: "));
}

#[test]
fn cut_and_flipped_files_are_an_error_or_a_tokenizer() {
    let small = Tokenizer::train(["a cat, a cat, two cats"], 520, 8);
    let folder = folder(&small);
    let folder = folder.path();
    let source = ModelSource::Folder(folder.into());
    let mut loaded = [0, 0];
    for file in aquatint_pipeline::tokenizer::FILES {
        let whole = read(folder, file).into_bytes();
        for at in (0..whole.len()).step_by(1 + whole.len() / 100) {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            for (bytes, loaded) in [&whole[..at], &flipped].into_iter().zip(&mut loaded) {
                write(folder, file, bytes);
                if let Ok(tokenizer) = Tokenizer::load(&source, "tokenizer") {
                    assert_eq!(tokenizer.encode("a cat! 猫").len(), tokenizer.max_length());
                    *loaded += 1;
                }
            }
        }
        write(folder, file, &whole);
    }
    // A list of merges that is cut at a line's end is a shorter list, and one can spell otherwise.
    assert!(loaded.iter().all(|&count| count > 0), "{loaded:?}");
}
