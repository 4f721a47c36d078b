//! Stage 2: a text encoder that knows what its words look like (CLIP, arXiv:2103.00020).
//!
//! A text tower and an image tower learn to give a drawing and its caption the same direction:
//! every caption of a mini-batch has to find its drawing among all of them, and the other way
//! round. The image tower is left behind afterwards; the frozen text tower becomes the text
//! encoder of the diffusion model.

mod caching;
#[cfg(test)]
mod ten_steps;

use std::fs;
use std::path::Path;

use aquatint_models::{ClipTextConfig, ClipTextModel, ClipVisionConfig, ClipVisionModel};
use aquatint_nn::{Init, Module, ModuleExt, Param};
use aquatint_pipeline::Tokenizer;
use aquatint_tensor::{Rng, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::caching::Cached;
use crate::captions;
use crate::colours::COLOURS;
use crate::config::Config;
use crate::contrastive::{FIRST_LOGIT_SCALE, LAST_LOGIT_SCALE, contrastive_loss};
use crate::data::buckets::refuse;
use crate::data::{Dataset, Drawing};
use crate::error::TrainError;
use crate::export;
use crate::order::Order;
use crate::part::Part;
use crate::pictures::{View, small_batch};
use crate::retrieval::recalls;
use crate::task::{Figures, StepLoss, Task};

/// The section `[task]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClipTask {
    /// Tokens in the vocabulary, at most.
    pub vocab_size: usize,
    /// Ids in a prompt.
    pub model_max_length: usize,
}

/// The section `[model]`. `vocab_size`, `max_position_embeddings` and the special tokens of
/// `[model.text]` follow from the tokenizer.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClipNetworks {
    /// The text tower.
    pub text: ClipTextConfig,
    /// The image tower.
    pub vision: ClipVisionConfig,
}

/// A whole configuration file.
pub type ClipConfig = Config<ClipTask, ClipNetworks>;

/// Captions for each drawing that the tokenizer learns from.
const TOKENIZER_CAPTIONS: usize = 4;
/// Pairs that pass through the towers at once outside of training.
const AT_ONCE: usize = 64;

/// Both towers, under the names of transformers' `CLIPModel`.
#[derive(Clone, Debug, Module)]
struct ClipModel {
    #[module(flatten)]
    text: ClipTextModel,
    #[module(flatten)]
    vision: ClipVisionModel,
    logit_scale: Param,
}

/// The two towers in training.
pub struct Clip {
    config: ClipConfig,
    data: Dataset,
    order: Order,
    tokenizer: Tokenizer,
    model: ClipModel,
    /// If steps are computed in parts.
    cached: Option<Cached>,
}

impl Clip {
    /// Trains the tokenizer and builds the towers.
    pub fn new(mut config: ClipConfig, data: Dataset) -> Result<Self, TrainError> {
        refuse(&config.data, "the image tower looks at squares")?;
        let ClipTask { vocab_size, model_max_length } = config.task;
        if vocab_size < 514 || model_max_length < 3 {
            return Err(TrainError::Data(
                "`task.vocab_size` must be at least 514 and `task.model_max_length` at least 3"
                    .into(),
            ));
        }
        let captions = tokenizer_captions(&data.train, config.run.seed);
        let captions = captions.iter().map(String::as_str);
        let tokenizer = Tokenizer::train(captions, vocab_size, model_max_length);
        let [start, end, pad] = tokenizer.special_ids();
        let ClipNetworks { text, vision } = &mut config.model;
        text.vocab_size = tokenizer.max_id() as usize + 1;
        text.max_position_embeddings = model_max_length;
        (text.bos_token_id, text.eos_token_id, text.pad_token_id) = (start, end, pad);
        text.validate().and_then(|()| vision.validate()).map_err(TrainError::Data)?;
        if text.projection_dim != vision.projection_dim || vision.image_size > data.size {
            return Err(TrainError::Data(
                "both towers need the same `projection_dim`, and `image_size` is at most \
                 `data.size`"
                    .into(),
            ));
        }
        let model = ClipModel {
            text: ClipTextModel::with_projection(text),
            vision: ClipVisionModel::new(vision),
            logit_scale: Param::new(&[1], Init::Zeros),
        };
        let order = Order::new(data.train.len(), config.run.seed);
        Ok(Self { config, data, order, tokenizer, model, cached: None })
    }

    /// Directions of the captions and of the pictures, both `[N, P]` and of length 1.
    fn embed(&self, captions: &[String], views: &[View<'_>]) -> (Tensor, Tensor) {
        let ids: Vec<u32> =
            captions.iter().flat_map(|caption| self.tokenizer.encode(caption)).collect();
        let text = self.model.text.forward(&ids, captions.len()).text_embeds;
        let text = text.expect("the text tower was built with a projection");
        let small = self.config.model.vision.image_size;
        let image = self.model.vision.forward(&small_batch(views, self.data.size, small));
        (text.l2_normalize(), image.l2_normalize())
    }
}

/// Several captions of every drawing, and all its tags: what a vocabulary is learned from.
pub(crate) fn tokenizer_captions(drawings: &[Drawing], seed: u64) -> Vec<String> {
    let mut rng = Rng::for_step(seed, u64::MAX);
    let mut all = Vec::with_capacity(drawings.len() * (TOKENIZER_CAPTIONS + 1));
    for drawing in drawings {
        all.push(drawing.tags.join(", "));
        all.extend((0..TOKENIZER_CAPTIONS).map(|_| captions::draw(drawing, &mut rng).0));
    }
    all
}

impl Task for Clip {
    fn name(&self) -> &'static str {
        "clip"
    }

    fn model(&self) -> &dyn Module {
        &self.model
    }

    fn model_mut(&mut self) -> &mut dyn Module {
        &mut self.model
    }

    fn init(&mut self, seed: u64) {
        self.model.init(seed);
        self.model.logit_scale.set(Tensor::full(&[1], FIRST_LOGIT_SCALE));
    }

    /// Every caption is compared with every picture of a step.
    fn fetch(&mut self, step: u64, _: Part) -> Result<(), TrainError> {
        self.data.hold(&self.order.batch(step, self.config.run.batch_size))
    }

    fn loss(&mut self, step: u64, part: Part, rng: &mut Rng) -> StepLoss {
        let batch = self.order.batch(step, self.config.run.batch_size);
        let drawings = batch.iter().map(|&i| &self.data.train[i]);
        let (captions, views): (Vec<String>, Vec<View<'_>>) = drawings
            .map(|drawing| {
                let (caption, colour) = captions::draw(drawing, rng);
                (caption, View::whole(drawing, COLOURS[colour].rgb))
            })
            .unzip();
        let logit_scale = self.model.logit_scale.value();
        let parts = vec![("logit_scale", f64::from(logit_scale.item()))];
        let embed = |part: Part| {
            let range = part.range(views.len());
            self.embed(&captions[range.clone()], &views[range])
        };
        if part == Part::WHOLE {
            let (text, image) = embed(part);
            return StepLoss { loss: contrastive_loss(&text, &image, logit_scale), parts };
        }
        let known = self.cached.as_ref().filter(|cached| cached.step == step);
        let new = known.is_none().then(|| {
            // All processes make all embeddings, so that nobody has to send any.
            let all = (0..part.of).map(|index| embed(Part { index, ..part }));
            Cached::new(step, all, logit_scale)
        });
        let (text, image) = embed(part);
        let cached = new.as_ref().or(known).expect("one of them is there");
        let loss = cached.loss(&text, &image, logit_scale, part);
        if new.is_some() {
            self.cached = new;
        }
        StepLoss { loss, parts }
    }

    fn constrain(&mut self) {
        let scale = &mut self.model.logit_scale;
        if scale.value().item() > LAST_LOGIT_SCALE {
            scale.set(Tensor::full(&[1], LAST_LOGIT_SCALE));
        }
    }

    /// How often a held-out drawing is found by its plain caption among all held-out drawings.
    fn validate(&mut self) -> Figures {
        let drawings = &self.data.validation;
        if drawings.is_empty() {
            return Vec::new();
        }
        let colours = (0..COLOURS.len()).cycle();
        let pairs: Vec<(String, View<'_>)> = drawings
            .iter()
            .zip(colours)
            .map(|(drawing, colour)| {
                (captions::plain(drawing, colour), View::whole(drawing, COLOURS[colour].rgb))
            })
            .collect();
        let (mut texts, mut images) = (Vec::new(), Vec::new());
        for pairs in pairs.chunks(AT_ONCE) {
            let (captions, views): (Vec<String>, Vec<View<'_>>) = pairs.iter().cloned().unzip();
            let (text, image) = self.embed(&captions, &views);
            texts.extend(text.to_vec());
            images.extend(image.to_vec());
        }
        let shape = [pairs.len(), self.config.model.text.projection_dim];
        let similarity = Tensor::new(texts, &shape).linear(&Tensor::new(images, &shape), None);
        let [at_1, at_10] = recalls(&similarity, [1, 10]);
        vec![("recall_at_1", at_1), ("recall_at_10", at_10)]
    }

    fn export(&mut self, folder: &Path) -> Result<(), TrainError> {
        let tokenizer = folder.join("tokenizer");
        fs::create_dir_all(&tokenizer).map_err(TrainError::io(&tokenizer))?;
        self.tokenizer.save(&tokenizer).map_err(TrainError::io(&tokenizer))?;
        let folder = folder.join("text_encoder");
        let mut config = self.model.text.config().clone();
        config.others.insert("architectures".into(), json!(["CLIPTextModelWithProjection"]));
        export::weights(&folder.join("model.safetensors"), &self.model.text)?;
        export::json(&folder.join("config.json"), &config)
    }
}
