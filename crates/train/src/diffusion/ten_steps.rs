//! Ten steps of training against PyTorch's, on the same latents, noise and weights: every loss, and
//! the length of every gradient. `tools/reference/ten_steps.py` wrote the answers.

use aquatint_diffusion::{BetaSchedule, PredictionType, Schedule, denoising_loss};
use aquatint_models::{LDMBertModel, UNet2DConditionModel};
use aquatint_nn::Module;
use aquatint_tensor::Tensor;

use crate::testing::{check_ten_steps, fill, golden, input, input_ids};

const BATCH: usize = 4;

#[test]
fn ten_steps_are_those_of_pytorch() {
    let golden = golden("ten_steps_unet");
    let config = serde_json::from_value(golden["config"].clone()).expect("a U-Net");
    let mut unet = UNet2DConditionModel::new(&config);
    fill(&mut unet);
    let schedule = Schedule::new(BetaSchedule::ScaledLinear { start: 0.00085, end: 0.012 }, 1000);
    check_ten_steps(&golden, &mut unet, |unet, step| {
        let [x0, noise] = ["x0", "noise"]
            .map(|what| input(&format!("{what}:{step}"), &[BATCH, 4, 8, 8]).from_nchw());
        let context = input(&format!("context:{step}"), &[BATCH, 5, 12]);
        let t: Vec<usize> =
            input_ids(&format!("t:{step}"), BATCH, 1000).into_iter().map(|t| t as usize).collect();
        let network = |xt: &Tensor, t: &[f32]| unet.forward(xt, t, &context);
        denoising_loss(network, PredictionType::VPrediction, &schedule, &x0, &t, &noise)
    });
}

/// A U-Net and the text encoder that it listens to, as one optimizer sees them.
#[derive(Debug, Module)]
struct Both {
    unet: UNet2DConditionModel,
    text_encoder: LDMBertModel,
}

#[test]
fn ten_steps_with_the_text_encoder_are_those_of_pytorch() {
    let golden = golden("ten_steps_words");
    let part = |name: &str| golden[name].clone();
    let mut both = Both {
        unet: UNet2DConditionModel::new(&serde_json::from_value(part("unet")).expect("a U-Net")),
        text_encoder: LDMBertModel::new(
            &serde_json::from_value(part("text_encoder")).expect("a text encoder"),
        ),
    };
    fill(&mut both);
    let schedule = Schedule::new(BetaSchedule::ScaledLinear { start: 0.00085, end: 0.012 }, 1000);
    check_ten_steps(&golden, &mut both, |both, step| {
        let [x0, noise] = ["x0", "noise"]
            .map(|what| input(&format!("{what}:{step}"), &[BATCH, 4, 8, 8]).from_nchw());
        let ids = input_ids(&format!("ids:{step}"), BATCH * 5, 40);
        let context = both.text_encoder.forward(&ids, BATCH).last_hidden_state;
        let t: Vec<usize> =
            input_ids(&format!("t:{step}"), BATCH, 1000).into_iter().map(|t| t as usize).collect();
        let network = |xt: &Tensor, t: &[f32]| both.unet.forward(xt, t, &context);
        denoising_loss(network, PredictionType::VPrediction, &schedule, &x0, &t, &noise)
    });
}
