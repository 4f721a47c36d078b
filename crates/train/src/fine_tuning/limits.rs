//! What of a fine-tuning's configuration cannot work.

use super::config::{FineTuningConfig, FineTuningTask};
use super::targets::Targets;
use crate::Stage;
use crate::error::TrainError;

/// What can be said before anything is loaded. Puts the section in whose absence has a meaning.
pub fn check(stage: Stage, config: &mut FineTuningConfig) -> Result<(), TrainError> {
    if stage == Stage::Lora {
        config.task.lora.get_or_insert_default();
    }
    checked(stage, config).map_err(TrainError::Data)
}

fn checked(stage: Stage, config: &FineTuningConfig) -> Result<(), String> {
    let FineTuningTask { lora, prior, word, .. } = &config.task;
    let task = &config.task;
    if config.model.base.as_os_str().is_empty() {
        return Err("`model.base` is missing: the model's folder or file to begin with".into());
    }
    let inversion = stage == Stage::TextualInversion;
    let for_others = [
        ("word", word.is_some() && !inversion, "`aquatint train textual-inversion`"),
        ("lora", lora.is_some() && inversion, "`aquatint train lora` and `train dreambooth`"),
        ("prior", prior.is_some() && inversion, "`aquatint train lora` and `train dreambooth`"),
    ];
    if let Some((section, _, whose)) = for_others.into_iter().find(|(_, given, _)| *given) {
        return Err(format!("`[task.{section}]` is for {whose}: leave it out"));
    }
    if task.train_text_encoder && (inversion || lora.is_some()) {
        let key = "`task.train_text_encoder` is for whole networks";
        let instead = if inversion { "leave it out" } else { "use `task.lora.text_encoder`" };
        return Err(format!("{key}: {instead}"));
    }
    if inversion && word.is_none() {
        return Err("`[task.word]` is missing: the `name` of the new word and its `start`".into());
    }
    let unit = |x: f64| (0.0..=1.0).contains(&x);
    let positive = |x: f64| x.is_finite() && x > 0.0;
    let mut numbers = vec![
        ("task.empty_captions", task.empty_captions, unit(task.empty_captions), "from 0 to 1"),
        ("task.guidance_scale", task.guidance_scale, positive(task.guidance_scale), "above 0"),
        (
            "task.sample_steps",
            task.sample_steps as f64,
            (1..=1000).contains(&task.sample_steps),
            "from 1 to 1000",
        ),
    ];
    if let Some(lora) = lora {
        let (rank, alpha, dropout) = (lora.rank, lora.alpha(), lora.dropout);
        numbers.extend([
            ("task.lora.rank", rank as f64, (1..=1024).contains(&rank), "from 1 to 1024"),
            ("task.lora.alpha", alpha, positive(alpha), "above 0"),
            ("task.lora.dropout", dropout, (0.0..1.0).contains(&dropout), "from 0 to less than 1"),
        ]);
    }
    if let Some(prior) = prior {
        let (count, weight) = (prior.count, prior.weight);
        numbers.extend([
            ("task.prior.count", count as f64, (1..=10_000).contains(&count), "from 1 to 10000"),
            ("task.prior.weight", weight, positive(weight), "above 0"),
        ]);
    }
    if let Some(word) = word {
        let vectors = word.vectors;
        let possible = (1..=64).contains(&vectors);
        numbers.push(("task.word.vectors", vectors as f64, possible, "from 1 to 64"));
    }
    if let Some((key, value, _, wanted)) = numbers.into_iter().find(|(_, _, fine, _)| !fine) {
        return Err(format!("`{key}` is {value}; it must be {wanted}"));
    }
    if let Some(lora) = lora {
        Targets::of(&lora.targets)?;
    }
    if let Some(word) = word {
        if word.name.trim().is_empty() || word.name.contains(['/', '\\']) {
            return Err(format!("`task.word.name` is {:?}, which is no word", word.name));
        }
        let said = |text: &Option<String>| text.as_ref().is_none_or(|t| t.contains(&word.name));
        if !said(&task.prompt) {
            return Err(format!("`task.prompt` does not say the new word, {}", word.name));
        }
    }
    task.loss.validate()?;
    if config.data.size < 64 {
        return Err(format!("`data.size` is {}; it must be at least 64", config.data.size));
    }
    Ok(())
}
