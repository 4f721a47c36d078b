//! What `configs/` has can be read, and each file says how it is used.

use std::fs;
use std::path::{Path, PathBuf};

use aquatint_train::Stage;
use aquatint_train::autoencoder::{AutoencoderConfig, Regularization, VQConfig};
use aquatint_train::clip::ClipConfig;
use aquatint_train::conditioning::Conditioning;
use aquatint_train::diffusion::DiffusionConfig;
use aquatint_train::fine_tuning::{FineTuningConfig, check};
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
        let name = path.file_stem().expect("a name").to_string_lossy();
        // A folder of first stages only, each under the name that the paper gave it.
        // Elsewhere what follows a dash tells files of one stage apart.
        let stage = match folder.as_ref() {
            "first-stages" => "autoencoder",
            _ => name.split('-').next().expect("a name"),
        };
        let said = match stage {
            "autoencoder" if Regularization::of_file(&path).expect("one") == Regularization::Vq => {
                VQConfig::read(&path).map(drop)
            }
            "autoencoder" => AutoencoderConfig::read(&path).map(drop),
            "clip" => ClipConfig::read(&path).map(drop),
            "diffusion" if Conditioning::of_file(&path).expect("a name").has_text() => {
                DiffusionConfig::read(&path).map(drop)
            }
            "diffusion" => WordlessConfig::read(&path).map(drop),
            "lora" => {
                FineTuningConfig::read(&path).and_then(|mut config| check(Stage::Lora, &mut config))
            }
            other => panic!("{other} is no stage"),
        };
        said.unwrap_or_else(|error| panic!("{error}"));
        let command = format!("#   aquatint train {stage} --config configs/{folder}/{name}.toml\n");
        let text = fs::read_to_string(&path).expect("text");
        assert!(text.contains(&command), "{} does not say {command}", path.display());
    }
}

/// The networks are those of the published models, tensor for tensor.
#[test]
fn first_stages_are_those_of_the_paper() {
    use aquatint_models::{AutoencoderKL, VQModel};
    use aquatint_nn::ModuleExt;

    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (name, published, factor) in [
        ("kl-f4", "kl_f4", 4),
        ("kl-f8", "", 8),
        ("kl-f16", "kl_f16", 16),
        ("kl-f32", "kl_f32", 32),
        ("vq-f4", "vq_f4", 4),
        ("vq-f4-noattn", "vq_f4_noattn", 4),
        ("vq-f8", "vq_f8", 8),
        ("vq-f8-n256", "", 8),
        ("vq-f16", "", 16),
    ] {
        let path = root.join(format!("configs/first-stages/{name}.toml"));
        let (found, size) = if name.starts_with("kl") {
            let config = AutoencoderConfig::read(&path).expect(name);
            let model = AutoencoderKL::new(&config.model);
            (config.model.downsampling_factor(), model.parameter_count() as u64)
        } else {
            let config = VQConfig::read(&path).expect(name);
            let model = VQModel::new(&config.model);
            (config.model.downsampling_factor(), model.parameter_count() as u64)
        };
        assert_eq!(found, factor, "{name}");
        let expected = match name {
            // Stable Diffusion's.
            "kl-f8" => Some(83_653_863),
            _ if published.is_empty() => None,
            _ => {
                let path = root.join(format!("testdata/golden/published/{published}.json"));
                let golden = fs::read(path).expect(published);
                let golden: serde_json::Value = serde_json::from_slice(&golden).expect("JSON");
                golden["numbers"].as_u64()
            }
        };
        assert!(expected.is_none_or(|expected| expected == size), "{name} has {size} numbers");
    }
}

/// A run that began before there was a perceptual distance, a judge or a codebook can be continued.
#[test]
fn the_first_autoencoder_still_has_its_fingerprint() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/seven-styles");
    let config = AutoencoderConfig::read(&root.join("autoencoder.toml")).expect("a file");
    let fingerprint = config.fingerprint("autoencoder");
    let keys: Vec<&str> =
        fingerprint.keys().map(String::as_str).filter(|key| key.starts_with("task")).collect();
    let expected = ["crop", "flip", "kl_weight", "mse_weight", "validation_pictures"];
    assert_eq!(keys[0], "task");
    assert_eq!(keys[1..], expected.map(|key| format!("task.{key}")));
    assert_eq!(fingerprint["task.kl_weight"], f64::from(1e-6f32));
}
