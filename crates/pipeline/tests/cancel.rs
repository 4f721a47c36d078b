//! A run that is no longer wanted ends inside a step, and leaves nothing behind. One test, because
//! memory is the process's.

mod tiny;

use std::thread;
use std::time::{Duration, Instant};

use aquatint_models::UNet2DConditionModel;
use aquatint_nn::ModuleExt;
use aquatint_pipeline::{
    CancelToken, Components, GenerateError, GenerateRequest, Step, Tiling, cancellable, decode,
    text_to_image,
};
use aquatint_tensor::{Tensor, peak_memory, release_idle_memory};
use std::ops::ControlFlow;
use tiny::tiny_components;

/// A pass takes seconds at 1024×1024, on any machine.
fn components() -> Components {
    let mut model = tiny_components();
    model.config.unet.block_out_channels = vec![64, 128];
    model.unet = UNet2DConditionModel::new(&model.config.unet);
    model.unet.init(2);
    model.vae.init(3);
    model
}

/// Activations that are in use.
fn memory() -> usize {
    peak_memory(true);
    peak_memory(false)
}

/// How long it took to come back after the token said so, `after` the work had begun.
fn time<T>(token: &CancelToken, after: u64, work: impl FnOnce() -> T) -> (T, Duration) {
    let said = thread::spawn({
        let token = token.clone();
        move || {
            thread::sleep(Duration::from_millis(after));
            token.cancel();
            Instant::now()
        }
    });
    let outcome = work();
    let back = Instant::now();
    (outcome, back.saturating_duration_since(said.join().unwrap()))
}

#[test]
fn it_ends_within_a_step_and_leaves_nothing() {
    let model = components();
    let small = GenerateRequest { prompt: "a cat".into(), steps: 2, seed: 7, ..Default::default() };
    let picture = text_to_image(&model, &small, &mut ()).unwrap();
    release_idle_memory();
    let before = memory();

    let (width, height) = (Some(1024), Some(1024));
    let large = GenerateRequest { width, height, steps: 1, ..small.clone() };
    let (token, mut steps) = (CancelToken::new(), 0);
    let count = |_: Step<'_>| {
        steps += 1;
        ControlFlow::Continue(())
    };
    let (outcome, late) =
        time(&token, 300, || text_to_image(&model, &large, &mut (token.clone(), count)));
    assert!(matches!(outcome, Err(GenerateError::Cancelled)));
    assert_eq!(steps, 0, "it was to end within the first step");
    assert!(late < Duration::from_secs(1), "it came back after {late:?}");
    assert_eq!(memory(), before);

    let latents = Tensor::zeros(&[1, 256, 256, 4]);
    let token = CancelToken::new();
    let (outcome, late) = time(&token, 100, || {
        cancellable(Some(&token), || decode(&model.vae, &latents, Tiling::Off))
    });
    assert!(outcome.is_err(), "a picture of 2048x2048 in 0.1 s");
    assert!(late < Duration::from_secs(1), "it came back after {late:?}");
    drop(latents);
    release_idle_memory();
    assert_eq!(memory(), before);

    // Who said so before it began gets nothing, and the next one everything.
    assert!(matches!(
        text_to_image(&model, &small, &mut token.clone()),
        Err(GenerateError::Cancelled)
    ));
    assert_eq!(text_to_image(&model, &small, &mut CancelToken::new()).unwrap(), picture);
    assert_eq!(text_to_image(&model, &small, &mut ()).unwrap(), picture);
}
