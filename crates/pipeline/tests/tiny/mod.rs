//! A model small enough to be made on the spot.

#![allow(dead_code, reason = "not every test file needs everything")]

use aquatint_models::{
    AutoencoderKLConfig, ClipTextConfig, ClipTextModel, PerBlock, UNet2DConditionModel,
};
use aquatint_nn::ModuleExt;
use aquatint_pipeline::{
    Autoencoder, AutoencoderConfig, Components, ModelConfig, SecondEncoder, TextEncoder,
    TextEncoderConfig, Tokenizer,
};

/// Random weights: 64×64 pictures of nothing, from 8×8 latents.
pub fn tiny_components() -> Components {
    let captions = ["noto emoji of cat, blue background", "fluent emoji of dog, red background"];
    let tokenizer = Tokenizer::train(captions, 530, 16);
    let [start, end, pad] = tokenizer.special_ids();
    let strings = |name: &str, count| vec![name.to_owned(); count];

    let mut config = ModelConfig::default();
    let mut text = ClipTextConfig::default();
    (text.vocab_size, text.max_position_embeddings) = (tokenizer.vocab_size(), 16);
    (text.hidden_size, text.intermediate_size, text.projection_dim) = (16, 32, 16);
    (text.num_hidden_layers, text.num_attention_heads) = (1, 2);
    (text.bos_token_id, text.eos_token_id, text.pad_token_id) = (start, end, pad);

    config.text_encoder = TextEncoderConfig::Clip(text);

    let unet = &mut config.unet;
    unet.sample_size = Some(PerBlock::Same(8));
    unet.block_out_channels = vec![16, 32];
    unet.down_block_types = vec!["CrossAttnDownBlock2D".into(), "DownBlock2D".into()];
    unet.up_block_types = vec!["UpBlock2D".into(), "CrossAttnUpBlock2D".into()];
    (unet.layers_per_block, unet.attention_head_dim) = (PerBlock::Same(1), PerBlock::Same(2));
    (unet.norm_num_groups, unet.cross_attention_dim) = (8, 16);

    let vae = AutoencoderKLConfig {
        sample_size: Some(PerBlock::Same(64)),
        block_out_channels: vec![8, 8, 8, 8],
        down_block_types: strings("DownEncoderBlock2D", 4),
        up_block_types: strings("UpDecoderBlock2D", 4),
        norm_num_groups: 4,
        ..Default::default()
    };
    config.vae = AutoencoderConfig::Kl(vae);

    // What diffusers' pipeline insists on.
    config.scheduler.steps_offset = 1;

    let mut text_encoder = TextEncoder::new(&config.text_encoder, false);
    let mut unet = UNet2DConditionModel::new(&config.unet);
    let mut vae = Autoencoder::new(&config.vae);
    text_encoder.init(1);
    unet.init(2);
    vae.init(3);
    Components { tokenizer, text_encoder, second_encoder: None, unet, vae, config }
}

/// The same built as SDXL: a second text encoder, and linear layers around attention.
pub fn tiny_xl() -> Components {
    let mut model = tiny_components();
    let TextEncoderConfig::Clip(text) = &model.config.text_encoder else { unreachable!() };
    let text = ClipTextConfig { hidden_act: "gelu".into(), num_hidden_layers: 2, ..text.clone() };
    let mut text_encoder = ClipTextModel::with_projection(&text);
    text_encoder.init(4);
    model.config.text_encoder_2 = Some(text);
    let tokenizer = model.tokenizer.clone();
    model.second_encoder = Some(SecondEncoder { tokenizer, text_encoder });

    let unet = &mut model.config.unet;
    (unet.cross_attention_dim, unet.use_linear_projection) = (32, true);
    unet.transformer_layers_per_block = PerBlock::Same(2);
    unet.addition_embed_type = Some("text_time".into());
    unet.addition_time_embed_dim = Some(8);
    unet.projection_class_embeddings_input_dim = Some(6 * 8 + 16);
    model.unet = UNet2DConditionModel::new(unet);
    model.unet.init(2);
    model
}

/// The same as a model for in-painting, whose U-Net sees a mask and a picture beside the latents.
pub fn tiny_inpainting() -> Components {
    let mut model = tiny_components();
    model.config.unet.in_channels = 9;
    model.unet = UNet2DConditionModel::new(&model.config.unet);
    model.unet.init(2);
    model
}
