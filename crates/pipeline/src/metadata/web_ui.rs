//! The text of Stable Diffusion web UI, which most programs write and read: the prompt, the
//! negative prompt, and a line of names and values.

use aquatint_diffusion::NoiseRule;
use serde_json::{Value, json};

use super::Origin;
use super::description::Made;
use super::fields::{ALIASES, FIELDS, Keys, NOISE_RULE, of_pytorch};
use crate::GenerateRequest;

/// The longest value that is looked at: names of samplers and numbers are shorter.
const LONGEST: usize = 1000;
/// Before the negative prompt.
const NEGATIVE: &str = "Negative prompt:";

/// The text for a picture that was made by this request.
pub(super) fn write(request: &GenerateRequest, origin: &Origin<'_>) -> String {
    let (keys, usual) = (super::keys(request), super::keys(&GenerateRequest::default()));
    let mut line = Vec::new();
    for field in FIELDS {
        let Some(value) = (field.write)(field, &keys, &usual) else { continue };
        match field.name {
            "Hires" => line.extend(hires(&keys["hires"])),
            name => line.push((name, value)),
        }
        if field.name == "Size" {
            line.push(("Model", origin.model.into()));
        }
    }
    line.push(("Version", format!("aquatint {}", origin.version)));
    let line: Vec<String> =
        line.iter().map(|(name, value)| format!("{name}: {}", quoted(value))).collect();

    let mut text = format!("{}\n", request.prompt);
    if !request.negative_prompt.is_empty() {
        text += &format!("{NEGATIVE} {}\n", request.negative_prompt);
    }
    text + &line.join(", ")
}

/// A second pass, as the web UI tells it.
fn hires(hires: &Value) -> Vec<(&'static str, String)> {
    let mut line = Vec::new();
    if let Some(strength) = hires["strength"].as_f64() {
        line.push(("Denoising strength", strength.to_string()));
    }
    if let Some(scale) = hires["size"]["scale"].as_f64() {
        line.push(("Hires upscale", scale.to_string()));
    }
    if let Some([width, height]) = hires["size"]["pixels"].as_array().map(Vec::as_slice) {
        line.push(("Hires resize", format!("{width}x{height}")));
    }
    if let Some(steps) = hires["steps"].as_u64() {
        line.push(("Hires steps", steps.to_string()));
    }
    if let Some(name) = hires["upscaler"].as_str() {
        let known = UPSCALERS.iter().find(|(_, ours)| *ours == name);
        line.push(("Hires upscaler", known.map_or(name, |(web_ui, _)| web_ui).into()));
    }
    line
}

/// What the web UI calls them, and what we do.
const UPSCALERS: [(&str, &str); 3] =
    [("Latent", "latent"), ("Latent (nearest-exact)", "latent-nearest"), ("Lanczos", "picture")];

/// The text taken apart.
pub(super) fn read(text: &str) -> Made {
    let (prompts, line) = match text.trim_end().rsplit_once('\n') {
        Some((prompts, line)) if values(line).len() >= 3 => (prompts, line),
        None if values(text).len() >= 3 => ("", text),
        _ => (text, ""),
    };
    let (prompt, negative) = match prompts.strip_prefix(NEGATIVE) {
        Some(negative) => ("", negative),
        None => prompts.split_once(&format!("\n{NEGATIVE}")).unwrap_or((prompts, "")),
    };
    let mut request = Keys::new();
    request.insert("prompt".into(), prompt.trim().into());
    request.insert("negative_prompt".into(), negative.trim().into());
    let mut made = Made::by("Stable Diffusion web UI");
    let (mut ours, mut ruled, mut stronger) = (false, false, false);
    let mut second_pass = Keys::new();
    for (name, value) in values(line) {
        let alias = ALIASES.iter().find(|(alias, _)| *alias == name);
        let name = alias.map_or(name.as_str(), |(_, name)| name);
        let understood = match name {
            "Model" => {
                made.model = Some(value.clone());
                true
            }
            "Version" => {
                ours = value.starts_with("aquatint ");
                made.by = match value.strip_prefix("aquatint ") {
                    Some(version) => format!("aquatint {version}"),
                    None if value == "ComfyUI" => value.clone(),
                    None => format!("{} {value}", made.by),
                };
                true
            }
            // First noise as where √ᾱ x begins with it.
            "SGM noise multiplier" => {
                stronger = value == "True";
                true
            }
            _ if value.len() > LONGEST => false,
            _ if name.starts_with("Hires ") => read_hires(name, &value, &mut second_pass).is_some(),
            _ => {
                ruled |= name == NOISE_RULE;
                let field = FIELDS.iter().find(|field| field.name == name);
                let known = field.and_then(|field| (field.read)(field, &value, &mut request));
                known.is_some()
            }
        };
        if !understood {
            made.rest.push((name.into(), value));
        }
    }
    if !second_pass.is_empty() {
        if let Some(strength) = request.remove("strength") {
            second_pass.insert("strength".into(), strength);
        }
        request.insert("hires".into(), second_pass.into());
    }
    if !ours && !line.is_empty() {
        request.entry("rng").or_insert(NoiseRule::WebUi.name().into());
    }
    if stronger || (ours && !ruled) {
        of_pytorch(&mut request);
    }
    made.take(request);
    made
}

fn read_hires(name: &str, value: &str, hires: &mut Keys) -> Option<()> {
    let (key, value) = match name {
        "Hires upscale" => ("size", json!({ "scale": value.parse::<f64>().ok()? })),
        "Hires resize" => {
            let (width, height) = value.split_once('x')?;
            let sides: [usize; 2] = [width.parse().ok()?, height.parse().ok()?];
            ("size", json!({ "pixels": sides }))
        }
        "Hires steps" => ("steps", json!(value.parse::<usize>().ok()?)),
        "Hires upscaler" => {
            ("upscaler", UPSCALERS.iter().find(|(web_ui, _)| *web_ui == value)?.1.into())
        }
        _ => return None,
    };
    hires.insert(key.into(), value);
    Some(())
}

/// A value as the web UI has it between commas.
fn quoted(value: &str) -> String {
    if value.contains([',', ':', '\n', '"']) { json!(value).to_string() } else { value.into() }
}

/// The names and values of the line.
fn values(line: &str) -> Vec<(String, String)> {
    let (mut values, mut rest) = (Vec::new(), line);
    while let Some((name, after)) = rest.split_once(':') {
        let (value, end) = match after.trim_start() {
            after if after.starts_with('"') => quoted_value(after),
            after => (after.split(',').next().unwrap_or(after).to_owned(), after.find(',')),
        };
        let name = name.rsplit(',').next().unwrap_or(name).trim();
        if !name.is_empty() && name.len() <= 100 && !name.contains('\n') {
            values.push((name.to_owned(), value.trim().to_owned()));
        }
        let Some(end) = end else { break };
        rest = &after.trim_start()[end..];
    }
    values
}

/// What is in quotes at the beginning, and where the comma behind it is.
fn quoted_value(text: &str) -> (String, Option<usize>) {
    let mut escaped = false;
    let closing = text.char_indices().skip(1).find(|&(_, c)| {
        let closing = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        closing
    });
    let end = closing.map_or(text.len(), |(at, _)| at + 1);
    let value = serde_json::from_str(&text[..end]).unwrap_or_else(|_| text[..end].to_owned());
    (value, text[end..].find(',').map(|comma| end + comma))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> (GenerateRequest, Made) {
        let made = read(text);
        (made.request_over(&GenerateRequest::default()).expect("a request"), made)
    }

    #[test]
    fn a_text_of_the_web_ui() {
        let (request, made) = request(
            "a cat, (sleeping:1.2)\nin a basket <lora:cosy:0.8>\nNegative prompt: dog\nand mouse\n\
             Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 3123456789, \
             Size: 512x768, Model hash: 6ce0161689, Model: v1-5, Lora hashes: \"cosy: 12ab, b: 3\", \
             Version: v1.10.1",
        );
        assert_eq!(request.prompt, "a cat, (sleeping:1.2)\nin a basket <lora:cosy:0.8>");
        assert_eq!(request.negative_prompt, "dog\nand mouse");
        assert_eq!((request.steps, request.guidance_scale, request.seed), (20, 7.0, 3_123_456_789));
        assert_eq!((&*request.sampler, request.schedule.as_deref()), ("dpmpp_2m", Some("karras")));
        assert_eq!((request.width, request.height), (Some(512), Some(768)));
        assert_eq!(request.rng, "web-ui", "the web UI's habit");
        assert_eq!(made.by, "Stable Diffusion web UI v1.10.1");
        assert_eq!(made.model.as_deref(), Some("v1-5"));
        let rest: Vec<_> = made.rest.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(rest, [("Model hash", "6ce0161689"), ("Lora hashes", "cosy: 12ab, b: 3")]);
    }

    #[test]
    fn older_and_stranger_ones() {
        let (old, _) =
            request("x\nSteps: 9, Sampler: DPM++ SDE Karras, Seed: 1, Size: 64x64, RNG: CPU");
        assert_eq!((&*old.sampler, old.schedule.as_deref()), ("dpmpp_sde", Some("karras")));
        assert_eq!((&*old.rng, old.negative_prompt.as_str()), ("web-ui-cpu", ""));
        let (bare, made) = request("nothing but: a prompt, really: two");
        assert_eq!(bare.prompt, "nothing but: a prompt, really: two");
        assert_eq!((bare.rng, made.rest.len()), (GenerateRequest::default().rng, 0));
        let (strong, _) = request("x\nSteps: 9, RNG: CPU, Seed: 1, SGM noise multiplier: True");
        assert_eq!(strong.rng, "torch-cpu");
        let (odd, made) = request("x\nSteps: many, Sampler: Euler z, Seed: -1, CFG scale: 3");
        assert_eq!((odd.steps, odd.guidance_scale), (50, 3.0));
        assert_eq!(made.rest.len(), 3, "{made:?}");
        let (none, _) = request("Steps: 7, Seed: 3, CFG scale: 3");
        assert_eq!((none.steps, none.prompt.as_str()), (7, ""));
    }

    #[test]
    fn what_we_write_comes_back() {
        let request = GenerateRequest {
            prompt: "a cat\nwith: a line, and \"quotes\"".into(),
            prompt_to: Some("a dog,\nwith: \"others\"".into()),
            prompt_mix: 0.1 + 0.2,
            negative_prompt: "a dog".into(),
            seed: u64::MAX,
            rng: "numpy".into(),
            steps: 7,
            sampler: "ddim".into(),
            schedule: Some("trailing".into()),
            guidance_scale: -2.5,
            eta: Some(0.25),
            width: Some(64),
            height: Some(128),
            token_merging: 0.5,
            ..GenerateRequest::default().fast()
        };
        let origin = Origin { model: "a, strange: one", version: "1", dtype: "f32" };
        let text = write(&request, &origin);
        let made = read(&text);
        assert_eq!(made.rest, [], "{text}");
        assert_eq!(made.model.as_deref(), Some("a, strange: one"));
        assert_eq!(made.request_over(&GenerateRequest::default()), Ok(request), "{text}");
    }

    #[test]
    fn whose_numbers_they_are() {
        let origin = Origin { model: "m", version: "1", dtype: "f32" };
        for rule in NoiseRule::ALL {
            let request = GenerateRequest { rng: rule.name().into(), ..Default::default() };
            let text = write(&request, &origin);
            let read = read(&text).request_over(&GenerateRequest::default());
            assert_eq!(read.map(|read| read.rng), Ok(rule.name().into()), "{text}");
        }
    }

    /// A field that is not in the list would be lost.
    #[test]
    fn every_field_of_a_request_is_told() {
        let unknown = Keys::from_iter([("no such field".into(), Value::Null)]);
        let error = serde_json::from_value::<GenerateRequest>(unknown.into()).unwrap_err();
        let error = error.to_string();
        let keys: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
        assert!(keys.contains(&"guidance_scale"), "{error}");
        let told = |key: &&str| FIELDS.iter().any(|field| field.keys.contains(key));
        let elsewhere = ["prompt", "negative_prompt", "count"];
        let lost: Vec<_> = keys.iter().filter(|k| !told(k) && !elsewhere.contains(k)).collect();
        assert!(lost.is_empty(), "{lost:?} need an entry in metadata/fields.rs");
    }

    #[test]
    fn hostile_texts_are_read_in_no_time() {
        for text in ["a: ".repeat(300_000), ",".repeat(1_000_000), ":".repeat(1_000_000)] {
            read(&text);
            read(&format!("x\n{text}"));
        }
        read(&format!("x\nSteps: 1, Seed: 2, Sampler: {}", "z".repeat(1_000_000)));
        read(&format!("x\nSteps: 1, Seed: 2, Sampler: \"{}", "\\".repeat(1_000_000)));
        read("\nNegative prompt:");
        read("");
    }
}
