//! A model of which one part at a time is in memory: for a command that makes its pictures and
//! ends. What makes pictures again and again keeps all [`Components`](crate::Components).

use std::borrow::Cow;

use aquatint_models::{AutoencoderKL, ClipTextModel, UNet2DConditionModel};

use crate::autoencoder::Autoencoder;
use crate::components::{
    SecondEncoder, TOKENIZER, TOKENIZER_2, check_vocabulary, shipped_tokenizer,
};
use crate::lora::{Adapters, LoraUse, parameters};
use crate::model::{Conditioner, Model, Network};
use crate::outline::Outline;
use crate::parts::Parts;
use crate::prompt::{Encoded, PromptEmbeds, Reader};
use crate::text_encoder::{TextEncoder, TextEncoderConfig};
use crate::{
    Embedding, GenerateRequest, LoadOptions, ModelConfig, ModelError, ModelSource, Tokenizer, int8,
};

/// A model whose parts are loaded when their stage comes, and dropped by whoever asked for them.
pub struct Stages<'a> {
    parts: Parts<'a>,
    config: ModelConfig,
    projected: bool,
    tokenizer: Tokenizer,
    second_tokenizer: Option<Tokenizer>,
    embeddings: Vec<Embedding>,
    adapters: Adapters,
}

/// What reads a prompt.
#[derive(Clone, Debug)]
pub struct TextEncoders {
    /// Text to ids.
    pub tokenizer: Tokenizer,
    /// Ids to context.
    pub text_encoder: TextEncoder,
    /// SDXL's second reading of the prompt.
    pub second_encoder: Option<SecondEncoder>,
    zeros_for_empty_prompt: bool,
}

impl<'a> Stages<'a> {
    /// Looks at everything that is known of the model without reading its numbers, so that no part
    /// turns out to be missing after the others have worked for a while.
    ///
    /// # Errors
    /// If a part is missing, damaged, or does not fit the others.
    pub fn open(source: &'a ModelSource, options: &'a LoadOptions) -> Result<Self, ModelError> {
        let (config, parts) = (ModelConfig::read(source)?, Parts { source, options });
        let tokenizer = tokenizer(source, TOKENIZER, &config.text_encoder)?;
        check_vocabulary(source, &tokenizer, &config)?;
        let second = config.text_encoder_2.clone().map(TextEncoderConfig::Clip);
        let second_tokenizer =
            second.map(|config| self::tokenizer(source, TOKENIZER_2, &config)).transpose()?;
        let projected = parts.has_projection(config.text_encoder_part())?;
        let embeddings = options.embeddings.iter().map(|file| {
            let embedding = Embedding::open(file)?;
            embedding.check(&config)?;
            Ok::<_, ModelError>(embedding)
        });
        let embeddings = embeddings.collect::<Result<_, _>>()?;
        let adapters = Adapters::default();
        let mut stages =
            Self { parts, config, projected, tokenizer, second_tokenizer, embeddings, adapters };
        let Self { parts, config, .. } = &stages;
        let (text_encoder, part) = (stages.text_encoder(), config.text_encoder_part());
        parts.check(part, &text_encoder)?;
        let mut changeable = vec![(part, parameters(&text_encoder))];
        if let Some(second) = &config.text_encoder_2 {
            let second = ClipTextModel::with_projection(second);
            parts.check("text_encoder_2", &second)?;
            changeable.push(("text_encoder_2", parameters(&second)));
        }
        let unet = UNet2DConditionModel::new(&config.unet);
        parts.check("unet", &unet)?;
        changeable.push(("unet", parameters(&unet)));
        config.vae.check(parts, config.vae_part())?;
        stages.adapters = Adapters::open(source, options, &changeable)?;
        Ok(stages)
    }

    /// The configurations of all parts, and the noise schedule.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The LoRAs that its weights are changed by, in the order they were given in.
    pub fn loras(&self) -> &[LoraUse] {
        self.adapters.uses()
    }

    pub(crate) fn into_config(self) -> ModelConfig {
        self.config
    }

    /// The first stage's part: words to context.
    ///
    /// # Errors
    /// If its weights cannot be read any more.
    pub fn text_encoders(&self) -> Result<TextEncoders, ModelError> {
        let Self { parts, config, tokenizer, .. } = self;
        let mut text_encoder = self.text_encoder();
        parts.fill_adapted(config.text_encoder_part(), &mut text_encoder, &self.adapters)?;
        let mut second_encoder = None;
        if let (Some(config), Some(tokenizer)) = (&config.text_encoder_2, &self.second_tokenizer) {
            let mut text_encoder = ClipTextModel::with_projection(config);
            parts.fill_adapted("text_encoder_2", &mut text_encoder, &self.adapters)?;
            second_encoder = Some(SecondEncoder { tokenizer: tokenizer.clone(), text_encoder });
        }
        let mut tokenizer = tokenizer.clone();
        for embedding in &self.embeddings {
            embedding.teach_first(&mut tokenizer, &mut text_encoder);
            second_encoder.iter_mut().for_each(|second| embedding.teach_second(second));
        }
        let zeros_for_empty_prompt = config.zeros_for_empty_prompt;
        Ok(TextEncoders { tokenizer, text_encoder, second_encoder, zeros_for_empty_prompt })
    }

    /// The second stage's part: noise to latents.
    ///
    /// # Errors
    /// If its weights cannot be read any more.
    pub fn unet(&self) -> Result<UNet2DConditionModel, ModelError> {
        let mut unet = UNet2DConditionModel::new(&self.config.unet);
        if self.parts.options.int8 {
            int8::choose(&mut unet);
        }
        self.parts.fill_adapted("unet", &mut unet, &self.adapters)?;
        Ok(unet)
    }

    /// Latents to pictures and back.
    ///
    /// # Errors
    /// If its weights cannot be read any more.
    pub fn vae(&self) -> Result<Autoencoder<'static>, ModelError> {
        self.config.vae.load(&self.parts, self.config.vae_part(), &|_| true)
    }

    /// The third stage's part: an autoencoder that can decode only, because its other half was
    /// not loaded.
    ///
    /// # Errors
    /// If its weights cannot be read any more.
    pub fn decoder(&self) -> Result<Autoencoder<'static>, ModelError> {
        let wanted = |name: &str| !AutoencoderKL::encodes(name);
        self.config.vae.load(&self.parts, self.config.vae_part(), &wanted)
    }

    fn text_encoder(&self) -> TextEncoder {
        TextEncoder::new(&self.config.text_encoder, self.projected)
    }
}

impl Model for Stages<'_> {
    fn loras(&self) -> &[LoraUse] {
        self.loras()
    }

    fn outline(&self) -> Outline {
        self.config.outline()
    }

    fn conditioner(&self) -> Result<Conditioner<'_>, ModelError> {
        Ok(Conditioner::Loaded(Box::new(self.text_encoders()?)))
    }

    fn network(&self) -> Result<Network<'_>, ModelError> {
        Ok(Network::Conditioned(Cow::Owned(self.unet()?)))
    }

    fn encoder(&self) -> Result<Autoencoder<'_>, ModelError> {
        self.config.vae.load(&self.parts, self.config.vae_part(), &AutoencoderKL::encodes)
    }

    fn decoder(&self) -> Result<Autoencoder<'_>, ModelError> {
        Stages::decoder(self)
    }
}

/// The tokenizer in `folder` of the model, or, for a file that has none, the one that its text
/// encoder was trained with.
fn tokenizer(
    source: &ModelSource,
    folder: &str,
    encoder: &TextEncoderConfig,
) -> Result<Tokenizer, ModelError> {
    match source {
        ModelSource::File(_) if !source.has(&format!("{folder}/tokenizer_config.json")) => {
            Ok(shipped_tokenizer(encoder))
        }
        _ => Ok(Tokenizer::load(source, folder)?),
    }
}

impl TextEncoders {
    /// What the text encoders say about a request.
    pub fn encode_prompt(&self, request: &GenerateRequest) -> PromptEmbeds {
        self.reader().request(request)
    }

    /// What they say about one text, every character as it stands; what is too long is cut.
    pub fn encode(&self, text: &str) -> Encoded {
        self.reader().literally(text)
    }

    fn reader(&self) -> Reader<'_> {
        let Self { tokenizer, text_encoder, second_encoder, zeros_for_empty_prompt } = self;
        let (second_encoder, zeros_for_empty_prompt) =
            (second_encoder.as_ref(), *zeros_for_empty_prompt);
        Reader { tokenizer, text_encoder, second_encoder, zeros_for_empty_prompt }
    }
}
