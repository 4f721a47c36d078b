//! Textual-inversion embeddings (Gal et al. 2022, arXiv:2208.01618): words that a text encoder
//! learned later, in files of their own.
//!
//! | written by | tensors of the file |
//! |---|---|
//! | web UI, the authors | `string_to_param` → one |
//! | diffusers | one, called by its word: `<cat-toy>` |
//! | kohya | `emb_params` |
//! | for SDXL | `clip_l` and `clip_g` |

use std::path::Path;

use aquatint_checkpoint::{LoadError, Weights};
use aquatint_tensor::Tensor;

use crate::text_encoder::{TextEncoder, TextEncoderConfig};
use crate::{ModelConfig, Tokenizer};

/// A word and what the text encoders are told in its place.
#[derive(Clone, Debug)]
pub struct Embedding {
    file: String,
    /// Spellings: the name of the file, and the word that diffusers wrote into it.
    names: Vec<String>,
    /// For the first text encoder. `[n, D]`
    first: Tensor,
    /// For the second one of SDXL. `[n, D]`
    second: Option<Tensor>,
}

/// Why an embedding cannot be used: one sentence each.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddingError {
    /// The file cannot be read.
    #[error(transparent)]
    Weights(#[from] LoadError),
    /// It is something else.
    #[error("{file} is no textual-inversion embedding: {reason}")]
    NoEmbedding {
        /// The file.
        file: String,
        /// What it has, or lacks.
        reason: String,
    },
    /// It was made for a model of another family.
    #[error("{file} is an embedding for {made_for}, but the text encoder of this model is {model}")]
    OtherModel {
        /// The file.
        file: String,
        /// The family that it was made for, and its channels.
        made_for: String,
        /// This one, and its channels.
        model: String,
    },
    /// It has more vectors than the text encoder reads at once.
    #[error("{file} has {vectors} vectors, but the text encoder reads {room} tokens at once")]
    TooLong {
        /// The file.
        file: String,
        /// How many it has.
        vectors: usize,
        /// How many could be read.
        room: usize,
    },
}

impl Embedding {
    /// Reads a file, of which nothing is executed. Its word is its name without the ending; if
    /// diffusers wrote it, the word that it has in there too.
    ///
    /// # Errors
    /// If it cannot be read or is no embedding.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, EmbeddingError> {
        let path = path.as_ref();
        let weights = Weights::open(path)?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Self::of(&weights, stem)
    }

    fn of(weights: &Weights, stem: String) -> Result<Self, EmbeddingError> {
        let file = weights.file().to_owned();
        let wrong = |reason: String| EmbeddingError::NoEmbedding { file: file.clone(), reason };
        let vectors = |name: &str| -> Result<Tensor, EmbeddingError> {
            let tensor = weights.get(name)?;
            let shape = match *tensor.shape() {
                [d] if d > 0 => [1, d],
                [n, d] if n > 0 && d > 0 => [n, d],
                ref other => return Err(wrong(format!("its `{name}` has the shape {other:?}"))),
            };
            match tensor.finite() {
                true => Ok(tensor.reshape(&shape)),
                false => Err(wrong(format!("its `{name}` has numbers that are not finite"))),
            }
        };
        let names: Vec<&str> = weights.names().collect();
        let param = |name: &&str| name.strip_prefix("string_to_param.").is_some();
        let params: Vec<&str> = names.iter().copied().filter(param).collect();
        let (first, second, written) = match (params.as_slice(), names.as_slice()) {
            _ if names.contains(&"clip_l") && names.contains(&"clip_g") => {
                (vectors("clip_l")?, Some(vectors("clip_g")?), None)
            }
            ([name], _) => (vectors(name)?, None, None),
            ([], ["emb_params" | "clip_l" | "clip_g"]) => (vectors(names[0])?, None, None),
            ([], [name]) => (vectors(name)?, None, Some((*name).to_owned())),
            ([], []) => return Err(wrong("there are no tensors in it".into())),
            _ => {
                let first = names[..2].join("` and `");
                let reason = format!("it has {} tensors, `{first}` among them", names.len());
                return Err(wrong(reason));
            }
        };
        if let Some(second) = second.as_ref().filter(|second| second.dim(0) != first.dim(0)) {
            let (l, g) = (first.dim(0), second.dim(0));
            return Err(wrong(format!(
                "it has {l} vectors for one text encoder and {g} for the other"
            )));
        }
        // `*` is what the web UI calls it in every file.
        let written = written.filter(|name| *name != stem && name != "*");
        Ok(Self { file, names: std::iter::once(stem).chain(written).collect(), first, second })
    }

    /// How it may be spelled in a prompt.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Its vectors for each text encoder, `[n, D]`.
    pub fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        std::iter::once(&self.first).chain(&self.second)
    }

    /// How many tokens it takes.
    pub fn vectors(&self) -> usize {
        self.first.dim(0)
    }

    /// Says whether the text encoders of a model understand it.
    ///
    /// # Errors
    /// If it was made for another family of models, or is too long.
    pub fn check(&self, model: &ModelConfig) -> Result<(), EmbeddingError> {
        let own: Vec<usize> = self.tensors().map(Tensor::channels).collect();
        let bert = !matches!(model.text_encoder, TextEncoderConfig::Clip(_));
        let mut wanted = vec![model.text_encoder.hidden_size()];
        wanted.extend(model.text_encoder_2.as_ref().map(|second| second.hidden_size));
        if own != wanted || bert {
            let model = match bert {
                true => "BERT's, which learns no words here".into(),
                false => match family(&wanted) {
                    known if known.starts_with("a ") => known,
                    known => format!("that of {known}"),
                },
            };
            let file = self.file.clone();
            return Err(EmbeddingError::OtherModel { file, made_for: family(&own), model });
        }
        let room = model.text_encoder.max_position_embeddings().saturating_sub(2);
        match self.vectors() {
            vectors if vectors > room => {
                Err(EmbeddingError::TooLong { file: self.file.clone(), vectors, room })
            }
            _ => Ok(()),
        }
    }

    /// Teaches it to the first text encoder.
    ///
    /// # Panics
    /// If [`Embedding::check`] finds an error.
    #[track_caller]
    pub(crate) fn teach_first(&self, tokenizer: &mut Tokenizer, text_encoder: &mut TextEncoder) {
        let TextEncoder::Clip(model) = text_encoder else { panic!("BERT learns no words") };
        self.teach(tokenizer, model.add_tokens(&self.first));
    }

    /// Teaches it to SDXL's second text encoder.
    #[track_caller]
    pub(crate) fn teach_second(&self, encoder: &mut crate::SecondEncoder) {
        let second = self.second.as_ref().expect("checked");
        let ids = encoder.text_encoder.add_tokens(second);
        self.teach(&mut encoder.tokenizer, ids);
    }

    fn teach(&self, tokenizer: &mut Tokenizer, ids: std::ops::Range<u32>) {
        let ids: Vec<u32> = ids.collect();
        self.names.iter().for_each(|name| tokenizer.add_word(name, ids.clone()));
    }
}

/// The models whose text encoders have so many channels.
fn family(channels: &[usize]) -> String {
    let name = match channels {
        [768] => "Stable Diffusion 1",
        [1024] => "Stable Diffusion 2",
        [768, 1280] => "SDXL",
        _ => "",
    };
    let channels: Vec<String> = channels.iter().map(usize::to_string).collect();
    let channels = channels.join(" and ");
    match name {
        "" => format!("a text encoder of {channels} channels"),
        name => format!("{name} ({channels} channels)"),
    }
}
