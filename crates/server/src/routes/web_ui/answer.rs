//! The answer to a task: pictures, what was asked for, and what the web UI tells of it.

use aquatint_pipeline::metadata::Description;
use aquatint_pipeline::{Encoding, Picture, PictureFormat, encode_picture};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::wish::Task;
use crate::engine::Made;
use crate::{Refusal, clock};

/// A finished picture with the text that tells how it was made.
pub(super) struct Drawn {
    pub made: Made,
    pub png: Vec<u8>,
    pub infotext: String,
}

impl Drawn {
    /// A picture and the bytes of its file.
    pub fn new(made: Made, png: Vec<u8>) -> Self {
        let texts = Description::read(&png).map(|description| description.texts);
        let infotext = texts.ok().and_then(|mut texts| texts.remove("parameters"));
        Self { made, png, infotext: infotext.unwrap_or_default() }
    }

    /// In base64, in some format.
    pub fn base64(&self, encoding: Encoding) -> Result<String, Refusal> {
        Ok(STANDARD.encode(&*encoded(&self.png, encoding)?))
    }
}

/// A PNG file of ours in another format, with its texts.
pub(in crate::routes) fn encoded(
    png: &[u8],
    encoding: Encoding,
) -> Result<std::borrow::Cow<'_, [u8]>, Refusal> {
    if encoding.format == PictureFormat::Png {
        return Ok(png.into());
    }
    let failed = |error: String| Refusal::failed(format!("a picture cannot be written: {error}"));
    let picture = Picture::decode_opaque(png).map_err(failed)?;
    let texts = Description::read(png).map(|description| description.texts).map_err(failed)?;
    let texts = texts.iter().map(|(keyword, text)| (keyword.as_str(), text.clone())).collect();
    let bytes = encode_picture(&picture, &texts, encoding);
    Ok(bytes.map_err(|error| failed(error.to_string()))?.into())
}

/// All that is told beside the pictures, which is JSON in a text.
pub(super) fn info(task: &Task, model: &str, drawn: &[Drawn], size: (usize, usize)) -> String {
    let request = &task.request;
    let all = |value: Value| vec![value; request.count];
    let prompt = request.class.as_deref().unwrap_or(&request.prompt);
    let seeds: Vec<u64> = request.seeds();
    let next = |i: u64| task.subseed.wrapping_add(i);
    let subseeds: Vec<u64> = (0..request.count as u64).map(next).collect();
    let infotexts: Vec<&str> = drawn.iter().map(|drawn| drawn.infotext.as_str()).collect();
    let mut info = json!({
        "prompt": prompt,
        "all_prompts": all(prompt.into()),
        "negative_prompt": request.negative_prompt,
        "all_negative_prompts": all(request.negative_prompt.as_str().into()),
        "seed": request.seed,
        "all_seeds": seeds,
        "subseed": task.subseed,
        "all_subseeds": subseeds,
        "subseed_strength": request.subseed_strength,
        "width": size.0,
        "height": size.1,
        "sampler_name": task.sampler,
        "cfg_scale": request.guidance_scale,
        "steps": request.steps,
        "batch_size": task.round,
        "denoising_strength": task.strength,
        "clip_skip": request.clip_skip.unwrap_or(1),
        "infotexts": infotexts,
        "job_timestamp": timestamp(clock::now()),
        "version": concat!("aquatint ", env!("CARGO_PKG_VERSION")),
    });
    // What there is none of.
    let rest = json!({
        "restore_faces": false,
        "face_restoration_model": null,
        "sd_model_name": model,
        "sd_model_hash": null,
        "sd_vae_name": null,
        "sd_vae_hash": null,
        "seed_resize_from_w": -1,
        "seed_resize_from_h": -1,
        "extra_generation_params": {},
        "index_of_first_image": 0,
        "styles": [],
        "is_using_inpainting_conditioning": false,
    });
    if let (Value::Object(info), Value::Object(rest)) = (&mut info, rest) {
        info.extend(rest);
    }
    info.to_string()
}

/// What was asked for, without the pictures unless they are wanted.
pub(super) fn echo(mut asked: Map<String, Value>, with_pictures: bool) -> Value {
    if !with_pictures {
        for name in ["init_images", "mask"] {
            if let Some(pictures) = asked.get_mut(name) {
                *pictures = Value::Null;
            }
        }
    }
    asked.into()
}

/// `20261124153000`, of milliseconds since 1970, in the time of Greenwich.
pub(super) fn timestamp(millis: u64) -> String {
    let seconds = millis / 1000;
    let (days, second) = (seconds / 86400, seconds % 86400);
    // Years that begin in March have their leap day at the end.
    let day = days + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1460 + day / 36524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = match month {
        0..=9 => (era * 400 + year, month + 3),
        _ => (era * 400 + year + 1, month - 9),
    };
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_dates() {
        for (seconds, date) in [
            (0, "19700101000000"),
            (951_782_399, "20000228235959"),
            (951_782_400, "20000229000000"),
            (1_709_251_199, "20240229235959"),
            (1_793_491_200, "20261101000000"),
            (4_107_542_400, "21000301000000"),
        ] {
            assert_eq!(timestamp(seconds * 1000), date);
        }
    }
}
