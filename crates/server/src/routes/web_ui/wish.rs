//! A request of the web UI as one of ours.

use aquatint_pipeline::{GenerateRequest, PromptWeights};

use super::super::fields::Fields;
use super::options::Chosen;
use super::sampling::sampling;
use crate::engine::Known;
use crate::{Refusal, clock};

/// A request, and what the answer tells of it.
pub(super) struct Task {
    pub request: GenerateRequest,
    /// The other seed, which a request has only if it is used.
    pub subseed: u64,
    /// Pictures of one round, which are asked for together.
    pub round: usize,
    /// The sampler's name as the web UI has it.
    pub sampler: &'static str,
    /// How much is made anew, of a picture or in a second pass.
    pub strength: Option<f64>,
}

/// What all tasks have in common.
pub(super) fn task(fields: &Fields, chosen: &Chosen, known: &Known) -> Result<Task, Refusal> {
    check(fields)?;
    let usual = GenerateRequest::default();
    let (round, rounds) = (fields.count("batch_size")?, fields.count("n_iter")?);
    let (round, rounds) = (round.unwrap_or(1), rounds.unwrap_or(1));
    if round == 0 || rounds == 0 {
        return Err(Refusal::invalid("`batch_size` and `n_iter` are at least 1"));
    }
    let count = round.saturating_mul(rounds);
    let (sampler, spacing) = sampling(fields, known)?;
    let subseed_strength = fields.number("subseed_strength")?.unwrap_or(0.0);
    let subseed = seed(fields, "subseed")?;
    let prompt = fields.text("prompt")?.unwrap_or_default().to_owned();
    let by_class = known.kind() == "class";
    let class = (by_class && !prompt.is_empty()).then(|| prompt.clone());
    // Only samplers that know an eta are told one, as there.
    let eta = fields.number("eta")?.filter(|_| sampler.default_eta.is_some());
    let weights = chosen.prompt_weights()?;
    let weights = PromptWeights::ALL.into_iter().find(|own| own.name() == weights);
    let request = GenerateRequest {
        prompt: if by_class { String::new() } else { prompt },
        negative_prompt: fields.text("negative_prompt")?.unwrap_or_default().to_owned(),
        prompt_weights: weights.unwrap_or_default(),
        clip_skip: chosen.clip_skip()?,
        seed: seed(fields, "seed")?,
        subseed: if subseed_strength == 0.0 { 0 } else { subseed },
        subseed_strength,
        eta_noise_seed_delta: chosen.seed_delta()?,
        rng: chosen.noise()?.to_owned(),
        steps: fields.count("steps")?.unwrap_or(50),
        sampler: sampler.name.to_owned(),
        schedule: spacing.map(|spacing| spacing.name.to_owned()),
        guidance_scale: fields.number("cfg_scale")?.unwrap_or(7.0),
        token_merging: chosen.token_merging()?,
        eta,
        width: fields.count("width")?.filter(|&side| side > 0),
        height: fields.count("height")?.filter(|&side| side > 0),
        count,
        class,
        ..usual
    };
    let sampler = sampler.web_ui.unwrap_or(sampler.name);
    Ok(Task { request, subseed, round, sampler, strength: None })
}

/// What would change the picture and cannot be done.
fn check(fields: &Fields) -> Result<(), Refusal> {
    let cannot = |name: &str, why: &str| {
        Err(Refusal::invalid(format!("`{name}` is not possible here: {why}, so leave it out")))
    };
    let flags = [
        ("restore_faces", "there is no network that restores faces"),
        ("tiling", "no model here makes tiles"),
    ];
    for (name, why) in flags {
        if fields.flag(name)?.unwrap_or(false) {
            return cannot(name, why);
        }
    }
    let texts = [
        ("script_name", "there are no scripts"),
        ("refiner_checkpoint", "there is no second model in a run"),
        ("hr_checkpoint_name", "the second pass is by the same model"),
        ("hr_sampler_name", "the second pass is by the same sampler"),
        ("hr_scheduler", "the second pass has the same schedule"),
        ("hr_prompt", "the second pass has the same prompt"),
        ("hr_negative_prompt", "the second pass has the same prompt"),
    ];
    for (name, why) in texts {
        let text = fields.text(name)?.unwrap_or_default();
        let same = name.starts_with("hr_") && is_same(fields, name, text)?;
        if !(text.is_empty() || text == "None" || same) {
            return cannot(name, why);
        }
    }
    if !fields.list("styles").is_empty() {
        return cannot("styles", "this server keeps no styles");
    }
    for (name, usual) in [("s_churn", 0.0), ("s_noise", 1.0), ("initial_noise_multiplier", 1.0)] {
        if fields.number(name)?.is_some_and(|value| value != usual) {
            return cannot(name, "no sampler here knows it");
        }
    }
    for (name, side) in [("seed_resize_from_w", "width"), ("seed_resize_from_h", "height")] {
        let from = fields.integer(name)?.unwrap_or(0);
        if from > 0 && fields.integer(side)? != Some(from) {
            return cannot(name, "noise is made in the picture's own size");
        }
    }
    let scripts = fields.object("alwayson_scripts")?;
    for (name, script) in &scripts.0 {
        if script["args"].as_array().is_none_or(|args| !args.is_empty()) {
            let name = name.chars().take(100).collect::<String>();
            return Err(Refusal::invalid(format!("always on script {name} not found")));
        }
    }
    Ok(())
}

/// Whether the second pass is told what the first one is.
fn is_same(fields: &Fields, name: &str, text: &str) -> Result<bool, Refusal> {
    let first = match name {
        "hr_prompt" => "prompt",
        "hr_negative_prompt" => "negative_prompt",
        "hr_sampler_name" => "sampler_name",
        "hr_scheduler" => "scheduler",
        _ => return Ok(text == "Use same checkpoint"),
    };
    let used = fields.flag("enable_hr")?.unwrap_or(false);
    Ok(!used || text.starts_with("Use same") || fields.text(first)? == Some(text))
}

/// A seed; -1 is one that nobody chose.
fn seed(fields: &Fields, name: &str) -> Result<u64, Refusal> {
    // Some programs send it as a text, and an empty one.
    let text = fields.text(name).ok().flatten().map(str::trim);
    let seed = match text {
        Some("") => None,
        Some(text) => Some(
            text.parse::<i64>()
                .map_err(|_| Refusal::invalid(format!("`{name}` is a whole number")))?,
        ),
        None => fields.integer(name)?,
    };
    Ok(seed.and_then(|seed| u64::try_from(seed).ok()).unwrap_or_else(clock::random_seed))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(json: serde_json::Value) -> Fields {
        Fields::of(json).expect("an object")
    }

    #[test]
    fn what_changes_nothing_is_ignored() {
        // What webuiapi sends with every request.
        check(&fields(json!({
            "restore_faces": false, "tiling": false, "styles": [], "script_name": null,
            "script_args": [], "alwayson_scripts": {"ADetailer": {"args": []}}, "s_churn": 0,
            "s_noise": 1, "seed_resize_from_w": 0, "hr_prompt": "", "hr_sampler_name": null,
            "no such field": [1, 2],
        })))
        .expect("all of it is as usual");
        for wrong in [
            json!({"tiling": true}),
            json!({"styles": ["mine"]}),
            json!({"script_name": "X/Y/Z plot"}),
            json!({"s_churn": 3}),
            json!({"enable_hr": true, "prompt": "a", "hr_prompt": "b"}),
            json!({"seed_resize_from_w": 64, "width": 128}),
            json!({"alwayson_scripts": {"ControlNet": {"args": [{}]}}}),
        ] {
            assert!(check(&fields(wrong.clone())).is_err(), "{wrong}");
        }
        assert!(check(&fields(json!({"seed_resize_from_w": -1, "hr_prompt": "b"}))).is_ok());
    }

    #[test]
    fn seeds_of_all_kinds() {
        let of = |json| seed(&fields(json), "seed");
        assert_eq!(of(json!({"seed": 7})), Ok(7));
        assert_eq!(of(json!({"seed": "8"})), Ok(8));
        for chance in [json!({}), json!({"seed": -1}), json!({"seed": ""}), json!({"seed": null})] {
            assert!(of(chance).is_ok_and(|seed| seed < 1 << 31));
        }
        assert!(of(json!({"seed": "x"})).is_err() && of(json!({"seed": 1.5})).is_err());
    }
}
