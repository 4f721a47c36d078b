//! Training steps of a U-Net, in images a second: the counterpart of `tools/bench/train_unet.py`.
//!
//! `cargo bench -p aquatint-train -- [CONFIG.json] [STEPS] [f32|bf16]`. Random latents, contexts
//! and timesteps; loss by Algorithm 1, with that of drafts if the U-Net makes them, backward, AdamW.
//! Prints one line for each precision: the median and the best of the steps after three to warm up.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use aquatint_diffusion::{BetaSchedule, Schedule, ddpm};
use aquatint_models::{UNet2DConditionConfig, UNet2DConditionModel};
use aquatint_nn::ModuleExt;
use aquatint_tensor::optimizer::AdamW;
use aquatint_tensor::{Precision, Rng, Tensor};

const BATCH: usize = 32;
const TOKENS: usize = 40;
/// `draft_batch_size` of configs/seven-styles/diffusion.toml.
const DRAFTS: usize = 128;
const WARM_UP: usize = 3;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let shipped =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/seven-styles/unet/config.json");
    let path = arguments.first().map_or(shipped, String::as_str);
    let text = std::fs::read_to_string(path).expect("the U-Net's config.json can be read");
    let config: UNet2DConditionConfig = serde_json::from_str(&text).expect("it is a config");
    let steps = arguments.get(1).map_or(12, |steps| steps.parse().expect("a number of steps"));
    let precisions = match arguments.get(2).map(String::as_str) {
        None => &[Precision::F32, Precision::Bf16][..],
        Some("f32") => &[Precision::F32],
        Some("bf16") => &[Precision::Bf16],
        Some(other) => panic!("{other} is neither f32 nor bf16"),
    };
    for &precision in precisions {
        // Inside the pool, as the program does it.
        rayon::scope(|_| measure(&config, precision, steps));
    }
}

fn measure(config: &UNet2DConditionConfig, precision: Precision, steps: usize) {
    let mut unet = UNet2DConditionModel::new(config);
    unet.init(0);
    unet.set_precision(precision);
    unet.track();
    let zeros = |unet: &UNet2DConditionModel| -> Vec<Tensor> {
        unet.named_parameters().iter().map(|(_, p)| Tensor::zeros(p.shape())).collect()
    };
    let (mut m, mut v) = (zeros(&unet), zeros(&unet));
    let start = BetaSchedule::ScaledLinear { start: 0.00085, end: 0.012 };
    let schedule = Schedule::new(start, 1000);
    let mut rng = Rng::new(0);

    let mut seconds = Vec::new();
    for step in 0..steps + WARM_UP {
        let x0 = rng.randn(&[BATCH, 16, 16, config.in_channels]);
        let context = rng.randn(&[BATCH, TOKENS, config.cross_attention_dim]);
        let drafted = rng.randn(&[DRAFTS, 16, 16, config.in_channels]);
        let captions = rng.randn(&[DRAFTS, TOKENS, config.cross_attention_dim]);
        let began = Instant::now();
        let eps_theta = |xt: &Tensor, t: &[usize]| {
            let timesteps: Vec<f32> = t.iter().map(|&t| t as f32).collect();
            unet.forward(xt, &timesteps, &context)
        };
        let mut loss = ddpm::training_loss(&eps_theta, &schedule, &x0, &mut rng);
        if let Some(draft) = unet.draft(&captions) {
            loss = loss.add(&draft.sub(&drafted).sqr().mean());
        }
        let mut grads = loss.backward();
        let options = AdamW {
            lr: 1e-4,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.01,
            step: step as u64 + 1,
            grad_scale: 1.0,
        };
        let parameters = unet.named_parameters_mut().into_iter();
        for ((_, param), (m, v)) in parameters.zip(m.iter_mut().zip(&mut v)) {
            let grad = grads.take(param.value()).expect("every parameter is used");
            param.value_mut().adamw_step(&grad, m, v, &options);
        }
        seconds.push(began.elapsed().as_secs_f64());
    }
    let mut counted = seconds.split_off(WARM_UP);
    counted.sort_by(f64::total_cmp);
    let [best, median] = [counted[0], counted[counted.len() / 2]].map(|s| BATCH as f64 / s);
    println!(
        "{precision:?}: {median:.1} images/s (best {best:.1}), batch {BATCH}, {} parameters, {} threads",
        unet.parameter_count(),
        std::thread::available_parallelism().map_or(1, usize::from)
    );
}
