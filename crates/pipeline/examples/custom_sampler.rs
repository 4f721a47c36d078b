//! A sampler of one's own: Euler's method with a little "churn" (Karras et al. 2022, algorithm 2
//! without its correction). It sees x = x0 + σ ε, a denoiser and the noise levels; guidance, masks
//! and the model are below it.
//!
//! ```text
//! cargo run --release -p aquatint-pipeline --example custom_sampler
//! ```

use std::ops::ControlFlow;

use aquatint_diffusion::Run;
use aquatint_pipeline::{
    Components, GenerateRequest, Inputs, ModelSource, Settings, Step, generate, png,
};
use aquatint_tensor::Tensor;

/// How much noise is renewed in each step: γ in the paper.
const GAMMA: f64 = 0.05;

fn churned(mut x: Tensor, run: Run<'_>) -> Tensor {
    let total = run.sigmas.len() - 1;
    for (index, pair) in run.sigmas.windows(2).enumerate() {
        if run.watch.cancelled() {
            break;
        }
        let (sigma, next) = (pair[0], pair[1]);
        // Up to more noise (lines 4 to 6), though not above what the model was trained with.
        let hat = (sigma * (1.0 + GAMMA)).min(run.sigmas[0]);
        let eps = run.noise.noise(x.shape());
        x = x.add(&eps.scale((hat * hat - sigma * sigma).sqrt() as f32));
        // And down along the slope (lines 7 and 8).
        let denoised = run.denoiser.denoise(&x, hat);
        let slope = x.sub(&denoised).scale((1.0 / hat) as f32);
        x = x.add(&slope.scale((next - hat) as f32));
        if run.watch.step(Step { index, total, sigma, denoised: &denoised }).is_break() {
            break;
        }
    }
    x
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let source = ModelSource::open("models/seven-styles", None)?;
    let model = Components::load(&source, &Default::default())?;
    let prompt = "noto emoji of grinning face, yellow background".into();
    let request = GenerateRequest { prompt, seed: 3, ..Default::default() };
    let settings = Settings { sampler: Some(&churned), ..Default::default() };
    let mut picture = None;
    generate(&model, &request, &Inputs::NONE, settings, &mut (), &mut |finished| {
        picture = Some(finished.picture.clone());
        ControlFlow::Continue(())
    })?;
    png::save("churned.png", &picture.expect("one was asked for"), &Default::default())?;
    Ok(())
}
