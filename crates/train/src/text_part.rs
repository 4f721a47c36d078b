//! The text encoder of a third stage: that of the model folder, one of another folder that stays
//! as it is, or a new one that learns with the U-Net (Rombach et al. 2022, section 4.3.1).

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use aquatint_models::LDMBertConfig;
use aquatint_nn::ModuleExt;
use aquatint_pipeline::{
    ModelConfig, ModelSource, TextEncoder, TextEncoderConfig, Tokenizer, check_vocabulary,
    load_module,
};
use aquatint_tensor::Precision;
use serde::{Deserialize, Serialize};

use crate::clip::tokenizer_captions;
use crate::data::Dataset;
use crate::error::TrainError;
use crate::layouts::Layouts;

/// The section `[model.text]`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TextSection {
    /// A folder with a text encoder and its tokenizer, which stay as they are and are copied: a
    /// model's, or one as transformers writes it. CLIP's text tower, the paper's, or a BERT,
    /// such as the one that `cargo xtask data minilm` fetches.
    pub frozen: Option<PathBuf>,
    /// "ldmbert", the paper's text encoder, for one that begins with drawn weights.
    pub model_type: Option<String>,
    /// Ids of a prompt; 77 for a new one, and as many as it was made for for a frozen one.
    pub model_max_length: Option<usize>,
    /// Whose words a new one reads; "bert" if it is not said, as in the paper.
    pub tokenizer: Option<Words>,
    /// Tokens at most of a vocabulary that is learned from the captions.
    pub vocab_size: Option<usize>,
    /// Transformer layers; 32 in the paper.
    pub encoder_layers: Option<usize>,
    /// Channels of a token; 1280 in the paper.
    pub d_model: Option<usize>,
    /// Channels inside an MLP; four times those of a token if not given.
    pub encoder_ffn_dim: Option<usize>,
    /// Heads of each attention; 8 in the paper.
    pub encoder_attention_heads: Option<usize>,
    /// Channels of each head; 64 in the paper.
    pub head_dim: Option<usize>,
}

/// The key `model.text.tokenizer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Words {
    /// BERT's word pieces: 30,522 of them.
    Bert,
    /// Byte pairs that are learned from the captions.
    Captions,
}

/// Ids of a prompt: 512 is what a BERT's tokenizer says when it means nothing by it.
const LENGTHS: RangeInclusive<usize> = 2..=511;

/// A tokenizer and the text encoder for its ids.
pub struct TextPart {
    /// Text to ids.
    pub tokenizer: Tokenizer,
    /// Ids to context.
    pub text_encoder: TextEncoder,
}

/// Where a folder may have a text encoder, and its tokenizer: as Stable Diffusion's, as the
/// paper's, or by itself.
const LAYOUTS: [[&str; 2]; 3] = [["text_encoder", "tokenizer"], ["bert", "tokenizer"], [".", "."]];

impl TextSection {
    /// Whether it asks for one that begins with drawn weights.
    pub fn is_new(&self) -> bool {
        self.frozen.is_none()
    }

    /// How many ids a prompt of a new one has.
    pub fn length(&self) -> usize {
        self.model_max_length.unwrap_or(LDMBertConfig::default().max_position_embeddings)
    }

    /// Says what is wrong with the section. `learns` is `task.train_text_encoder`.
    pub fn check(&self, learns: bool) -> Result<(), String> {
        let Self { frozen, model_type, vocab_size, .. } = self;
        if let Some(length) = self.model_max_length.filter(|length| !LENGTHS.contains(length)) {
            return Err(format!("`model.text.model_max_length` is {length}, not 2 to 511"));
        }
        if frozen.is_some() {
            let sizes = [self.encoder_layers, self.d_model, self.encoder_ffn_dim];
            let heads = [self.encoder_attention_heads, self.head_dim];
            let new = model_type.is_some()
                || self.tokenizer.is_some()
                || vocab_size.is_some()
                || sizes.iter().chain(&heads).any(Option::is_some);
            if new {
                return Err("`model.text.frozen` names a text encoder that is there: of the \
                            other keys of `[model.text]` only `model_max_length` is for it"
                    .into());
            }
            if learns {
                return Err("`task.train_text_encoder` contradicts `model.text.frozen`; to train \
                            a text encoder that is there, give its model as `task.parts_from`"
                    .into());
            }
            return Ok(());
        }
        match model_type.as_deref() {
            Some("ldmbert") => {}
            Some(other) => {
                return Err(format!(
                    "`model.text.model_type` is {other:?}; it must be \"ldmbert\""
                ));
            }
            None => {
                return Err("`[model.text]` needs `frozen`, the folder of a text encoder, or \
                            `model_type = \"ldmbert\"`, for a new one"
                    .into());
            }
        }
        match (self.tokenizer, *vocab_size) {
            (Some(Words::Captions), None) => {
                return Err("`model.text.vocab_size` is missing: how many tokens to learn from \
                            the captions, at least 514"
                    .into());
            }
            (Some(Words::Captions), Some(size)) if !(514..=1 << 20).contains(&size) => {
                return Err(format!("`model.text.vocab_size` is {size}, not 514 to 1048576"));
            }
            (None | Some(Words::Bert), Some(_)) => {
                return Err("`model.text.vocab_size` is for `tokenizer = \"captions\"`".into());
            }
            _ => {}
        }
        self.ldm_bert(0, 1).validate().map_err(|reason| format!("`[model.text]`: {reason}"))
    }

    /// The new text encoder for so many tokens, with this one for padding.
    fn ldm_bert(&self, pad_token_id: u32, vocab_size: usize) -> LDMBertConfig {
        let paper = LDMBertConfig::default();
        let d_model = self.d_model.unwrap_or(paper.d_model);
        LDMBertConfig {
            vocab_size,
            max_position_embeddings: self.length(),
            encoder_layers: self.encoder_layers.unwrap_or(paper.encoder_layers),
            encoder_ffn_dim: self.encoder_ffn_dim.unwrap_or(d_model.saturating_mul(4)),
            encoder_attention_heads: self
                .encoder_attention_heads
                .unwrap_or(paper.encoder_attention_heads),
            head_dim: self.head_dim.unwrap_or(paper.head_dim),
            d_model,
            pad_token_id,
            ..paper
        }
    }

    /// A new text encoder without weights, and its tokenizer.
    fn made(&self, data: &Dataset, layouts: Option<&Layouts>, seed: u64) -> TextPart {
        let length = self.length();
        let tokenizer = match (layouts, self.tokenizer) {
            (Some(layouts), _) => layouts.tokenizer(length),
            (None, Some(Words::Captions)) => {
                let captions = tokenizer_captions(&data.train, seed);
                let size = self.vocab_size.expect("the section was checked");
                Tokenizer::train(captions.iter().map(String::as_str), size, length)
            }
            _ => Tokenizer::bert().with_max_length(length),
        };
        let rows = tokenizer.max_id() as usize + 1;
        let config = TextEncoderConfig::Bert(self.ldm_bert(tokenizer.special_ids()[2], rows));
        TextPart { text_encoder: TextEncoder::new(&config, false), tokenizer }
    }
}

/// The text encoder that a configuration asks for: of `parts`, the model folder, if it says
/// nothing else.
///
/// # Errors
/// If it is not there, or is not one that we know, or its tokenizer is another one's.
pub fn load(
    section: Option<&TextSection>,
    parts: &Path,
    data: &Dataset,
    layouts: Option<&Layouts>,
    seed: u64,
    dtype: Precision,
) -> Result<TextPart, TrainError> {
    let mut part = match section {
        Some(section) if section.is_new() => section.made(data, layouts, seed),
        section => {
            let given = section.and_then(|section| section.frozen.as_deref());
            let length = section.and_then(|section| section.model_max_length);
            of_folder(given.unwrap_or(parts), given.is_some(), length)?
        }
    };
    part.text_encoder.set_precision(dtype);
    Ok(part)
}

/// The text encoder in a folder, with prompts of another `length` than its tokenizer's if given.
fn of_folder(folder: &Path, given: bool, length: Option<usize>) -> Result<TextPart, TrainError> {
    let source = ModelSource::Folder(folder.to_path_buf());
    let has = |[encoder, tokenizer]: [&str; 2]| {
        source.has(&format!("{encoder}/config.json"))
            && source.has(&format!("{tokenizer}/tokenizer_config.json"))
    };
    let Some([part, words]) = LAYOUTS.into_iter().find(|layout| has(*layout)) else {
        return Err(TrainError::Data(if given {
            format!(
                "{} has no text encoder: neither text_encoder/config.json and \
                 tokenizer/tokenizer_config.json, nor config.json and tokenizer_config.json",
                folder.display()
            )
        } else {
            format!("{} has no tokenizer/vocab.json: train the clip first", folder.display())
        }));
    };
    let failed = |error| TrainError::checkpoint(folder)(error);
    let mut tokenizer = Tokenizer::load(&source, words).map_err(failed)?;
    let config: TextEncoderConfig = source.json(&format!("{part}/config.json")).map_err(failed)?;
    config.validate().map_err(TrainError::Data)?;
    if let Some(length) = length {
        let places = config.max_position_embeddings();
        if length > places {
            return Err(TrainError::Data(format!(
                "`model.text.model_max_length` is {length}, but the text encoder in {} reads \
                 {places} ids only",
                folder.display()
            )));
        }
        tokenizer = tokenizer.with_max_length(length);
    }
    let model = ModelConfig { text_encoder: config, ..Default::default() };
    check_vocabulary(&source, &tokenizer, &model).map_err(failed)?;
    let weights = source.weights(&format!("{part}/model.safetensors")).map_err(failed)?;
    let names = ["text_projection.weight", "pooler.dense.weight"];
    let projected = names.into_iter().any(|name| weights.shape(name).is_some());
    let mut text_encoder = TextEncoder::new(&model.text_encoder, projected);
    load_module(&mut text_encoder, &weights).map_err(TrainError::checkpoint(folder))?;
    Ok(TextPart { tokenizer, text_encoder })
}
