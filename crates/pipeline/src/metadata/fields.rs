//! What the web UI's line says of a request: one entry for each name in it.
//!
//! **Whoever adds a field to the request adds an entry here.** A request that was not told to the
//! last field cannot be made again; a test looks for fields without one.

use aquatint_diffusion::{NoiseRule, samplers, spacing};
use aquatint_tensor::RngKind;
use serde_json::{Map, Value, json};

/// A request by its keys, or the part of one that is known.
pub(super) type Keys = Map<String, Value>;

/// One name of the line.
pub(super) struct Field {
    /// As in the line.
    pub name: &'static str,
    /// What of the request it tells.
    pub keys: &'static [&'static str],
    /// The value, or nothing if it goes without saying.
    pub write: fn(&Field, &Keys, &Keys) -> Option<String>,
    /// What the value says. Nothing if it is not understood.
    pub read: fn(&Field, &str, &mut Keys) -> Option<()>,
}

/// In the order in which they are written. Other programs know the names of the web UI only.
pub(super) const FIELDS: &[Field] = &[
    Field { write: always, ..plain("Steps", &["steps"]) },
    Field { write: sampler, read: sampler_back, ..plain("Sampler", &["sampler"]) },
    Field { write: schedule, read: schedule_back, ..plain("Schedule type", &["schedule"]) },
    Field { write: always, ..plain("CFG scale", &["guidance_scale"]) },
    Field { write: always, ..plain("Seed", &["seed"]) },
    Field { write: size, read: size_back, ..plain("Size", &["width", "height"]) },
    plain("Variation seed", &["subseed"]),
    plain("Variation seed strength", &["subseed_strength"]),
    plain("Denoising strength", &["strength"]),
    plain("Mask blur", &["mask_blur"]),
    plain("Clip skip", &["clip_skip"]),
    plain("ENSD", &["eta_noise_seed_delta"]),
    plain("Prompt to", &["prompt_to"]),
    plain("Prompt mix", &["prompt_mix"]),
    plain("Prompt weights", &["prompt_weights"]),
    Field { write: never, read: emphasis_back, ..plain("Emphasis", &["prompt_weights"]) },
    plain("Class", &["class"]),
    plain("Noise level", &["noise_level"]),
    plain("Guidance rescale", &["guidance_rescale"]),
    plain("Guidance curve", &["guidance_curve"]),
    plain("Dynamic thresholding", &["dynamic_thresholding"]),
    plain("Mimic scale", &["mimic_scale"]),
    Field {
        write: interval,
        read: interval_back,
        ..plain("Guidance interval", &["guidance_interval"])
    },
    plain("Deep cache", &["deep_cache"]),
    plain("Deep cache branch", &["deep_cache_branch"]),
    plain("Token merging ratio", &["token_merging"]),
    plain("Eta", &["eta"]),
    Field { write: hires, read: hires_back, ..plain("Hires", &["hires"]) },
    plain("Init", &["init"]),
    plain("Mask", &["mask"]),
    plain("Fit", &["fit"]),
    plain("Extend", &["extend"]),
    Field { write: rng, read: rng_back, ..plain("RNG", &["rng"]) },
    Field { write: rule, read: rng_back, ..plain(NOISE_RULE, &["rng"]) },
];

/// Says whose rule goes with the numbers that `RNG` names, where they are not PyTorch's own.
pub(super) const NOISE_RULE: &str = "Noise rule";

/// Names under which others tell the same.
pub(super) const ALIASES: &[(&str, &str)] = &[
    ("Eta DDIM", "Eta"),
    ("Scheduler", "Schedule type"),
    ("Guidance scale", "CFG scale"),
    ("CFG Rescale", "Guidance rescale"),
];

/// A key whose value is written as it is, if it is not the usual one.
const fn plain(name: &'static str, keys: &'static [&'static str]) -> Field {
    Field { name, keys, write: unusual, read: plain_back }
}

fn unusual(field: &Field, request: &Keys, usual: &Keys) -> Option<String> {
    let key = field.keys[0];
    let value = request.get(key).filter(|value| !value.is_null())?;
    if usual.get(key) == Some(value) { None } else { Some(text(value)) }
}

fn always(field: &Field, request: &Keys, _: &Keys) -> Option<String> {
    request.get(field.keys[0]).map(text)
}

/// A name of the web UI for what we tell under another.
fn never(_: &Field, _: &Keys, _: &Keys) -> Option<String> {
    None
}

fn emphasis_back(field: &Field, value: &str, keys: &mut Keys) -> Option<()> {
    let names = [("Original", "web-ui"), ("No norm", "no-norm"), ("None", "literal")];
    let (_, name) = names.into_iter().find(|(theirs, _)| *theirs == value)?;
    super::fits(field.keys[0], &name.into())
        .then(|| keys.insert(field.keys[0].into(), name.into()))?;
    Some(())
}

fn plain_back(field: &Field, value: &str, keys: &mut Keys) -> Option<()> {
    // A number if the request has one there, otherwise the text.
    let key = field.keys[0];
    let read: Option<Value> = serde_json::from_str(value).ok();
    let value = read.into_iter().chain([json!(value)]).find(|value| super::fits(key, value))?;
    keys.insert(key.into(), value);
    Some(())
}

/// A value of JSON as people write it: 5 for 5.0, and texts without quotes.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => {
            number.as_f64().map_or_else(|| number.to_string(), |number| number.to_string())
        }
        value => value.to_string(),
    }
}

fn sampler(_: &Field, request: &Keys, _: &Keys) -> Option<String> {
    let name = request["sampler"].as_str()?;
    let known = samplers::find_with_spacing(name).ok();
    Some(known.map_or(name, |(known, _)| known.web_ui.unwrap_or(known.name)).into())
}

fn sampler_back(_: &Field, value: &str, keys: &mut Keys) -> Option<()> {
    let (sampler, spacing) = samplers::find_with_spacing(value).ok()?;
    keys.insert("sampler".into(), sampler.name.into());
    if let Some(spacing) = spacing {
        keys.entry("schedule").or_insert(spacing.name.into());
    }
    Some(())
}

fn schedule(_: &Field, request: &Keys, _: &Keys) -> Option<String> {
    let followed_by = || samplers::find_with_spacing(request["sampler"].as_str()?).ok()?.1;
    let known = match request.get("schedule").and_then(Value::as_str) {
        Some(name) => spacing::find(name).ok().ok_or(name),
        None => Ok(followed_by()?),
    };
    Some(known.map_or_else(|name| name, |known| known.web_ui.unwrap_or(known.name)).into())
}

fn schedule_back(_: &Field, value: &str, keys: &mut Keys) -> Option<()> {
    // The web UI's word for the sampler's own.
    if value != "Automatic" {
        keys.insert("schedule".into(), spacing::find(value).ok()?.name.into());
    }
    Some(())
}

fn size(_: &Field, request: &Keys, _: &Keys) -> Option<String> {
    let side = |key| request.get(key).and_then(Value::as_u64);
    Some(format!("{}x{}", side("width")?, side("height")?))
}

fn size_back(_: &Field, value: &str, keys: &mut Keys) -> Option<()> {
    let (width, height) = value.split_once('x')?;
    let (width, height): (usize, usize) = (width.parse().ok()?, height.parse().ok()?);
    keys.insert("width".into(), width.into());
    keys.insert("height".into(), height.into());
    Some(())
}

fn interval(field: &Field, request: &Keys, usual: &Keys) -> Option<String> {
    unusual(field, request, usual)?;
    let ends = request[field.keys[0]].as_array()?;
    Some(format!("{}..{}", text(ends.first()?), text(ends.get(1)?)))
}

fn interval_back(field: &Field, value: &str, keys: &mut Keys) -> Option<()> {
    let (start, stop) = value.split_once("..")?;
    let ends: [f64; 2] = [start.parse().ok()?, stop.parse().ok()?];
    keys.insert(field.keys[0].into(), json!(ends));
    Some(())
}

/// What the web UI calls each kind; what it does not know keeps our name. To the web UI, no name
/// would mean the GPU.
fn rng(_: &Field, request: &Keys, _: &Keys) -> Option<String> {
    let name = request["rng"].as_str()?;
    Some(match NoiseRule::find(name) {
        Ok(NoiseRule::One(RngKind::TorchCpu) | NoiseRule::WebUiCpu) => "CPU".into(),
        Ok(NoiseRule::One(RngKind::TorchCuda) | NoiseRule::WebUi) => "NV".into(),
        _ => name.into(),
    })
}

/// The web UI's rules. Its own pictures need not say so, and ours mean PyTorch's where nothing is
/// said: see [`of_pytorch`].
fn rule(_: &Field, request: &Keys, _: &Keys) -> Option<String> {
    let rule = NoiseRule::find(request["rng"].as_str()?).ok()?;
    matches!(rule, NoiseRule::WebUi | NoiseRule::WebUiCpu).then(|| rule.name().into())
}

fn rng_back(_: &Field, value: &str, keys: &mut Keys) -> Option<()> {
    let name = NoiseRule::find(value).ok()?.name();
    keys.insert("rng".into(), name.into());
    Some(())
}

/// Takes the numbers that the web UI names for PyTorch's own, as our line means it.
pub(super) fn of_pytorch(keys: &mut Keys) {
    let rule = keys.get("rng").and_then(Value::as_str).and_then(|name| NoiseRule::find(name).ok());
    if let Some(rule @ (NoiseRule::WebUi | NoiseRule::WebUiCpu)) = rule {
        keys.insert("rng".into(), rule.first().name().into());
    }
}

/// In the web UI these are several names; see [`super::web_ui`], which puts them together.
fn hires(_: &Field, request: &Keys, _: &Keys) -> Option<String> {
    let hires = request.get("hires").filter(|hires| hires.is_object())?;
    Some(hires.to_string())
}

fn hires_back(_: &Field, value: &str, keys: &mut Keys) -> Option<()> {
    let value = serde_json::from_str(value).ok()?;
    super::fits("hires", &value).then(|| keys.insert("hires".into(), value))?;
    Some(())
}
