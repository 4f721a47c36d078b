//! The configurations of the experiment, as files that `aquatint train` takes.

use std::path::Path;

use aquatint_train::wordless::WordlessConfig;
use serde_json::{Value, json};

use crate::failure::Failure;

macro_rules! embedded {
    ($($name:literal),+) => {
        [$(($name, include_str!(concat!("../../../../configs/reproduce/", $name)))),+]
    };
}

static FILES: [(&str, &str); 9] = embedded![
    "autoencoder-f2.toml",
    "autoencoder-f4.toml",
    "autoencoder-f8.toml",
    "autoencoder-f16.toml",
    "diffusion-f1.toml",
    "diffusion-f2.toml",
    "diffusion-f4.toml",
    "diffusion-f8.toml",
    "diffusion-f16.toml"
];

/// The configurations of one downsampling factor.
pub struct Row {
    pub factor: u64,
    /// Of the first stage; in pixels there is none.
    pub autoencoder: Option<String>,
    /// Of the U-Net.
    pub diffusion: String,
}

/// Those in `folder`, or the built-in ones.
///
/// # Errors
/// If there is none for the factor.
fn row(folder: Option<&Path>, factor: u64) -> Result<Row, Failure> {
    let text = |part: &str| {
        let name = format!("{part}-f{factor}.toml");
        match folder {
            Some(folder) => std::fs::read_to_string(folder.join(&name)).ok(),
            None => FILES.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).into()),
        }
    };
    let (autoencoder, diffusion) = (text("autoencoder"), text("diffusion"));
    let Some(diffusion) = diffusion else {
        let place = folder.map_or("the built-in ones".into(), |path| path.display().to_string());
        return Err(Failure::new(format!(
            "there is no configuration diffusion-f{factor}.toml among {place}: choose other --factors \
             or write one, as those in configs/reproduce"
        )));
    };
    if autoencoder.is_none() && factor > 1 {
        return Err(Failure::new(format!(
            "there is no configuration autoencoder-f{factor}.toml beside diffusion-f{factor}.toml"
        )));
    }
    Ok(Row { factor, autoencoder, diffusion })
}

/// The configurations of all factors, smallest first, each with the size of its pictures, which
/// must be the same.
///
/// # Errors
/// If one is missing, or is none.
pub fn rows(folder: Option<&Path>, factors: &[u64]) -> Result<Vec<(Row, usize)>, Failure> {
    let mut factors = factors.to_vec();
    factors.sort_unstable();
    factors.dedup();
    let mut rows: Vec<(Row, usize)> = Vec::new();
    for factor in factors {
        let row = row(folder, factor)?;
        let config = WordlessConfig::parse(&row.diffusion)
            .map_err(|reason| Failure::new(format!("diffusion-f{factor}.toml: {reason}")))?;
        let size = config.data.size;
        if let Some((other, first)) = rows.first().filter(|(_, first)| *first != size) {
            return Err(Failure::new(format!(
                "diffusion-f{factor}.toml has pictures of {size}x{size} and diffusion-f{}.toml of \
                 {first}x{first}: they must be the same",
                other.factor
            )));
        }
        rows.push((row, size));
    }
    Ok(rows)
}

/// A configuration in which some keys have other values: section, key, value. Everything else
/// stays as it was written, with its comments.
pub fn with(text: &str, changes: &[(&str, &str, Value)]) -> String {
    let mut out = Vec::new();
    let mut section = String::new();
    let line = |key: &str, value: &Value| format!("{key} = {value}");
    for written in text.lines() {
        let trimmed = written.trim();
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            name.trim().clone_into(&mut section);
            out.push(written.to_owned());
            let here = changes.iter().filter(|(of, ..)| *of == section);
            out.extend(here.map(|(_, key, value)| line(key, value)));
            continue;
        }
        let key = trimmed.split('=').next().unwrap_or_default().trim();
        let changed = changes.iter().any(|(of, name, _)| *of == section && *name == key);
        if !changed || trimmed.starts_with('#') {
            out.push(written.to_owned());
        }
    }
    out.join("\n") + "\n"
}

/// Where a run of the experiment reads and writes.
pub fn placed(
    text: &str,
    data: &Path,
    run: &Path,
    model: &Path,
    more: &[(&str, &str, Value)],
) -> String {
    let path = |path: &Path| json!(path.to_string_lossy());
    let mut changes = vec![
        ("data", "folder", path(data)),
        ("run", "folder", path(run)),
        ("run", "export", path(model)),
    ];
    changes.extend(more.iter().cloned());
    with(text, &changes)
}

#[cfg(test)]
mod tests {
    use aquatint_train::autoencoder::AutoencoderConfig;
    use aquatint_train::first_stage::FirstStage;

    use super::*;

    #[test]
    fn only_what_is_named_changes() {
        let text = "# a\n[data]\nfolder = \"x\" # b\nsize = 64\n[run]\nsteps = 3\n[task.more]\nsteps = 9\n";
        let changed = with(text, &[("data", "folder", json!("y\\z")), ("run", "steps", json!(5))]);
        let wanted = "# a\n[data]\nfolder = \"y\\\\z\"\nsize = 64\n[run]\nsteps = 5\n[task.more]\nsteps = 9\n";
        assert_eq!(changed, wanted);
    }

    #[test]
    fn every_built_in_configuration_is_one() {
        for factor in [1, 2, 4, 8, 16] {
            let row = row(None, factor).unwrap();
            assert_eq!(row.autoencoder.is_none(), factor == 1);
            let channels = row.autoencoder.map(|text| {
                let config = AutoencoderConfig::parse(&text).unwrap();
                assert_eq!(config.model.downsampling_factor(), factor as usize);
                config.model.latent_channels
            });
            let config = WordlessConfig::parse(&row.diffusion).unwrap();
            let pixels = config.task.first_stage == FirstStage::Pixels;
            assert_eq!(pixels, factor == 1);
            assert_eq!(config.model.unet.in_channels, channels.unwrap_or(3));
            assert_eq!(config.run.steps, 2000);
        }
        assert!(row(None, 3).is_err());
    }
}
