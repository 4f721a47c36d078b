//! The autoencoder against diffusers, and on its own.

mod common;

use aquatint_models::{AutoencoderKL, AutoencoderKLConfig};
use aquatint_nn::ModuleExt;
use aquatint_tensor::{Rng, Tensor};
use common::{Golden, fill, input, numbers};

#[test]
fn stages_and_gradients_agree_with_diffusers() {
    let mut golden = Golden::open("vae_tiny");
    let config: AutoencoderKLConfig = golden.config();
    let mut model = AutoencoderKL::new(&config);
    fill(&mut model);
    model.track();
    let image = input("image", &numbers::<usize>(&golden.inputs()["image"])).from_nchw();
    let posterior = model.encode_with(&image, &mut |stage, x| golden.check(stage, x));
    golden.check("mean", &posterior.mean);
    golden.check("logvar", &posterior.logvar);
    let decoded = model.decode_with(&posterior.mode(), &mut |stage, x| golden.check(stage, x));
    golden.check("decoded", &decoded);
    let loss = decoded.sub(&image).abs().mean();
    let value = loss.item();
    let grads = loss.backward();
    let parameters = model.named_parameters();
    golden.check_grads(value, &grads, |name| {
        parameters.iter().find(|(n, _)| n == name).map(|(_, param)| param.value())
    });
    golden.assert_all_seen();
}

#[test]
fn attention_at_a_resolution_agrees_with_diffusers() {
    let mut golden = Golden::open("vae_tiny_attention");
    let config: AutoencoderKLConfig = golden.config();
    assert_eq!(config.shift_factor, Some(0.0609));
    let mut model = AutoencoderKL::new(&config);
    fill(&mut model);
    model.track();
    let image = input("image", &numbers::<usize>(&golden.inputs()["image"])).from_nchw();
    let mean = model.encode_with(&image, &mut |stage, x| golden.check(stage, x)).mode();
    let decoded = model.decode_with(&mean, &mut |stage, x| golden.check(stage, x));
    golden.check("decoded", &decoded);
    let loss = decoded.sub(&image).abs().mean();
    let value = loss.item();
    let grads = loss.backward();
    let parameters = model.named_parameters();
    golden.check_grads(value, &grads, |name| {
        parameters.iter().find(|(n, _)| n == name).map(|(_, param)| param.value())
    });
    golden.assert_all_seen();
}

fn tiny() -> AutoencoderKLConfig {
    AutoencoderKLConfig {
        down_block_types: vec!["DownEncoderBlock2D".into(); 3],
        up_block_types: vec!["UpDecoderBlock2D".into(); 3],
        block_out_channels: vec![4, 8, 8],
        norm_num_groups: 4,
        ..Default::default()
    }
}

#[test]
fn the_training_loss_reaches_every_parameter() {
    let mut model = AutoencoderKL::new(&tiny());
    model.init(1);
    model.track();
    let mut rng = Rng::new(2);
    let image = rng.randn(&[2, 16, 12, 3]);
    let posterior = model.encode(&image);
    let decoded = model.decode(&posterior.sample(&mut rng));
    let loss = decoded.sub(&image).abs().mean().add(&posterior.kl().scale(1e-3));
    common::assert_every_parameter_has_a_gradient(&model, &loss.backward());
}

#[test]
fn sizes() {
    let config = tiny();
    assert_eq!(config.downsampling_factor(), 4);
    let mut model = AutoencoderKL::new(&config);
    model.init(1);
    let mean = model.encode(&Rng::new(1).randn(&[1, 16, 12, 3])).mode();
    assert_eq!(mean.shape(), [1, 4, 3, 4]);
    assert_eq!(model.decode(&mean).shape(), [1, 16, 12, 3]);
}

#[test]
fn without_the_convolutions_around_the_bottleneck() {
    let config =
        AutoencoderKLConfig { use_quant_conv: false, use_post_quant_conv: false, ..tiny() };
    let mut model = AutoencoderKL::new(&config);
    assert!(!model.named_parameters().iter().any(|(name, _)| name.contains("quant_conv")));
    model.init(1);
    let mean = model.encode(&Rng::new(1).randn(&[1, 8, 8, 3])).mode();
    assert!(model.decode(&mean).finite());
}

#[test]
#[should_panic(expected = "latents [1, 4, 4, 3], expected [N, H, W, 4]")]
fn wrong_latents_panic_with_both_shapes() {
    AutoencoderKL::new(&tiny()).decode(&Tensor::zeros(&[1, 4, 4, 3]));
}
