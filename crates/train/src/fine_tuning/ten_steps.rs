//! Ten steps of training a LoRA against PEFT's, on the same latents, noise and weights: every loss,
//! the length of every gradient, and the matrices in the end. `tools/reference/ten_steps.py` wrote
//! the answers.

use aquatint_diffusion::{BetaSchedule, PredictionType, Schedule, denoising_loss};
use aquatint_models::UNet2DConditionModel;
use aquatint_nn::ModuleExt;
use aquatint_pipeline::{Autoencoder, Components, ModelConfig, TextEncoder, Tokenizer};
use aquatint_tensor::{Precision, Tensor};
use serde_json::Value;

use super::adapters::{Adapters, detach};
use super::config::LoraConfig;
use crate::optimizer::{Optimizer, grad_norm};
use crate::testing::{check_grads, check_step, fill, golden, input, input_ids};

const BATCH: usize = 4;
const RATE: f64 = 2e-5;

/// A model of which only the U-Net matters.
fn components(golden: &Value) -> Components {
    let unet = serde_json::from_value(golden["config"].clone()).expect("a U-Net");
    let config = ModelConfig { unet, ..Default::default() };
    let mut unet = UNet2DConditionModel::new(&config.unet);
    fill(&mut unet);
    unet.untrack();
    Components {
        tokenizer: Tokenizer::clip(),
        text_encoder: TextEncoder::new(&config.text_encoder, false),
        second_encoder: None,
        unet,
        vae: Autoencoder::new(&config.vae),
        config,
    }
}

#[test]
fn ten_steps_are_those_of_peft() {
    let golden = golden("ten_steps_lora");
    let mut components = components(&golden);
    let config = LoraConfig {
        rank: 3,
        alpha: golden["lora"]["alpha"].as_f64(),
        targets: vec!["attention".into(), "convolutions".into()],
        ..Default::default()
    };
    let mut adapters = Adapters::new(&config, &components).expect("layers");
    let of_golden = |layer: &str| layer.contains(".attn") || layer.ends_with("conv1");
    adapters.all.retain(|adapter| of_golden(&adapter.layer));
    fill(&mut adapters);
    let schedule = Schedule::new(BetaSchedule::ScaledLinear { start: 0.00085, end: 0.012 }, 1000);
    let config = toml::from_str("weight_decay = 0.01\nmax_grad_norm = 1.0").expect("a section");
    let mut optimizer = Optimizer::new(&adapters, &config);
    for step in 0..10 {
        adapters.attach(&mut components);
        let [x0, noise] = ["x0", "noise"]
            .map(|what| input(&format!("{what}:{step}"), &[BATCH, 4, 8, 8]).from_nchw());
        let context = input(&format!("context:{step}"), &[BATCH, 5, 12]);
        let t: Vec<usize> =
            input_ids(&format!("t:{step}"), BATCH, 1000).into_iter().map(|t| t as usize).collect();
        let network = |xt: &Tensor, t: &[f32]| components.unet.forward(xt, t, &context);
        let kind = PredictionType::VPrediction;
        let loss = denoising_loss(network, kind, &schedule, &x0, &t, &noise);
        detach(&mut components);
        let value = loss.item();
        let mut grads = loss.backward();
        let norm = grad_norm(&adapters, &grads);
        let figures = [("loss", f64::from(value)), ("grad_norm", norm)];
        let found = figures.map(|(name, value)| (name.to_owned(), Value::from(value)));
        check_step(&golden, step, &found.into_iter().collect());
        check_grads(&golden, step, &adapters, &grads, norm);
        optimizer.step(&mut adapters, &mut grads, norm, RATE, step + 1);
    }
    let expected = golden["weights"].as_object().expect("weights");
    let found = adapters.named_parameters();
    assert_eq!(found.len(), expected.len());
    for (name, param) in found {
        let values = param.value().to_vec();
        let norm = param.value().sum_of_squares().sqrt();
        let ours = [norm, f64::from(values[0]), f64::from(values[values.len() - 1])];
        for (ours, theirs) in ours.iter().zip(expected[&name].as_array().expect("three numbers")) {
            let theirs = theirs.as_f64().expect("a number");
            assert!((ours - theirs).abs() < 4e-6 * norm.max(1.0), "{name}: {ours}, not {theirs}");
        }
    }
}

/// What is left out by rank dropout is as if its rows were zero, and the rest is larger.
#[test]
fn dropped_parts_do_not_count() {
    let golden = golden("ten_steps_lora");
    let mut components = components(&golden);
    let config = LoraConfig { rank: 4, dropout: 0.5, ..Default::default() };
    let mut adapters = Adapters::new(&config, &components).expect("layers");
    fill(&mut adapters);
    adapters.set_precision(Precision::F32);
    let mut predicted = |adapters: &Adapters| {
        adapters.attach(&mut components);
        let (x, context) = (input("x", &[1, 4, 8, 8]).from_nchw(), input("context", &[1, 5, 12]));
        let y = components.unet.forward(&x, &[7.0], &context).to_vec();
        detach(&mut components);
        y
    };
    let whole = predicted(&adapters);
    adapters.draw(&mut aquatint_tensor::Rng::new(3));
    let some = predicted(&adapters);
    assert_ne!(whole, some);
    adapters.draw(&mut aquatint_tensor::Rng::new(3));
    assert_eq!(some, predicted(&adapters));
    adapters.draw_nothing();
    assert_eq!(whole, predicted(&adapters));
}
