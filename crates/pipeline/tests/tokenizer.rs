//! A learned vocabulary against transformers' `CLIPTokenizer` (see tools/reference/tokenizer.py).

use std::path::Path;

use aquatint_pipeline::{ModelSource, Tokenizer};
use serde_json::Value;

/// Enough text for merges of several lengths, with repetitions.
const CAPTIONS: [&str; 8] = [
    "noto emoji of sunflower, garden, plant, blue background",
    "twemoji emoji of cat with wry smile, it's a cat's face, black background",
    "openmoji emoji of flag: Côte d'Ivoire, white background",
    "fluent emoji of sun behind cloud, weather, yellow background",
    "noto emoji of cat, pet, purple background",
    "noto emoji of keycap: 10, 100, 1000, gray background",
    "blobmoji emoji of 猫 and 犬, pink background",
    "emoji of grinning cat, happy, happier, happiest, green background",
];

fn tokenizer() -> Tokenizer {
    Tokenizer::train(CAPTIONS, 540, 24)
}

fn saved(tokenizer: &Tokenizer, folder: &Path) -> ModelSource {
    std::fs::create_dir_all(folder.join("tokenizer")).unwrap();
    tokenizer.save(folder.join("tokenizer")).unwrap();
    ModelSource::Folder(folder.into())
}

#[test]
fn agrees_with_transformers() {
    let golden = include_str!("../../../testdata/golden/clip_tokenizer.json");
    let golden: Value = serde_json::from_str(golden).unwrap();
    let tokenizer = tokenizer();
    assert_eq!(golden["vocab_size"].as_u64(), Some(tokenizer.vocab_size() as u64));
    let cases = golden["ids"].as_object().unwrap();
    assert!(cases.len() >= 20);
    for (text, expected) in cases {
        let (ids, pad) = (tokenizer.encode(text), tokenizer.special_ids()[2]);
        let expected: Vec<u32> = serde_json::from_value(expected.clone()).unwrap();
        assert_eq!(ids[..expected.len()], expected, "{text:?}");
        assert!(ids[expected.len()..].iter().all(|&id| id == pad), "{text:?}");
        assert_eq!(ids.len(), 24);
    }
}

#[test]
fn a_saved_tokenizer_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let learned = tokenizer();
    let loaded = Tokenizer::load(&saved(&learned, folder.path()), "tokenizer").unwrap();
    assert_eq!(loaded.max_length(), 24);
    for caption in CAPTIONS {
        assert_eq!(learned.encode(caption), loaded.encode(caption));
    }
}

#[test]
fn the_shipped_models_files_are_written_as_they_were_read() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/seven-styles");
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = Tokenizer::load(&ModelSource::Folder(shipped.clone()), "tokenizer").unwrap();
    saved(&tokenizer, folder.path());
    for file in aquatint_pipeline::tokenizer::FILES {
        let [a, b] = [shipped.as_path(), folder.path()]
            .map(|f| std::fs::read(f.join("tokenizer").join(file)));
        assert_eq!(a.unwrap(), b.unwrap(), "{file}");
    }
}

#[test]
fn learning_does_not_depend_on_the_order() {
    let mut reversed = CAPTIONS;
    reversed.reverse();
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    saved(&tokenizer(), folders[0].path());
    saved(&Tokenizer::train(reversed, 540, 24), folders[1].path());
    for file in aquatint_pipeline::tokenizer::FILES {
        let [a, b] = folders
            .each_ref()
            .map(|f| std::fs::read(f.path().join("tokenizer").join(file)).unwrap());
        assert_eq!(a, b, "{file}");
    }
}

#[test]
fn what_is_too_long_is_cut_and_what_is_short_is_padded() {
    let tokenizer = tokenizer();
    let [start, end, pad] = tokenizer.special_ids();
    let long = tokenizer.encode(&"cat ".repeat(100));
    assert_eq!((long.len(), long[0], long[23]), (24, start, end));
    assert!(long[1..23].iter().all(|&id| id == long[1]));
    let empty = tokenizer.encode("");
    assert_eq!(empty[..2], [start, end]);
    assert!(empty[2..].iter().all(|&id| id == pad));
}

#[test]
fn contradictory_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let source = saved(&tokenizer(), folder.path());
    let file = |name: &str| folder.path().join("tokenizer").join(name);
    let error = || Tokenizer::load(&source, "tokenizer").unwrap_err().to_string();

    let merges = std::fs::read_to_string(file("merges.txt")).unwrap();
    std::fs::write(file("merges.txt"), merges.clone() + "q x</w>\n").unwrap();
    assert!(
        error().ends_with("vocab.json cannot be understood: the vocabulary has no token `qx</w>`")
    );
    std::fs::write(file("merges.txt"), merges + "three words here\n").unwrap();
    assert!(
        error()
            .ends_with("merges.txt cannot be understood: `three words here` is no pair of tokens")
    );
    std::fs::write(file("vocab.json"), "").unwrap();
    assert!(error().ends_with("vocab.json cannot be understood: it is empty"));
    std::fs::remove_file(file("vocab.json")).unwrap();
    assert!(error().ends_with("vocab.json is missing: the model folder is incomplete"));
}
