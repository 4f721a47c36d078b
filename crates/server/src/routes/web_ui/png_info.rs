//! What a picture's file says of itself, in the web UI's names.

use std::sync::Arc;

use aquatint_pipeline::metadata::Description;
use serde_json::{Map, Value, json};

use super::super::fields::Fields;
use crate::Refusal;
use crate::engine::from_base64;
use crate::http::{Answering, App, Asked, blocking, json as in_json};

/// Pairs of a line that are looked at.
const MOST: usize = 200;

pub(super) fn read(app: Arc<App>, asked: Asked) -> Answering {
    blocking(move || {
        let fields = Fields::of(asked.json()?)?;
        let bytes = from_base64("image", fields.text("image")?.unwrap_or_default())?;
        // Its pixels are not looked at.
        let description = Description::read(&bytes).map_err(|reason| {
            Refusal::invalid(format!("`image` cannot be used as a picture: {reason}"))
        })?;
        app.engine.limits().check_input(description.width, description.height)?;
        let info = description.texts.get("parameters").map(String::as_str).unwrap_or_default();
        let items: Map<String, Value> =
            description.texts.iter().map(|(name, text)| (name.clone(), json!(text))).collect();
        Ok(in_json(&json!({"info": info, "items": items, "parameters": parameters(info)})))
    })
}

/// The text of the web UI, taken apart: everything is a text there.
fn parameters(info: &str) -> Map<String, Value> {
    let mut found = Map::new();
    if info.is_empty() {
        return found;
    }
    let (prompts, line) = match info.trim_end().rsplit_once('\n') {
        Some((prompts, line)) if line.contains("Steps: ") => (prompts, line),
        _ => (info, ""),
    };
    let (prompt, negative) = prompts.split_once("Negative prompt:").unwrap_or((prompts, ""));
    found.insert("Prompt".into(), prompt.trim().into());
    found.insert("Negative prompt".into(), negative.trim().into());
    for (name, value) in pairs(line).into_iter().take(MOST) {
        if let Some((width, height)) = value.split_once('x')
            && [width, height].iter().all(|side| side.parse::<u32>().is_ok())
        {
            found.insert(format!("{name}-1"), width.into());
            found.insert(format!("{name}-2"), height.into());
        } else {
            found.insert(name, value.into());
        }
    }
    found.entry("Clip skip").or_insert("1".into());
    found
}

/// `a: b, c: "d, e"`.
fn pairs(line: &str) -> Vec<(String, String)> {
    let (mut pairs, mut rest) = (Vec::new(), line);
    while let Some((name, after)) = rest.split_once(": ") {
        let mut values = serde_json::Deserializer::from_str(after).into_iter::<String>();
        let quoted = if after.starts_with('"') { values.next().and_then(Result::ok) } else { None };
        let end = match quoted {
            Some(_) => values.byte_offset(),
            None => after.find(", ").unwrap_or(after.len()),
        };
        let value = quoted.unwrap_or_else(|| after[..end].trim().to_owned());
        pairs.push((name.trim().to_owned(), value));
        rest = after[end..].trim_start_matches(", ");
        if pairs.len() >= MOST {
            break;
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taken_apart() {
        let info = "a cat, sleeping\nin a basket\nNegative prompt: dog\nSteps: 20, Sampler: Euler a, \
                    Size: 128x64, Model: \"a, b: c\", RNG: NV";
        let found = parameters(info);
        for (name, value) in [
            ("Prompt", "a cat, sleeping\nin a basket"),
            ("Negative prompt", "dog"),
            ("Steps", "20"),
            ("Sampler", "Euler a"),
            ("Size-1", "128"),
            ("Size-2", "64"),
            ("Model", "a, b: c"),
            ("RNG", "NV"),
            ("Clip skip", "1"),
        ] {
            assert_eq!(found[name], value, "{name}");
        }
        assert!(parameters("").is_empty());
        assert_eq!(parameters("words: only")["Prompt"], "words: only");
    }

    #[test]
    fn hostile_lines_end() {
        for line in ["a: ".repeat(100_000), "\"".repeat(100_000), "a: \"".repeat(100_000)] {
            assert!(pairs(&line).len() <= MOST);
            parameters(&format!("x\nSteps: {line}"));
        }
    }
}
