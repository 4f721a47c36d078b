//! CLIP's vision tower (Radford et al. 2021, section 2.4; Dosovitskiy et al. 2021).

use aquatint_nn::{Bias, Conv2d, Init, LayerNorm, Linear, Module, Param};
use aquatint_tensor::{Conv2dOptions, Mask, Tensor};
use serde::{Deserialize, Serialize};

use crate::clip_encoder::{Activation, ClipEncoder, Size};
use crate::config::{MOST_CHANNELS, OtherKeys, check_sizes};

/// transformers' `CLIPVisionConfig`, with its key names and defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClipVisionConfig {
    /// `"clip_vision_model"`.
    pub model_type: String,
    /// Channels of a patch.
    pub hidden_size: usize,
    /// Channels inside an MLP.
    pub intermediate_size: usize,
    /// Channels of the picture's embedding.
    pub projection_dim: usize,
    /// Transformer layers.
    pub num_hidden_layers: usize,
    /// Heads of each attention.
    pub num_attention_heads: usize,
    /// Channels of a picture.
    pub num_channels: usize,
    /// Height and width of a picture.
    pub image_size: usize,
    /// Height and width of a patch.
    pub patch_size: usize,
    /// `"quick_gelu"` or `"gelu"`.
    pub hidden_act: String,
    /// ε of every normalization.
    pub layer_norm_eps: f32,
    /// Scales the tables at the beginning of a training.
    pub initializer_range: f32,
    /// Scales all weights at the beginning of a training.
    pub initializer_factor: f32,
    /// Everything else in the file.
    #[serde(flatten)]
    pub others: OtherKeys,
}

impl Default for ClipVisionConfig {
    fn default() -> Self {
        Self {
            model_type: "clip_vision_model".into(),
            hidden_size: 768,
            intermediate_size: 3072,
            projection_dim: 512,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            num_channels: 3,
            image_size: 224,
            patch_size: 32,
            hidden_act: "quick_gelu".into(),
            layer_norm_eps: 1e-5,
            initializer_range: 0.02,
            initializer_factor: 1.0,
            others: OtherKeys::new(),
        }
    }
}

impl ClipVisionConfig {
    fn size(&self) -> Result<Size, String> {
        Ok(Size {
            hidden: self.hidden_size,
            intermediate: self.intermediate_size,
            layers: self.num_hidden_layers,
            heads: self.num_attention_heads,
            eps: self.layer_norm_eps,
            factor: self.initializer_factor,
            activation: Activation::parse(&self.hidden_act)?,
        })
    }

    /// Patches of a picture.
    fn patches(&self) -> usize {
        (self.image_size / self.patch_size).pow(2)
    }

    /// Tells what we cannot build.
    ///
    /// # Errors
    /// A sentence that names the key.
    pub fn validate(&self) -> Result<(), String> {
        check_sizes(
            MOST_CHANNELS,
            &[
                ("num_channels", self.num_channels),
                ("image_size", self.image_size),
                ("patch_size", self.patch_size),
                ("projection_dim", self.projection_dim),
            ],
        )?;
        if self.image_size < self.patch_size {
            return Err(format!(
                "image_size {} is smaller than patch_size {}",
                self.image_size, self.patch_size
            ));
        }
        self.size()?.validate()
    }
}

#[derive(Clone, Debug, Module)]
struct ClipVisionEmbeddings {
    class_embedding: Param,
    patch_embedding: Conv2d,
    #[module(name = "position_embedding.weight")]
    position_embedding: Param,
}

#[derive(Clone, Debug, Module)]
struct ClipVisionTransformer {
    embeddings: ClipVisionEmbeddings,
    // The missing letters are missing in every checkpoint.
    pre_layrnorm: LayerNorm,
    encoder: ClipEncoder,
    post_layernorm: LayerNorm,
}

/// CLIP's vision tower with its projection (transformers' `CLIPVisionModelWithProjection`).
#[derive(Clone, Debug, Module)]
pub struct ClipVisionModel {
    vision_model: ClipVisionTransformer,
    visual_projection: Linear,
    #[module(skip)]
    config: ClipVisionConfig,
}

impl ClipVisionModel {
    /// The tower without its weights.
    ///
    /// # Panics
    /// If [`ClipVisionConfig::validate`] finds an error.
    #[track_caller]
    pub fn new(config: &ClipVisionConfig) -> Self {
        let size = match config.validate().and_then(|()| config.size()) {
            Ok(size) => size,
            Err(error) => panic!("image encoder configuration: {error}"),
        };
        let (hidden, patch) = (size.hidden, config.patch_size);
        let table = Init::Normal(config.initializer_range * size.factor);
        let options = Conv2dOptions { stride: patch, padding: [0; 4] };
        let embeddings = ClipVisionEmbeddings {
            class_embedding: Param::new(&[hidden], Init::Normal(size.out_std())),
            patch_embedding: Conv2d::new(config.num_channels, hidden, patch, options)
                .without_bias()
                .with_init(table),
            position_embedding: Param::new(&[config.patches() + 1, hidden], table),
        };
        Self {
            vision_model: ClipVisionTransformer {
                embeddings,
                pre_layrnorm: LayerNorm::new(hidden, size.eps),
                encoder: ClipEncoder::new(&size),
                post_layernorm: LayerNorm::new(hidden, size.eps),
            },
            visual_projection: Linear::new(hidden, config.projection_dim, Bias::No)
                .with_init(Init::Normal(size.out_std())),
            config: config.clone(),
        }
    }

    /// What it was built from.
    pub fn config(&self) -> &ClipVisionConfig {
        &self.config
    }

    /// pixels `[N, image_size, image_size, num_channels]`, normalized by CLIP's mean and standard
    /// deviation → `[N, projection_dim]` in the space shared with texts.
    #[track_caller]
    pub fn forward(&self, pixels: &Tensor) -> Tensor {
        let ClipVisionConfig { image_size, num_channels, hidden_size, .. } = self.config;
        let n = pixels.shape().first().copied().unwrap_or(0);
        assert_eq!(
            pixels.shape(),
            [n, image_size, image_size, num_channels],
            "image encoder: pixels do not have the configured size"
        );
        let ClipVisionTransformer { embeddings, pre_layrnorm, encoder, post_layernorm } =
            &self.vision_model;
        let patches = embeddings.patch_embedding.forward(pixels);
        let class = embeddings.class_embedding.value().reshape(&[1, hidden_size]);
        let class = class.select_rows(&vec![0; n]);
        let count = self.config.patches();
        // One token more in front of each picture's patches, as channels of one long row.
        let x = Tensor::cat([&class, &patches.reshape(&[n, count * hidden_size])]);
        let x = x.reshape(&[n, count + 1, hidden_size]);
        let x = pre_layrnorm.forward(&x.add_row(embeddings.position_embedding.value()));
        let x = encoder.forward(&x, Mask::None, &mut |_, _| {});
        let class = x.reshape(&[n, (count + 1) * hidden_size]).narrow(0, hidden_size);
        self.visual_projection.forward(&post_layernorm.forward(&class))
    }
}
