//! A form with pictures as fields and files.

use aquatint_pipeline::GenerateRequest;
use axum::http::header;
use serde_json::{Map, Value};

use super::multipart::{boundary, parts};
use super::no_form;
use crate::Refusal;
use crate::http::Asked;

/// What a form says.
#[derive(Debug, Default)]
pub(super) struct Form {
    pub fields: Map<String, Value>,
    /// Pictures to begin with.
    pub images: Vec<Vec<u8>>,
    pub mask: Option<Vec<u8>>,
}

/// Fields of OpenAI's that are no texts.
const PLAIN: [&str; 4] = ["n", "output_compression", "partial_images", "stream"];

impl Form {
    /// That in the body of a request.
    pub fn read(asked: &Asked) -> Result<Self, Refusal> {
        let given = asked.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let boundary = given.and_then(boundary).ok_or_else(no_form)?;
        let parts = parts(&asked.body, boundary)
            .map_err(|reason| Refusal::invalid(format!("the form cannot be read: {reason}")))?;
        let mut form = Self::default();
        for part in parts {
            match part.name.as_str() {
                "image" | "image[]" => form.images.push(part.bytes.to_vec()),
                "mask" => form.mask = Some(part.bytes.to_vec()),
                name => {
                    let text = std::str::from_utf8(part.bytes)
                        .map_err(|_| Refusal::invalid(format!("`{name}` is a text in UTF-8")))?;
                    form.fields.insert(name.to_owned(), value(name, text));
                }
            }
        }
        Ok(form)
    }
}

/// A text of a form as the field's type. What fits none stays a text, and is refused as such.
fn value(name: &str, text: &str) -> Value {
    let as_text = Value::from(text);
    let fits = || {
        let alone = Map::from_iter([(name.to_owned(), as_text.clone())]);
        serde_json::from_value::<GenerateRequest>(alone.into()).is_ok()
    };
    match serde_json::from_str(text) {
        Ok(read) if PLAIN.contains(&name) => read,
        Ok(read @ (Value::Number(_) | Value::Array(_) | Value::Bool(_)))
            if is_ours(name) && !fits() =>
        {
            read
        }
        _ => as_text,
    }
}

fn is_ours(name: &str) -> bool {
    crate::engine::all_fields().iter().any(|own| own == name) || name == "explain"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_become_what_they_are_for() {
        for (name, text, expected) in [
            ("prompt", "42", json!("42")),
            ("n", "2", json!(2)),
            ("stream", "true", json!(true)),
            ("seed", "7", json!(7)),
            ("strength", "0.5", json!(0.5)),
            ("sampler", "euler", json!("euler")),
            ("negative_prompt", "3", json!("3")),
            ("steps", "many", json!("many")),
            ("user", "12", json!("12")),
        ] {
            assert_eq!(value(name, text), expected, "{name}");
        }
    }
}
