//! A request of OpenAI's API as one of ours.

use aquatint_pipeline::metadata::Description;
use aquatint_pipeline::{Encoding, PictureFormat};
use axum::http::header;
use serde_json::{Value, json};

use super::super::fields::Fields;
use super::super::web_ui::ONE;
use super::form::Form;
use crate::engine::{Wish, lock, open_picture};
use crate::http::{App, Asked};
use crate::{Kind, Refusal};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Generation,
    Edit,
    Variation,
}

/// How the answer is to be.
pub(super) struct Order {
    pub what: What,
    pub encoding: Encoding,
    /// Whether pictures are in the answer, and whether links to them are.
    pub with_pictures: bool,
    pub with_links: bool,
    /// Where links lead.
    pub origin: String,
    pub stream: bool,
    /// Pictures on the way.
    pub partial: usize,
    /// As it was asked for.
    pub quality: String,
    /// Of the first picture.
    pub seed: u64,
    /// How many times smaller a preview is than the picture.
    pub factor: usize,
}

/// Fields that say nothing here, because there is no such choice or nobody who looks at it.
const IGNORED: [&str; 5] = ["style", "user", "moderation", "input_fidelity", "safety_identifier"];

impl Order {
    /// What a request says of the answer, and of the pictures.
    pub fn new(app: &App, asked: &Asked, what: What) -> Result<(Self, Wish), Refusal> {
        let form = match what {
            What::Generation => Form { fields: Fields::of(asked.json()?)?.0, ..Default::default() },
            What::Edit | What::Variation => Form::read(asked)?,
        };
        let Form { fields, images, mask } = form;
        let mut fields = Fields(fields);
        fields.0.retain(|name, value| !IGNORED.contains(&name.as_str()) && !value.is_null());
        for ours in ["init", "mask", "upscale", "extend"] {
            if fields.0.contains_key(ours) {
                let sentence = format!("`{ours}` is no field here: see /v1/images/edits");
                return Err(Refusal::invalid(sentence));
            }
        }
        let order = Self::answer(&mut fields, asked, what)?;
        let mut wish = Self::wish(app, fields, what, images.first().map(Vec::as_slice))?;
        match (what, images.len()) {
            (What::Generation, _) => {}
            (_, 1) => (wish.init, wish.mask) = (images.into_iter().next(), mask),
            (_, 0) => return Err(Refusal::invalid("`image` is the picture to begin with")),
            (_, n) => {
                return Err(Refusal::invalid(format!(
                    "`image` has {n} pictures: the models here begin with one"
                )));
            }
        }
        if let Some(mask) = &wish.mask {
            let _one = lock(&ONE);
            let (_, alpha) = open_picture("mask", mask, app.engine.limits())?;
            if alpha.is_none() {
                return Err(Refusal::invalid(
                    "`mask` has no transparent pixels: these are made anew",
                ));
            }
        }
        let catalogue = app.engine.catalogue();
        let known = &catalogue.all()[catalogue.find(wish.model.as_deref(), false)?];
        let factor = known.outline.as_ref().map_or(1, |outline| outline.downsampling_factor);
        Ok((Self { factor, ..order }, wish))
    }

    /// Takes out what is about the answer.
    fn answer(fields: &mut Fields, asked: &Asked, what: What) -> Result<Self, Refusal> {
        let text = |name| Ok::<_, Refusal>(fields.text(name)?.unwrap_or_default().to_owned());
        if text("background")? == "transparent" {
            return Err(Refusal::invalid(
                "`background` cannot be transparent: no model here does it",
            ));
        }
        let format: PictureFormat = match text("output_format")?.as_str() {
            "" => PictureFormat::Png,
            name => name.parse().map_err(|error| {
                Refusal::invalid(format!("`output_format` is not possible: {error}"))
            })?,
        };
        let quality = fields.count("output_compression")?.unwrap_or(100);
        if quality > 100 {
            return Err(Refusal::invalid("`output_compression` is from 0 to 100"));
        }
        let (with_pictures, with_links) = match text("response_format")?.as_str() {
            "" => (true, true),
            "b64_json" => (true, false),
            "url" if format == PictureFormat::Png => (false, true),
            "url" => {
                return Err(Refusal::invalid("`response_format` url leads to a PNG file only"));
            }
            _ => return Err(Refusal::invalid("`response_format` is b64_json or url")),
        };
        let stream = fields.flag("stream")?.unwrap_or(false);
        let partial = fields.count("partial_images")?.unwrap_or(0);
        if partial > 3 {
            return Err(Refusal::invalid("`partial_images` is from 0 to 3"));
        }
        if stream && (fields.count("n")?.unwrap_or(1) > 1 || what == What::Variation) {
            return Err(Refusal::invalid("`stream` is for one picture that is made or edited"));
        }
        let quality_name = match text("quality")?.as_str() {
            "" => "auto".into(),
            name if ["auto", "low", "medium", "high", "xhigh", "max", "standard", "hd"]
                .contains(&name) =>
            {
                name.to_owned()
            }
            _ => return Err(Refusal::invalid("`quality` is auto, low, medium or high")),
        };
        let header = |name| asked.headers.get(name).and_then(|value| value.to_str().ok());
        let host = header(header::HOST).unwrap_or("localhost");
        let secure = asked.headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https");
        let scheme = if secure { "https" } else { "http" };
        for name in [
            "background",
            "output_format",
            "output_compression",
            "response_format",
            "stream",
            "partial_images",
            "quality",
        ] {
            fields.take(name);
        }
        Ok(Self {
            what,
            encoding: Encoding { format, quality: quality.clamp(1, 100) as u8 },
            with_pictures,
            with_links,
            origin: format!("{scheme}://{host}"),
            stream,
            partial,
            quality: quality_name,
            seed: 0,
            factor: 1,
        })
    }

    /// What is left is ours, but for three names.
    fn wish(
        app: &App,
        mut fields: Fields,
        what: What,
        image: Option<&[u8]>,
    ) -> Result<Wish, Refusal> {
        if let Some(n) = fields.count("n")? {
            fields.0.insert("count".into(), n.into());
        }
        let size = fields.text("size")?.filter(|size| *size != "auto").map(str::to_owned);
        if let Some(size) = size {
            let sides =
                size.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
            let (width, height): (usize, usize) = sides.ok_or_else(|| {
                Refusal::invalid("`size` is auto, or width and height such as 512x512")
            })?;
            fields.0.insert("width".into(), width.into());
            fields.0.insert("height".into(), height.into());
        }
        let name = model(app, fields.text("model")?.unwrap_or_default())?;
        for name in ["n", "size", "model"] {
            fields.take(name);
        }
        let catalogue = app.engine.catalogue();
        let known = &catalogue.all()[catalogue.find(Some(&name), false)?];
        if fields.text("prompt")?.is_none() {
            let prompt = match (what, image) {
                (What::Variation, Some(image)) => own_prompt(image),
                _ => return Err(Refusal::invalid("`prompt` says what to show")),
            };
            fields.0.insert("prompt".into(), prompt.into());
        }
        // Where models are told what to draw by name, the prompt is the name.
        if known.kind() == "class"
            && let Some(prompt) = fields.take("prompt")
        {
            fields.0.entry("class").or_insert(prompt);
        }
        if known.kind() == "unconditional" && what == What::Variation {
            fields.take("prompt");
        }
        fields.0.insert("model".into(), json!(name));
        Wish::from_json(Value::Object(fields.0))
    }
}

/// What a picture was to show, if its file says so.
fn own_prompt(image: &[u8]) -> String {
    let made = Description::read(image).ok().and_then(|description| description.made);
    let prompt = made.and_then(|made| Some(made.request.get("prompt")?.as_str()?.to_owned()));
    prompt.unwrap_or_default()
}

/// The name of the model that is meant.
pub(super) fn model(app: &App, name: &str) -> Result<String, Refusal> {
    let catalogue = app.engine.catalogue();
    let theirs = ["dall-e-", "gpt-image-", "chatgpt-image-"];
    let is_known = catalogue.all().iter().any(|known| known.entry.name == name);
    if !is_known && (name.is_empty() || theirs.iter().any(|begin| name.starts_with(begin))) {
        return Ok(catalogue.all()[0].entry.name.clone());
    }
    let found = catalogue.find(Some(name), false);
    let found = found.map_err(|refusal| Refusal { kind: Kind::NotFound, ..refusal })?;
    Ok(catalogue.all()[found].entry.name.clone())
}
