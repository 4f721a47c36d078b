//! Indexes of shards: the fuzzer writes the index; beside it lies one true shard, `a`.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use aquatint_checkpoint::Weights;

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("aquatint-fuzz-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder for the index");
    let header = br#"{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let shard = [&(header.len() as u64).to_le_bytes(), &header[..], &[0; 4]].concat();
    fs::write(folder.join("a"), shard).expect("a shard");
    folder
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let index = FOLDER.join("model.safetensors.index.json");
    fs::write(&index, bytes).expect("an index");
    if let Ok(weights) = Weights::open(&index) {
        aquatint_fuzz::read_tensors(&weights);
    }
});
