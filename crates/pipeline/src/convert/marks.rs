//! What a single file says of itself beside its weights, so that readers need no configuration.

use aquatint_checkpoint::detect::detect_shapes;
use aquatint_checkpoint::naming::shapes;
use aquatint_checkpoint::{DType, Family, Planned};
use serde_json::{Map, Value};

use super::NewFile;
use super::input::Gathered;
use crate::presets::preset;

const TITLE: &str = "modelspec.title";
const PREDICTION: &str = "modelspec.prediction_type";

/// Adds the title and the prediction as everybody's `modelspec`, by which the models that look like
/// others are known again, and the empty tensors by which ComfyUI knows models that predict v or
/// were trained down to pure noise where that is not usual.
pub(super) fn add(file: &mut NewFile, gathered: &Gathered, said: Option<Family>) {
    for input in &gathered.inputs {
        let texts = &input.weights.manifest().metadata;
        let theirs = texts.iter().filter(|(key, _)| key.starts_with("modelspec."));
        file.metadata.extend(theirs.map(|(key, text)| (key.clone(), text.clone())));
    }
    let Some(Value::Object(scheduler)) = gathered.configs.get("scheduler") else { return };
    let predicts = prediction(scheduler);
    let short = if predicts == "v_prediction" { "v" } else { predicts };
    file.metadata.insert(PREDICTION.into(), short.into());

    let family = gathered.family.or_else(|| family(gathered, scheduler));
    if let Some(family) = family
        && (said.is_some() || !file.metadata.contains_key(TITLE))
    {
        file.metadata.insert(TITLE.into(), family.title().into());
    }
    let usual = family.map(|family| preset(family.look_alikes()[0]));
    let usual = usual.as_ref().and_then(|configs| configs.get("scheduler"));
    let usual = usual.and_then(Value::as_object).map_or("epsilon", prediction);
    if predicts == "v_prediction" && usual != predicts {
        mark(file, "v_pred");
    }
    if scheduler.get("rescale_betas_zero_snr") == Some(&Value::Bool(true)) {
        mark(file, "ztsnr");
    }
}

fn prediction(scheduler: &Map<String, Value>) -> &str {
    scheduler.get("prediction_type").and_then(Value::as_str).unwrap_or("epsilon")
}

fn mark(file: &mut NewFile, name: &str) {
    file.planned.push(Planned { name: name.into(), shape: vec![0], dtype: DType::F32 });
    file.made.push(None);
}

/// The family of a folder: by the U-Net's shapes, and among look-alikes by the scheduler.
fn family(gathered: &Gathered, scheduler: &Map<String, Value>) -> Option<Family> {
    let found = gathered.inputs.iter().find_map(|input| {
        let found = detect_shapes(&shapes(input.weights.manifest()), &Default::default());
        found.parts.contains(&"unet").then_some(found.family)
    });
    let family = found.flatten()?;
    let key = |scheduler: &Map<String, Value>| {
        let spacing = scheduler.get("timestep_spacing").and_then(Value::as_str);
        (prediction(scheduler).to_owned(), spacing.unwrap_or("leading").to_owned())
    };
    let alike = family.look_alikes().iter().copied().find(|&family| {
        let configs = preset(family);
        configs.get("scheduler").and_then(Value::as_object).map(key) == Some(key(scheduler))
    });
    Some(alike.unwrap_or(family))
}
