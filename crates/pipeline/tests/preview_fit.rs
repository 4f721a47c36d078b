//! Previews of the shipped model look like its pictures.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::Path;

use aquatint_pipeline::{
    Components, GenerateRequest, LatentPreview, ModelSource, Picture, Step, Tiling, resize,
    text_to_image,
};
use aquatint_tensor::Tensor;

/// Decibels.
fn psnr(a: &Picture, b: &Picture) -> f64 {
    assert_eq!((a.width, a.height), (b.width, b.height));
    let squares = a.rgb.iter().zip(&b.rgb).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2));
    let mean = squares.sum::<f64>() / a.rgb.len() as f64;
    10.0 * (255.0 * 255.0 / mean).log10()
}

#[test]
fn previews_are_the_picture_in_small() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/seven-styles");
    let source = ModelSource::folder(folder).unwrap();
    let model = Components::load(&source, &Default::default()).unwrap();
    let channels = model.vae.config().latent_channels();
    let preview = LatentPreview::fitted(channels, |latents| model.vae.decode(latents, Tiling::Off));
    let request = GenerateRequest {
        prompt: "noto emoji of a fox, blue background".into(),
        seed: 42,
        steps: 12,
        ..Default::default()
    };
    let last: RefCell<Option<Tensor>> = RefCell::default();
    let mut keep = |step: Step<'_>| {
        last.replace(Some(step.denoised.clone()));
        ControlFlow::Continue(())
    };
    let picture = &text_to_image(&model, &request, &mut keep).unwrap()[0];
    let seen = &preview.pictures(&last.into_inner().expect("a step"))[0];
    let small = resize(picture, seen.width, seen.height);
    let (alike, grey) =
        (psnr(seen, &small), psnr(&Picture::new(seen.width, seen.height, [128; 3]), &small));
    assert!(alike > 15.0 && alike > grey + 5.0, "{alike} dB, a grey picture has {grey} dB");
}
