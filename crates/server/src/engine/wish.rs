//! What somebody asks for, before it is looked at.

use aquatint_checkpoint::nearest;
use aquatint_pipeline::GenerateRequest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::{Refusal, clock};

/// Fields of our own JSON that no [`GenerateRequest`] has.
pub(crate) const OURS: [&str; 5] = ["model", "init", "mask", "upscale", "explain"];

/// A wish for pictures: what [`Engine::submit`](super::Engine::submit) takes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wish {
    /// The model's name; nothing means the default.
    pub model: Option<String>,
    /// What is asked for. Its `init` and `mask` are names of files, which nothing here opens.
    pub request: GenerateRequest,
    /// The picture to begin with, as the bytes of a file.
    pub init: Option<Vec<u8>>,
    /// What is to be made anew of it, likewise; white is new.
    pub mask: Option<Vec<u8>>,
    /// Whether `init` is to be enlarged rather than changed.
    pub upscale: bool,
    /// Whether what happens on the way is to be kept.
    pub explain: bool,
}

impl Wish {
    /// The wish in our own JSON, whose fields are those of [`GenerateRequest`],
    /// and `model`, `init`, `mask`, `upscale`, `explain`.
    /// Without a seed it gets one.
    ///
    /// # Errors
    /// If it is no such JSON.
    pub fn from_json(json: Value) -> Result<Self, Refusal> {
        let Value::Object(mut fields) = json else {
            return Err(Refusal::invalid("a request is a JSON object, such as {\"prompt\": …}"));
        };
        fields.retain(|_, value| !value.is_null());
        let mut own = |name: &str| fields.remove(name);
        let (model, init, mask) = (own("model"), own("init"), own("mask"));
        let (upscale, explain) = (own("upscale"), own("explain"));
        fields.entry("seed").or_insert_with(|| clock::random_seed().into());
        // Where models are told apart by number, so is what they draw.
        if let Some(Value::Number(class)) = fields.get("class") {
            let class = class.to_string();
            fields.insert("class".into(), class.into());
        }
        Ok(Self {
            model: text("model", model)?,
            init: picture("init", init)?,
            mask: picture("mask", mask)?,
            upscale: flag("upscale", upscale)?,
            explain: flag("explain", explain)?,
            request: request(fields)?,
        })
    }

    /// The wish in our own JSON without the bytes of pictures, so that it can be read again: what
    /// everybody wants to know, and whatever is not as usual.
    pub fn shown(&self) -> Map<String, Value> {
        const ALWAYS: [&str; 10] = [
            "prompt",
            "negative_prompt",
            "seed",
            "steps",
            "sampler",
            "schedule",
            "guidance_scale",
            "width",
            "height",
            "count",
        ];
        let (mut shown, usual) = (keys(&self.request), keys(&GenerateRequest::default()));
        shown.retain(|key, value| ALWAYS.contains(&key.as_str()) || usual.get(key) != Some(value));
        shown.remove("init");
        shown.remove("mask");
        if let Some(model) = &self.model {
            shown.insert("model".into(), json!(model));
        }
        for (name, flag) in [("upscale", self.upscale), ("explain", self.explain)] {
            if flag {
                shown.insert(name.into(), json!(true));
            }
        }
        shown
    }
}

fn keys(request: &GenerateRequest) -> Map<String, Value> {
    match serde_json::to_value(request) {
        Ok(Value::Object(keys)) => keys,
        _ => Map::new(),
    }
}

fn request(fields: Map<String, Value>) -> Result<GenerateRequest, Refusal> {
    let known: Vec<String> = all_fields();
    if let Some(unknown) = fields.keys().find(|key| !known.contains(key)) {
        let others = known.iter().map(String::as_str).chain(OURS);
        let nearest = nearest(unknown, others).map(|name| format!("; did you mean `{name}`?"));
        let nearest = nearest.unwrap_or_default();
        return Err(Refusal::invalid(format!("a request has no field `{unknown}`{nearest}")));
    }
    for (key, value) in &fields {
        let alone = Map::from_iter([(key.clone(), value.clone())]);
        if let Err(error) = serde_json::from_value::<GenerateRequest>(alone.into()) {
            let refusal = Refusal::invalid(format!("`{key}` is not possible: {error}"));
            return Err(refusal.about(key));
        }
    }
    let request = serde_json::from_value(fields.into());
    request.map_err(|error| Refusal::invalid(format!("the request is not possible: {error}")))
}

/// The names of a request's fields, which only its refusal of others tells in full.
pub(crate) fn all_fields() -> Vec<String> {
    let error = serde_json::from_value::<GenerateRequest>(json!({"no such field": null}));
    let sentence = error.err().map(|error| error.to_string()).unwrap_or_default();
    let names = sentence.split('`').skip(3).step_by(2).map(str::to_owned);
    names.filter(|name| !["init", "mask"].contains(&name.as_str())).collect()
}

fn text(name: &str, value: Option<Value>) -> Result<Option<String>, Refusal> {
    match value {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Refusal::invalid(format!("`{name}` is a text")).about(name)),
    }
}

fn flag(name: &str, value: Option<Value>) -> Result<bool, Refusal> {
    match value {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(flag),
        Some(_) => Err(Refusal::invalid(format!("`{name}` is true or false")).about(name)),
    }
}

fn picture(name: &str, value: Option<Value>) -> Result<Option<Vec<u8>>, Refusal> {
    text(name, value)?.map(|text| from_base64(name, &text)).transpose()
}

/// The bytes of a picture in base64, also as a `data:` address. Other addresses are refused:
/// nothing is fetched.
///
/// # Errors
/// If it is something else.
pub fn from_base64(name: &str, text: &str) -> Result<Vec<u8>, Refusal> {
    let text = text.trim();
    let data = match text.strip_prefix("data:") {
        Some(rest) => rest.split_once(";base64,").map(|(_, data)| data),
        None => Some(text),
    };
    let not = || {
        Refusal::invalid(format!(
            "`{name}` is a picture in base64: nothing is fetched, and no file of the server is \
             opened"
        ))
        .about(name)
    };
    let data = data.ok_or_else(not)?;
    // Some programs break the lines.
    let joined: String;
    let data = if data.contains('\n') || data.contains('\r') {
        joined = data.split_ascii_whitespace().collect();
        &joined
    } else {
        data
    };
    STANDARD.decode(data).map_err(|_| not())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_can_be_read_again() {
        let json = json!({
            "prompt": "a cat", "steps": 9, "seed": null, "model": "m", "explain": true,
            "guidance_interval": [0.2, 1.0], "width": 64,
        });
        let wish = Wish::from_json(json).expect("a wish");
        let again = Wish::from_json(wish.shown().into()).expect("a wish");
        assert_eq!(again, wish);
        assert_eq!((wish.request.steps, wish.request.width), (9, Some(64)));
        assert!(wish.request.seed < 1 << 31);
        assert_eq!(wish.shown()["count"], 1);
        assert!(!wish.shown().contains_key("eta"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let said = |json: Value| Wish::from_json(json).expect_err("wrong").message;
        assert!(said(json!([])).contains("JSON object"));
        let unknown = said(json!({"promt": "x"}));
        assert_eq!(unknown, "a request has no field `promt`; did you mean `prompt`?");
        assert!(said(json!({"steps": "many"})).starts_with("`steps` is not possible: "));
        assert!(said(json!({"upscale": 1})).contains("`upscale` is true or false"));
        for url in ["http://example.org/a.png", "file:///etc/passwd", "data:image/png,x"] {
            assert!(said(json!({ "init": url })).contains("nothing is fetched"), "{url}");
        }
    }

    #[test]
    fn base64_of_all_kinds() {
        for text in ["aGVsbG8=", "data:image/png;base64,aGVsbG8=", " aGVs\r\nbG8= "] {
            assert_eq!(from_base64("init", text).expect(text), b"hello");
        }
    }
}
