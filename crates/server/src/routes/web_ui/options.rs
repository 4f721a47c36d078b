//! The web UI's options: those that mean something here.

use std::sync::Arc;

use aquatint_diffusion::NoiseRule;
use aquatint_pipeline::{Encoding, PictureFormat};
use serde_json::{Map, Value, json};

use super::super::fields::Fields;
use crate::Refusal;
use crate::engine::{Catalogue, lock};
use crate::http::{Answering, App, Asked, blocking, json as in_json};

/// What is so unless somebody sets it, but for the model.
fn usual() -> Map<String, Value> {
    let usual = json!({
        "samples_format": "png",
        "jpeg_quality": 80,
        "CLIP_stop_at_last_layers": 1,
        "eta_noise_seed_delta": 0,
        "randn_source": "NV",
        "emphasis": "Original",
        "token_merging_ratio": 0.0,
        "sd_vae": "Automatic",
        "sd_checkpoint_hash": null,
        "live_previews_enable": true,
        "show_progress_every_n_steps": 1,
    });
    if let Value::Object(usual) = usual { usual } else { Map::new() }
}

/// Options that would change pictures and cannot be had: each with what goes without saying.
const CANNOT: [(&str, &[&str]); 6] = [
    ("sd_vae", &["Automatic", "None", ""]),
    ("sd_hypernetwork", &["None", ""]),
    ("face_restoration", &["false"]),
    ("s_min_uncond", &["0", "0.0"]),
    ("use_old_emphasis_implementation", &["false"]),
    ("enable_quantization", &["false"]),
];

/// The options that a request is made with.
pub(super) struct Chosen(Fields);

impl Chosen {
    /// Those that were set, and above them those of the request.
    pub fn new(app: &App, overrides: Fields) -> Result<Self, Refusal> {
        let mut chosen = usual();
        chosen.extend(lock(&app.web_ui.options).clone());
        chosen.extend(overrides.0);
        let chosen = Self(Fields(chosen));
        chosen.check(app.engine.catalogue())?;
        Ok(chosen)
    }

    fn check(&self, catalogue: &Catalogue) -> Result<(), Refusal> {
        for (name, without) in CANNOT {
            let Some(value) = self.0.0.get(name).filter(|value| !value.is_null()) else { continue };
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if !without.contains(&value.as_str()) {
                return Err(Refusal::invalid(format!(
                    "`{name}` cannot be `{value}` here: leave it out"
                )));
            }
        }
        self.model(catalogue)?;
        self.encoding()?;
        self.count("CLIP_stop_at_last_layers")?;
        self.count("eta_noise_seed_delta")?;
        self.prompt_weights()?;
        self.noise()?;
        self.0.number("token_merging_ratio").map(drop)
    }

    /// The name of the model.
    pub fn model(&self, catalogue: &Catalogue) -> Result<String, Refusal> {
        let name = match self.0.text("sd_model_checkpoint")?.map(str::trim) {
            None | Some("") => return Ok(catalogue.all()[0].entry.name.clone()),
            Some(name) => name,
        };
        // As its list shows them: "name.safetensors [hash]".
        let bare = name.split(" [").next().unwrap_or(name);
        let bare = bare.strip_suffix(".safetensors").unwrap_or(bare);
        let is = |known: &&crate::engine::Known| {
            let own = [known.entry.name.as_str(), known.entry.title.as_str()];
            [name, bare].iter().any(|name| own.iter().any(|own| own.eq_ignore_ascii_case(name)))
        };
        if let Some(known) = catalogue.all().iter().find(is) {
            return Ok(known.entry.name.clone());
        }
        catalogue.find(Some(bare), false).map(|_| bare.to_owned())
    }

    /// In which format pictures are sent.
    pub fn encoding(&self) -> Result<Encoding, Refusal> {
        let format = self.0.text("samples_format")?.unwrap_or("png").to_lowercase();
        let format: PictureFormat = format.parse().map_err(|error| {
            Refusal::invalid(format!("`samples_format` is not possible: {error}"))
        })?;
        let quality = self.count("jpeg_quality")?.unwrap_or(80).clamp(1, 100) as u8;
        Ok(Encoding { format, quality })
    }

    /// Which layer of the text encoder is listened to, if it is not the last.
    pub fn clip_skip(&self) -> Result<Option<usize>, Refusal> {
        Ok(self.count("CLIP_stop_at_last_layers")?.filter(|&layers| layers > 1))
    }

    /// How much higher the seed is for the noise on the way.
    pub fn seed_delta(&self) -> Result<u64, Refusal> {
        Ok(self.count("eta_noise_seed_delta")?.unwrap_or(0) as u64)
    }

    /// Whose random numbers they are; "GPU", "CPU", "NV", or a name of ours.
    pub fn noise(&self) -> Result<&'static str, Refusal> {
        let name = self.0.text("randn_source")?.unwrap_or("NV");
        let rule = NoiseRule::find(name);
        Ok(rule.map_err(|error| Refusal::invalid(error.to_string()))?.name())
    }

    /// Which part of the pixels is merged.
    pub fn token_merging(&self) -> Result<f64, Refusal> {
        Ok(self.0.number("token_merging_ratio")?.unwrap_or(0.0))
    }

    /// How weights in prompts are meant, by our name.
    pub fn prompt_weights(&self) -> Result<&'static str, Refusal> {
        match self.0.text("emphasis")?.unwrap_or("Original") {
            "Original" => Ok("web-ui"),
            "No norm" => Ok("no-norm"),
            "None" => Ok("literal"),
            _ => Err(Refusal::invalid("`emphasis` is Original, No norm or None")),
        }
    }

    fn count(&self, name: &str) -> Result<Option<usize>, Refusal> {
        self.0.count(name)
    }
}

pub(super) fn tell(app: Arc<App>, _: Asked) -> Answering {
    blocking(move || {
        let mut options = usual();
        options.extend(lock(&app.web_ui.options).clone());
        let model = Chosen::new(&app, Fields::default())?.model(app.engine.catalogue())?;
        options.insert("sd_model_checkpoint".into(), model.into());
        Ok(in_json(&options.into()))
    })
}

/// Sets those that mean something. Others are ignored: programs send all that they know.
pub(super) fn set(app: Arc<App>, asked: Asked) -> Answering {
    blocking(move || {
        let given = Fields::of(asked.json()?)?;
        let chosen = Chosen::new(&app, given.clone())?;
        let known = usual();
        let mut options = lock(&app.web_ui.options);
        if given.0.contains_key("sd_model_checkpoint") {
            let model = chosen.model(app.engine.catalogue())?;
            options.insert("sd_model_checkpoint".into(), model.into());
        }
        options.extend(given.0.into_iter().filter(|(name, _)| known.contains_key(name)));
        Ok(in_json(&Value::Null))
    })
}
