//! What `configs/` has can be read, and each file says how it is used.

use std::fs;
use std::path::{Path, PathBuf};

use aquatint_train::autoencoder::AutoencoderConfig;
use aquatint_train::clip::ClipConfig;
use aquatint_train::conditioning::Conditioning;
use aquatint_train::diffusion::DiffusionConfig;
use aquatint_train::wordless::WordlessConfig;

fn files() -> Vec<PathBuf> {
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    let folders = fs::read_dir(configs).expect("configs").map(|entry| entry.expect("one").path());
    let mut files: Vec<PathBuf> = folders
        .flat_map(|folder| fs::read_dir(folder).expect("a folder"))
        .map(|entry| entry.expect("a file").path())
        .collect();
    files.sort();
    files
}

#[test]
fn every_file_is_a_configuration_of_its_stage() {
    let files = files();
    assert!(files.len() >= 8, "{files:?}");
    for path in files {
        let folder = path.parent().and_then(Path::file_name).expect("a folder").to_string_lossy();
        let stage = path.file_stem().expect("a name").to_string_lossy();
        let said = match stage.as_ref() {
            "autoencoder" => AutoencoderConfig::read(&path).map(drop),
            "clip" => ClipConfig::read(&path).map(drop),
            "diffusion" if Conditioning::of_file(&path).expect("a name").has_text() => {
                DiffusionConfig::read(&path).map(drop)
            }
            "diffusion" => WordlessConfig::read(&path).map(drop),
            other => panic!("{other} is no stage"),
        };
        said.unwrap_or_else(|error| panic!("{error}"));
        let command =
            format!("#   aquatint train {stage} --config configs/{folder}/{stage}.toml\n");
        let text = fs::read_to_string(&path).expect("text");
        assert!(text.contains(&command), "{} does not say {command}", path.display());
    }
}
