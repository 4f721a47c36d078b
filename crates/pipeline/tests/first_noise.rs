//! How strong the first noise is: as in the program whose seed it is.

mod tiny;

use std::cell::RefCell;
use std::ops::ControlFlow;

use aquatint_diffusion::Run;
use aquatint_pipeline::{GenerateRequest, Inputs, Settings, generate};
use aquatint_tensor::Tensor;
use tiny::tiny_components;

/// The deviation of what a sampler is given, by that of the noise of its seed, and the first σ.
fn scale(rng: &str, sampler: &str, schedule: &str) -> (f64, f64) {
    let model = tiny_components();
    let request = GenerateRequest {
        prompt: "noto emoji of cat".into(),
        seed: 5,
        steps: 3,
        rng: rng.into(),
        sampler: sampler.into(),
        schedule: Some(schedule.into()),
        ..Default::default()
    };
    let eps = request.noise(&request.picture_seeds()).expect("a rule").randn(&[8, 8, 4]);
    let begun = RefCell::new(None);
    let sample = |x: Tensor, run: Run<'_>| {
        *begun.borrow_mut() = Some((x.clone(), run.sigmas[0]));
        x
    };
    let settings = Settings { sampler: Some(&sample), ..Default::default() };
    let each = &mut |_: aquatint_pipeline::Finished<'_>| ControlFlow::Continue(());
    // No step is told of, so that it counts as stopped.
    let _ = generate(&model, &request, &Inputs::NONE, settings, &mut (), each);
    let (x, sigma) = begun.into_inner().expect("it was begun");
    let norm = |x: &Tensor| f64::from(x.mul(x).sum().item()).sqrt();
    let scale = norm(&x) / norm(&eps);
    assert!(x.sub(&eps.scale(scale as f32)).max_abs() < 1e-4 * x.max_abs());
    (scale, sigma)
}

#[test]
fn as_in_the_program_whose_seed_it_is() {
    for (rng, sampler, schedule, alone) in [
        ("web-ui-cpu", "Euler a", "Uniform", true),
        ("web-ui", "DPM++ 2M", "Karras", true),
        ("web-ui-cpu", "DDIM", "DDIM", false),
        ("torch-cpu", "Euler a", "Uniform", false),
        ("torch-cpu", "Euler", "trailing", true),
        ("torch-cpu", "DDIM", "trailing", false),
        ("comfyui", "Euler", "karras", false),
        // It begins below the highest level.
        ("comfyui", "Euler", "leading", true),
    ] {
        let (scale, sigma) = scale(rng, sampler, schedule);
        let expected = if alone { sigma } else { (sigma * sigma + 1.0).sqrt() };
        let case = format!("{rng}, {sampler}, {schedule}: {scale} at a σ of {sigma}");
        assert!((scale / expected - 1.0).abs() < 1e-5, "{case}");
    }
}
