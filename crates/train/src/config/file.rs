//! Reading a configuration: strict, and talkative about what it does not understand.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use aquatint_checkpoint::nearest;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Config, limits};
use crate::error::TrainError;

/// Keys that a run may be continued with under another value, since they decide where files are
/// and when to stop, but not what a step does (other than by the learning rate of a longer run).
const FREE: [&str; 15] = [
    "card",
    "data.folder",
    "data.memory_gb",
    "data.most_unreadable",
    "run.accumulate",
    "run.checkpoint_every",
    "run.export",
    "run.folder",
    "run.gradient_checkpointing",
    "run.log_every",
    "run.sample_every",
    "run.steps",
    // What is in them counts: see `Task::built_on`.
    "model.base",
    "task.perceptual_file",
    "task.perceptual_heads",
];

impl<T, M> Config<T, M>
where
    T: Serialize + DeserializeOwned,
    M: Serialize + DeserializeOwned + Default,
{
    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read, is not TOML, lacks a key, or has one that means nothing; the nearest
    /// key that does is named.
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let text = fs::read_to_string(path).map_err(TrainError::io(path))?;
        let wrong = |message| TrainError::Config { path: path.to_path_buf(), message };
        Self::parse(&text).map_err(wrong)
    }

    /// Reads the text of a file.
    pub fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| explain(&error, text))?;
        let table: toml::Table = toml::from_str(text).map_err(|error| explain(&error, text))?;
        table.iter().try_for_each(|(key, value)| limits::check_finite(key, value))?;
        // The sections of the models take any key, as the files that they are modelled on do; here
        // a key that nobody reads is a mistake.
        if let Some(written) = table.get("model") {
            let known = serde_json::to_value(M::default()).map_err(|error| error.to_string())?;
            check_known(written, &known, "model")?;
        }
        limits::check(&config.data, &config.run, &config.optimizer)?;
        Ok(config)
    }

    /// Every key that decides about the numbers of a step, such as `run.batch_size`, with its
    /// value, and the name of the task.
    pub fn fingerprint(&self, task: &str) -> BTreeMap<String, Value> {
        let whole = serde_json::to_value(self).expect("a configuration is plain data");
        let mut keys = BTreeMap::from([("task".to_owned(), Value::from(task))]);
        flatten("", &whole, &mut keys);
        keys.retain(|key, _| {
            !FREE.iter().any(|free| key == free || key.starts_with(&format!("{free}.")))
        });
        keys
    }
}

fn flatten(path: &str, value: &Value, keys: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                flatten(&aquatint_nn::join(path, name), value, keys);
            }
        }
        _ => {
            keys.insert(path.to_owned(), value.clone());
        }
    }
}

/// Every key that was written must be one that the model configuration has.
fn check_known(written: &toml::Value, known: &Value, path: &str) -> Result<(), String> {
    let (toml::Value::Table(written), Value::Object(known)) = (written, known) else {
        return Ok(());
    };
    for (key, value) in written {
        match known.get(key) {
            Some(known) => check_known(value, known, &format!("{path}.{key}"))?,
            None => {
                let near = nearest(key, known.keys().map(String::as_str));
                return Err(unknown(&format!("{path}.{key}"), near));
            }
        }
    }
    Ok(())
}

fn unknown(key: &str, near: Option<&str>) -> String {
    let hint = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
    format!("unknown key `{key}`{hint}")
}

/// One line for what the TOML reader says in several.
fn explain(error: &toml::de::Error, text: &str) -> String {
    let message = error.message().lines().collect::<Vec<_>>().join(" ");
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let message = match quoted.split_first() {
        Some((key, known)) if message.starts_with("unknown field") => {
            unknown(key, nearest(key, known.iter().copied()))
        }
        _ => message,
    };
    match error.span() {
        Some(span) if span.start > 0 => {
            let before = text.get(..span.start).unwrap_or(text);
            format!("line {}: {message}", before.matches('\n').count() + 1)
        }
        _ => message,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::config::Dtype;

    #[derive(Clone, Debug, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Task {
        crop: usize,
    }

    #[derive(Clone, Debug, Default, Serialize, Deserialize)]
    #[serde(default)]
    struct Model {
        latent_channels: usize,
    }

    const GOOD: &str = "\
[data]
folder = \"d\"
[run]
folder = \"r\"
export = \"m\"
steps = 10
batch_size = 4
dtype = \"bf16\"
[optimizer]
learning_rate = 0.001
[task]
crop = 8
[model]
latent_channels = 4
";

    fn parse(text: &str) -> Result<Config<Task, Model>, String> {
        Config::parse(text)
    }

    fn error(from: &str, to: &str) -> String {
        assert!(GOOD.contains(from));
        parse(&GOOD.replace(from, to)).unwrap_err()
    }

    #[test]
    fn a_good_file() {
        let config = parse(GOOD).unwrap();
        assert_eq!((config.run.steps, config.run.dtype), (10, Dtype::Bf16));
        assert_eq!((config.data.size, config.optimizer.beta1), (128, 0.9));
    }

    #[test]
    fn a_misspelt_key_is_named_with_the_nearest() {
        assert_eq!(
            error("batch_size", "batchsize"),
            "line 7: unknown key `batchsize`; did you mean `batch_size`?"
        );
        assert_eq!(
            error("latent_channels", "latent_channel"),
            "unknown key `model.latent_channel`; did you mean `latent_channels`?"
        );
        assert!(error("[task]", "[tusk]").contains("did you mean `task`?"));
    }

    #[test]
    fn what_is_missing_or_out_of_range() {
        assert!(error("steps = 10\n", "").contains("missing field `steps`"));
        assert_eq!(error("steps = 10", "steps = 0"), "`run.steps` is 0; it must be at least 1");
        let wrong = error("learning_rate = 0.001", "learning_rate = nan");
        assert_eq!(wrong, "`optimizer.learning_rate` is NaN, which is no number");
        assert!(error("steps = 10", "steps = ").starts_with("line 6: "));
        assert!(!error("steps = 10", "steps = \"x\"").contains('\n'));
    }

    #[test]
    fn a_run_can_be_made_longer_and_nothing_else() {
        let prints = |text: &str| parse(text).unwrap().fingerprint("clip");
        let good = prints(GOOD);
        assert_eq!(good, prints(&GOOD.replace("steps = 10", "steps = 20")));
        assert_eq!(good, prints(&GOOD.replace("folder = \"r\"", "folder = \"x\"")));
        assert_ne!(good, prints(&GOOD.replace("crop = 8", "crop = 16")));
        assert_eq!(good["task.crop"], 8);
        assert_eq!(good["task"], "clip");
    }
}
