//! A tiny autoencoder to train.

use std::fs;
use std::path::{Path, PathBuf};

use aquatint_pipeline::{Picture, png};

/// A configuration of a run of `STEPS` steps in `FOLDER`.
pub const CONFIG: &str = r#"
[data]
folder = "data"
size = 16
[run]
folder = "FOLDER"
export = "FOLDER/model"
steps = STEPS
batch_size = 4
checkpoint_every = 1
sample_every = 1000
log_every = 1
[optimizer]
learning_rate = 1e-3
[task]
crop = 16
kl_weight = 1e-6
[model]
block_out_channels = [8, 8]
down_block_types = ["DownEncoderBlock2D", "DownEncoderBlock2D"]
up_block_types = ["UpDecoderBlock2D", "UpDecoderBlock2D"]
norm_num_groups = 4
"#;

/// A folder with a data set of eight plain pictures.
pub fn place() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(folder.path().join("data")).expect("a temporary folder");
    let mut lines = String::new();
    for i in 0..8u8 {
        let picture = Picture::new(16, 16, [i * 30, 255 - i * 30, 128]);
        let path = folder.path().join(format!("data/{i}.png"));
        png::save(path, &picture, &Default::default()).expect("a temporary file");
        lines += &format!("{{\"file_name\": \"{i}.png\", \"text\": \"number {i}\"}}\n");
    }
    fs::write(folder.path().join("data/metadata.jsonl"), lines).expect("a temporary file");
    folder
}

/// Writes a configuration and returns its name.
pub fn config(folder: &Path, run: &str, steps: u64) -> String {
    let name = format!("{run}.toml");
    let text = CONFIG.replace("FOLDER", run).replace("STEPS", &steps.to_string());
    fs::write(folder.join(&name), text).expect("a temporary file");
    name
}

/// The checkpoint of a run.
pub fn checkpoint(folder: &Path, run: &str) -> PathBuf {
    folder.join(run).join("checkpoint.safetensors")
}
