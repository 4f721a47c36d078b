//! Finished pictures in OpenAI's words.

use aquatint_pipeline::PictureFormat;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::web_ui::encoded;
use super::order::{Order, What};
use crate::engine::Made;
use crate::http::json as in_json;
use crate::{Refusal, clock};

/// All of them at once.
pub(super) fn images(order: &Order, pictures: &[(Made, Vec<u8>)]) -> Result<Response, Refusal> {
    let data = pictures.iter().map(|(made, png)| {
        let mut image = json!({ "seed": made.seed });
        if order.with_pictures {
            image["b64_json"] = STANDARD.encode(&*encoded(png, order.encoding)?).into();
        }
        if order.with_links {
            image["url"] = format!("{}/api/v1/pictures/{}.png", order.origin, made.id).into();
        }
        Ok(image)
    });
    let data: Vec<Value> = data.collect::<Result<_, Refusal>>()?;
    let size = pictures.first().map(|(made, _)| format!("{}x{}", made.width, made.height));
    Ok(in_json(&json!({
        "created": clock::now() / 1000,
        "data": data,
        "background": "opaque",
        "output_format": format(order),
        "quality": order.quality,
        "size": size,
        "usage": usage(),
    })))
}

/// An event of a stream: a finished picture, or the one of that number on the way.
pub(super) fn event(
    order: &Order,
    picture: &[u8],
    size: (usize, usize),
    partial: Option<usize>,
) -> String {
    let of = if order.what == What::Generation { "image_generation" } else { "image_edit" };
    let name = format!("{of}.{}", if partial.is_some() { "partial_image" } else { "completed" });
    let mut data = json!({
        "type": name,
        "b64_json": STANDARD.encode(picture),
        "background": "opaque",
        "created_at": clock::now() / 1000,
        "output_format": format(order),
        "quality": order.quality,
        "size": format!("{}x{}", size.0, size.1),
    });
    match partial {
        Some(number) => data["partial_image_index"] = number.into(),
        None => {
            data["usage"] = usage();
            data["seed"] = order.seed.into();
        }
    }
    format!("event: {name}\ndata: {data}\n\n")
}

fn format(order: &Order) -> &'static str {
    match order.encoding.format {
        PictureFormat::Png => "png",
        PictureFormat::Jpeg => "jpeg",
        PictureFormat::Webp => "webp",
    }
}

/// Nothing is counted in tokens here, and nothing is sold.
fn usage() -> Value {
    json!({
        "input_tokens": 0,
        "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
        "output_tokens": 0,
        "total_tokens": 0,
    })
}
