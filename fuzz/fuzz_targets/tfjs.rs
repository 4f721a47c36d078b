//! Layers models of TensorFlow.js: the fuzzer writes `model.json`; beside it lies one file of
//! numbers, `a`.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use aquatint_checkpoint::Weights;

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("aquatint-fuzz-tfjs-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder for the model");
    fs::write(folder.join("a"), [0; 64]).expect("a file of numbers");
    folder
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let model = FOLDER.join("model.json");
    fs::write(&model, bytes).expect("a model");
    if let Ok(weights) = Weights::open(&model) {
        aquatint_fuzz::read_tensors(&weights);
    }
});
