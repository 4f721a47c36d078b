//! A run on disk: everything that the next step depends on, in one safetensors file.
//!
//! `model.*` are the weights, `ema.*` their averages, `m.*` and `v.*` the moments of AdamW;
//! the same of a network that is trained against the model is under `adversary.*`. The
//! attached text says which step comes next and which configuration this is. Random numbers need
//! no place: those of a step depend on the seed and the step alone.

use std::collections::BTreeMap;
use std::path::Path;

use aquatint_checkpoint::{DType, Weights, resolve, save};
use aquatint_nn::{Module, ModuleExt};
use aquatint_tensor::Tensor;
use serde_json::Value;

use crate::ema::Ema;
use crate::error::TrainError;
use crate::optimizer::Optimizer;

/// The kinds of numbers that there are for each parameter.
const KINDS: [&str; 4] = ["model", "ema", "m", "v"];

/// And of the adversary, which is not averaged.
const ADVERSARY: [&str; 3] = ["adversary.model", "adversary.m", "adversary.v"];

/// Begins the keys of a fingerprint that are not of the configuration: the rest is the name of
/// something that the run builds on, the value a sum of it.
pub const BUILT_ON: &str = "built on the ";

/// Writes a checkpoint, atomically: a reader finds the old one or the new one.
///
/// `fingerprint` is the configuration, as far as it decides about the numbers.
pub fn write(
    path: &Path,
    model: &dyn Module,
    ema: &Ema,
    optimizer: &Optimizer,
    adversary: Option<(&dyn Module, &Optimizer)>,
    step: u64,
    fingerprint: &BTreeMap<String, Value>,
) -> Result<(), TrainError> {
    let mut tensors = Vec::new();
    for (i, (name, param)) in model.named_parameters().into_iter().enumerate() {
        let (m, v) = (optimizer.m[i].get(), optimizer.v[i].get());
        let numbers = [param.value().detach(), ema.weights[i].clone(), m, v];
        for (kind, tensor) in KINDS.iter().zip(numbers) {
            tensors.push((format!("{kind}.{name}"), tensor));
        }
    }
    if let Some((model, optimizer)) = adversary {
        for (i, (name, param)) in model.named_parameters().into_iter().enumerate() {
            let numbers = [param.value().detach(), optimizer.m[i].get(), optimizer.v[i].get()];
            for (kind, tensor) in ADVERSARY.iter().zip(numbers) {
                tensors.push((format!("{kind}.{name}"), tensor));
            }
        }
    }
    let metadata = BTreeMap::from([
        ("step".to_owned(), step.to_string()),
        ("config".to_owned(), serde_json::to_string(fingerprint).expect("strings are keys")),
        ("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
    ]);
    save(path, &tensors, DType::F32, &metadata).map_err(TrainError::io(path))
}

/// Fills `model`, `ema` and `optimizer` from a checkpoint and returns the number of steps done.
///
/// # Errors
/// If the file is not a checkpoint of this model, or of another configuration, or what the run
/// builds on has changed: the differing key is named.
pub fn read(
    path: &Path,
    model: &mut dyn Module,
    ema: &mut Ema,
    optimizer: &mut Optimizer,
    adversary: Option<(&mut dyn Module, &mut Optimizer)>,
    fingerprint: &BTreeMap<String, Value>,
) -> Result<u64, TrainError> {
    let weights = Weights::open(path).map_err(TrainError::checkpoint(path))?;
    let attached = |key: &str| {
        weights.metadata(key).ok_or_else(|| {
            TrainError::Checkpoint(format!(
                "{} is not a checkpoint of a training run: it does not say its {key}",
                path.display()
            ))
        })
    };
    let theirs: BTreeMap<String, Value> =
        serde_json::from_str(attached("config")?).map_err(TrainError::checkpoint(path))?;
    if let Some(difference) = difference(fingerprint, &theirs) {
        return Err(TrainError::Checkpoint(format!("{} {difference}", path.display())));
    }
    let step = attached("step")?.parse().map_err(TrainError::checkpoint(path))?;
    let mut wanted = Vec::new();
    let mut want = |kinds: &[&str], model: &dyn Module| {
        for (name, param) in model.named_parameters() {
            wanted.extend(
                kinds.iter().map(|kind| (format!("{kind}.{name}"), param.shape().to_vec())),
            );
        }
    };
    want(&KINDS, model);
    if let Some((model, _)) = &adversary {
        want(&ADVERSARY, &**model);
    }
    let mut found = resolve(&weights, &wanted).map_err(TrainError::checkpoint(path))?;
    let mut take = |kind: &str, name: &str| -> Tensor {
        found.remove(&format!("{kind}.{name}")).expect("all that is wanted was resolved")
    };
    for (i, (name, param)) in model.named_parameters_mut().into_iter().enumerate() {
        param.set(take("model", &name));
        ema.weights[i] = take("ema", &name);
        optimizer.m[i].set(take("m", &name));
        optimizer.v[i].set(take("v", &name));
    }
    if let Some((model, optimizer)) = adversary {
        for (i, (name, param)) in model.named_parameters_mut().into_iter().enumerate() {
            let [kept, m, v] = ADVERSARY.map(|kind| take(kind, &name));
            param.set(kept);
            optimizer.m[i].set(m);
            optimizer.v[i].set(v);
        }
    }
    Ok(step)
}

/// The first key in which two fingerprints differ, in words that go on after the name of theirs.
fn difference(ours: &BTreeMap<String, Value>, theirs: &BTreeMap<String, Value>) -> Option<String> {
    let keys = ours.keys().chain(theirs.keys().filter(|key| !ours.contains_key(*key)));
    let shown = |value: Option<&Value>| value.map_or("not set".to_owned(), Value::to_string);
    // Checkpoints used not to say what they build on.
    let unsaid = |key: &str| key.starts_with(BUILT_ON) && !theirs.contains_key(key);
    // Nothing is said by null as it is by no key.
    let said = |of: &'_ BTreeMap<String, Value>, key: &str| -> Option<Value> {
        of.get(key).filter(|value| !value.is_null()).cloned()
    };
    let mut different = keys.filter(|&key| said(ours, key) != said(theirs, key) && !unsaid(key));
    different.next().map(|key| match key.strip_prefix(BUILT_ON) {
        Some(what) => format!(
            "cannot be continued: the {what} changed after it was written; bring back what was \
             there, or choose another run.folder"
        ),
        None => format!(
            "is of another configuration: `{key}` is {} there and {} here",
            shown(theirs.get(key)),
            shown(ours.get(key))
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use aquatint_nn::{Init, Param};

    fn parts() -> (Param, Ema, Optimizer) {
        let mut param = Param::new(&[3], Init::Normal(1.0));
        param.init(4);
        let ema = Ema::new(&param, 0.9);
        let config = toml::from_str("learning_rate = 0.1").unwrap();
        let optimizer = Optimizer::new(&param, &config);
        (param, ema, optimizer)
    }

    fn fingerprint(batch_size: u32) -> BTreeMap<String, Value> {
        BTreeMap::from([
            ("run.batch_size".to_owned(), batch_size.into()),
            ("task".to_owned(), "clip".into()),
        ])
    }

    #[test]
    fn what_was_written_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        let (param, ema, mut optimizer) = parts();
        optimizer.v[0].set(Tensor::new(vec![1.0, 2.0, 3.0], &[3]));
        write(&path, &param, &ema, &optimizer, None, 77, &fingerprint(8)).unwrap();
        let (mut other, mut other_ema, mut other_optimizer) = parts();
        other.init(5);
        let step =
            read(&path, &mut other, &mut other_ema, &mut other_optimizer, None, &fingerprint(8));
        assert_eq!(step.unwrap(), 77);
        assert_eq!(other.value().to_vec(), param.value().to_vec());
        assert_eq!(other_optimizer.v[0].get().to_vec(), [1.0, 2.0, 3.0]);
    }

    #[test]
    fn another_configuration_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        let (mut param, mut ema, mut optimizer) = parts();
        write(&path, &param, &ema, &optimizer, None, 1, &fingerprint(8)).unwrap();
        let error = read(&path, &mut param, &mut ema, &mut optimizer, None, &fingerprint(16));
        let message = error.unwrap_err().to_string();
        assert!(message.ends_with("`run.batch_size` is 8 there and 16 here"), "{message}");
    }

    #[test]
    fn what_it_was_built_on_must_still_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        let on = |sum: &str| {
            let mut keys = fingerprint(8);
            keys.insert(format!("{BUILT_ON}text encoder"), sum.into());
            keys
        };
        let (mut param, mut ema, mut optimizer) = parts();
        write(&path, &param, &ema, &optimizer, None, 1, &on("aa")).unwrap();
        let mut read = |keys| read(&path, &mut param, &mut ema, &mut optimizer, None, &keys);
        assert_eq!(read(on("aa")).unwrap(), 1);
        let message = read(on("bb")).unwrap_err().to_string();
        let said = "cannot be continued: the text encoder changed after it was written; ";
        assert!(message.contains(said), "{message}");

        let (param, ema, optimizer) = parts();
        write(&path, &param, &ema, &optimizer, None, 2, &fingerprint(8)).unwrap();
        assert_eq!(read(on("aa")).unwrap(), 2, "an older checkpoint");
    }

    #[test]
    fn a_model_is_not_a_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let (mut param, mut ema, mut optimizer) = parts();
        let tensors = [("model.".to_owned(), param.value().clone())];
        save(&path, &tensors, DType::F32, &BTreeMap::new()).unwrap();
        let error = read(&path, &mut param, &mut ema, &mut optimizer, None, &fingerprint(8));
        assert!(error.unwrap_err().to_string().contains("is not a checkpoint of a training run"));
        std::fs::write(&path, "short").unwrap();
        let error = read(&path, &mut param, &mut ema, &mut optimizer, None, &fingerprint(8));
        assert!(error.unwrap_err().to_string().contains("model.safetensors"));
    }
}
