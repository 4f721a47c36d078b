//! Where the parts of a model come from, whoever holds them.

use std::borrow::Cow;

use aquatint_models::unet::{Shortcuts, UNetConditions};
use aquatint_models::{ClassEmbedder, Context, UNet2DConditionModel, UNet2DModel};
use aquatint_tensor::Tensor;

use crate::autoencoder::Autoencoder;
use crate::lora::LoraUse;
use crate::prompt::{self, Encoded, PromptEmbeds};
use crate::{Classes, Components, GenerateRequest, ModelError, Outline, TextEncoders};

/// A model whose parts are asked for one after the other, each when its stage comes and for as
/// long as the stage takes: [`Components`] lend what they hold, [`Stages`](crate::Stages) load a
/// part when it is asked for.
pub trait Model: Send + Sync {
    /// What a request has to know.
    fn outline(&self) -> Outline;

    /// The LoRAs that its weights are changed by, in the order they were given in, where the model
    /// knows.
    fn loras(&self) -> &[LoraUse] {
        &[]
    }

    /// What makes the U-Net's conditions of a request.
    ///
    /// # Errors
    /// If its weights cannot be read.
    fn conditioner(&self) -> Result<Conditioner<'_>, ModelError>;

    /// What predicts.
    ///
    /// # Errors
    /// If its weights cannot be read.
    fn network(&self) -> Result<Network<'_>, ModelError>;

    /// Pictures to latents. It may be unable to do more.
    ///
    /// # Errors
    /// If its weights cannot be read.
    fn encoder(&self) -> Result<Autoencoder<'_>, ModelError>;

    /// Latents to pictures. It may be unable to do more.
    ///
    /// # Errors
    /// If its weights cannot be read.
    fn decoder(&self) -> Result<Autoencoder<'_>, ModelError>;
}

/// What makes the U-Net's conditions of a request.
pub enum Conditioner<'a> {
    /// Text encoders that somebody holds.
    Lent(&'a Components),
    /// Text encoders that are dropped with this.
    Loaded(Box<TextEncoders>),
    /// Classes, which the U-Net knows by number.
    Classes(Classes),
    /// Classes as words.
    Embedder(Box<ClassEmbedder>, Classes),
    /// There are none.
    Nothing,
}

/// What the U-Net is told about a request.
#[derive(Clone)]
pub enum Told {
    /// What the text encoders say.
    Words(Box<PromptEmbeds>),
    /// The number of a class, and the one that stands for no class if there is one.
    Class {
        /// The class that is asked for.
        class: usize,
        /// What to be guided away from.
        none: Option<usize>,
    },
    /// Nothing.
    Nothing,
}

impl Told {
    /// What it is told about a batch of pictures, each of another request; nothing if that cannot be
    /// told at once.
    pub(crate) fn joined(rows: &[&Self]) -> Option<Self> {
        match rows[0] {
            Self::Words(_) => {
                let words = rows.iter().map(|row| match row {
                    Self::Words(embeds) => Some(&**embeds),
                    Self::Class { .. } | Self::Nothing => None,
                });
                let joined = PromptEmbeds::joined(&words.collect::<Option<Vec<_>>>()?);
                joined.map(|joined| Self::Words(Box::new(joined)))
            }
            Self::Class { class, none } => {
                let same = |row: &&Self| matches!(row, Self::Class { class: c, .. } if c == class);
                let told = || Self::Class { class: *class, none: *none };
                rows.iter().all(same).then(told)
            }
            Self::Nothing => Some(Self::Nothing),
        }
    }
}

impl Conditioner<'_> {
    /// What the U-Net is told about a request.
    pub fn told(&self, request: &GenerateRequest) -> Told {
        match self {
            Self::Lent(components) => {
                Told::Words(Box::new(prompt::encode_prompt(components, request)))
            }
            Self::Loaded(encoders) => Told::Words(Box::new(encoders.encode_prompt(request))),
            Self::Classes(classes) => {
                Told::Class { class: number(classes, request), none: classes.none }
            }
            Self::Embedder(embedder, classes) => {
                let encoded = |class: usize| Encoded {
                    context: embedder.forward(&[class as u32]),
                    pooled: None,
                };
                let class = number(classes, request);
                let negative = encoded(classes.none.unwrap_or(class));
                Told::Words(Box::new(PromptEmbeds::new(encoded(class), negative)))
            }
            Self::Nothing => Told::Nothing,
        }
    }
}

/// The class that a request asks for.
fn number(classes: &Classes, request: &GenerateRequest) -> usize {
    let class = request.class.as_deref().unwrap_or_default();
    classes.find(class).expect("a request without a known class was refused")
}

/// A U-Net of either kind.
#[allow(clippy::large_enum_variant, reason = "there is one at a time")]
pub enum Network<'a> {
    /// One with a context.
    Conditioned(Cow<'a, UNet2DConditionModel>),
    /// One without.
    Plain(Cow<'a, UNet2DModel>),
}

impl Network<'_> {
    /// xt `[N, h, w, in_channels]` at `timesteps` `[N]` → the prediction.
    ///
    /// # Panics
    /// If there is no context for a U-Net that has one.
    #[track_caller]
    pub fn predict(
        &self,
        xt: &Tensor,
        timesteps: &[f32],
        context: Option<&Context>,
        conditions: &UNetConditions,
        shortcuts: Shortcuts<'_>,
    ) -> Tensor {
        match self {
            Self::Conditioned(unet) => {
                let context = context.expect("whoever has such a U-Net was told something");
                let look = &mut |_: &str, _: &Tensor| {};
                unet.forward_shortened(xt, timesteps, context, conditions, shortcuts, look)
            }
            Self::Plain(unet) => unet.forward(xt, timesteps, conditions.class_labels.as_ref()),
        }
    }
}
