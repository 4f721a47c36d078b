//! Enlarging pictures: by the networks that the server has, or by a filter.

use std::sync::Arc;

use aquatint_pipeline::metadata::Description;
use aquatint_pipeline::{Encoding, Fit, Picture, encode_picture, fit, resize};
use serde_json::{Value, json};

use super::super::fields::Fields;
use super::answer::Drawn;
use super::begin::ONE;
use super::draw::run;
use super::options::Chosen;
use crate::Refusal;
use crate::engine::{Engine, Wish, from_base64, lock, open_picture};
use crate::http::{Answering, App, Asked, json as in_json};

/// The upscaler that is a filter.
pub(super) const FILTER: &str = "Lanczos";

pub(super) fn one(app: Arc<App>, asked: Asked) -> Answering {
    Box::pin(async move {
        let fields = Fields::of(asked.json()?)?;
        let picture = from_base64("image", fields.text("image")?.unwrap_or_default())?;
        let image = enlarged(&app, &fields, picture).await?;
        let shown = fields.flag("show_extras_results")?.unwrap_or(true);
        Ok(in_json(&json!({"html_info": "", "image": shown.then_some(image)})))
    })
}

pub(super) fn several(app: Arc<App>, asked: Asked) -> Answering {
    Box::pin(async move {
        let fields = Fields::of(asked.json()?)?;
        let list = fields.list("imageList");
        let most = app.engine.limits().count;
        if list.len() > most {
            return Err(Refusal::too_large(format!("`imageList` has at most {most} pictures")));
        }
        let mut images = Vec::with_capacity(list.len());
        for picture in list {
            let data = picture["data"].as_str().unwrap_or_default();
            let picture = from_base64("imageList", data)?;
            images.push(enlarged(&app, &fields, picture).await?);
        }
        Ok(in_json(&json!({"html_info": "", "images": images})))
    })
}

/// Width, height, and whether what is outside is cut off.
struct Target(usize, usize, bool);

fn target(fields: &Fields, (w, h): (usize, usize)) -> Result<Target, Refusal> {
    let by = |factor: f64| {
        let side = |side: usize| (side as f64 * factor).floor().clamp(1.0, 1e6) as usize;
        Target(side(w), side(h), false)
    };
    if fields.count("resize_mode")?.unwrap_or(0) == 0 {
        let factor = fields.number("upscaling_resize")?.unwrap_or(2.0);
        return match factor > 0.0 {
            true => Ok(by(factor)),
            false => Err(Refusal::invalid("`upscaling_resize` is more than 0")),
        };
    }
    let side = |name| Ok::<_, Refusal>(fields.count(name)?.unwrap_or(512).max(1));
    let (to_w, to_h) = (side("upscaling_resize_w")?, side("upscaling_resize_h")?);
    if fields.flag("upscaling_crop")?.unwrap_or(true) {
        return Ok(Target(to_w, to_h, true));
    }
    Ok(by((to_w as f64 / w as f64).max(to_h as f64 / h as f64)))
}

fn check(fields: &Fields) -> Result<(), Refusal> {
    for name in ["gfpgan_visibility", "codeformer_visibility", "extras_upscaler_2_visibility"] {
        if fields.number(name)?.unwrap_or(0.0) > 0.0 {
            let sentence = format!("`{name}` is not possible here: one upscaler does it all");
            return Err(Refusal::invalid(sentence));
        }
    }
    Ok(())
}

/// The picture in base64, enlarged as the fields say.
async fn enlarged(app: &Arc<App>, fields: &Fields, picture: Vec<u8>) -> Result<String, Refusal> {
    check(fields)?;
    let (asking, fields) = (app.clone(), fields.clone());
    let name = fields.text("upscaler_1")?.unwrap_or("None").to_owned();
    let (bytes, target, encoding) = run({
        let name = name.clone();
        move || {
            let limits = asking.engine.limits();
            let description = Description::read(&picture).map_err(|reason| {
                Refusal::invalid(format!("`image` cannot be used as a picture: {reason}"))
            })?;
            limits.check_input(description.width, description.height)?;
            let target = match name.as_str() {
                "None" => None,
                _ => Some(target(&fields, (description.width, description.height))?),
            };
            if let Some(Target(width, height, _)) = target {
                limits.check_input(width, height)?;
            }
            let encoding = Chosen::new(&asking, Fields::default())?.encoding()?;
            Ok((picture, target, encoding))
        }
    })
    .await?;
    let is_network = !["None", FILTER].contains(&name.as_str());
    let bytes = if is_network { by_network(&app.engine, name, bytes).await? } else { bytes };
    let engine = app.engine.clone();
    run(move || {
        let png = finished(&engine, &bytes, target)?;
        let made = crate::engine::Made { id: String::new(), width: 0, height: 0, seed: 0 };
        Drawn::new(made, png).base64(encoding)
    })
    .await
}

/// What a network makes of the picture, as the bytes of a file.
async fn by_network(engine: &Engine, name: String, init: Vec<u8>) -> Result<Vec<u8>, Refusal> {
    let asking = engine.clone();
    let (handle, _guard) = run(move || {
        let known = asking.catalogue().all().iter();
        let known = known.filter(|known| known.scale.is_some()).map(|known| &known.entry.name);
        if !known.clone().any(|own| *own == name) {
            let all: Vec<&str> = known.map(String::as_str).collect();
            return Err(Refusal::invalid(format!(
                "there is no upscaler `{name}`; there are None, {FILTER}, {}",
                all.join(", ")
            )));
        }
        let request =
            aquatint_pipeline::GenerateRequest { prompt: String::new(), ..Default::default() };
        let model = Some(name);
        let wish = Wish { model, request, init: Some(init), upscale: true, ..Default::default() };
        let handle = asking.submit(wish)?;
        let guard = handle.cancel_on_drop();
        Ok((handle, guard))
    })
    .await?;
    let pictures = handle.pictures().await?;
    let (made, bytes) = pictures
        .into_iter()
        .next()
        .ok_or_else(|| Refusal::failed("there is no picture: please report what you asked for"))?;
    let engine = engine.clone();
    run(move || engine.delete_picture(&made.id)).await?;
    Ok(bytes)
}

/// The picture in its size, as a PNG file with the texts that it had.
fn finished(engine: &Engine, bytes: &[u8], target: Option<Target>) -> Result<Vec<u8>, Refusal> {
    let _one = lock(&ONE);
    // What a network made may be larger than what is taken; it is ours.
    let own = Description::read(bytes).map_err(Refusal::invalid)?;
    let picture = match target {
        Some(_) => Picture::decode_opaque(bytes).map_err(Refusal::invalid)?,
        None => open_picture("image", bytes, engine.limits())?.0,
    };
    let picture = match target {
        None => picture,
        Some(Target(w, h, _)) if (w, h) == (picture.width, picture.height) => picture,
        Some(Target(w, h, true)) => fit(&picture, w, h, Fit::Cover),
        Some(Target(w, h, false)) => resize(&picture, w, h),
    };
    let texts = own.texts.iter().map(|(keyword, text)| (keyword.as_str(), text.clone())).collect();
    let png = encode_picture(&picture, &texts, Encoding::default());
    png.map_err(|error| Refusal::failed(format!("a picture cannot be written: {error}")))
}

/// The upscalers that there are, as the web UI lists them.
pub(super) fn list(engine: &Engine) -> Value {
    let plain = |name: &str, scale: f64| {
        json!({
            "name": name, "model_name": null, "model_path": null, "model_url": null, "scale": scale,
        })
    };
    let networks = engine.catalogue().all().iter().filter_map(|known| {
        let (name, scale) = (&known.entry.name, known.scale?);
        Some(json!({
            "name": name, "model_name": name, "model_path": null, "model_url": null,
            "scale": scale as f64,
        }))
    });
    [plain("None", 1.0), plain(FILTER, 4.0)].into_iter().chain(networks).collect()
}
