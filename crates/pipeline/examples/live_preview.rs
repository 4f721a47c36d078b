//! A picture that is looked at while it is made, and given up after some seconds.
//!
//! ```text
//! cargo run --release -p aquatint-pipeline --example live_preview -- models/seven-styles 1.5
//! ```
#![allow(clippy::print_stdout, reason = "examples talk")]

use std::error::Error;
use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant};

use aquatint_pipeline::{
    CancelToken, GenerateError, GenerateRequest, LatentPreview, LoadOptions, ModelSource, Picture,
    Step, Tiling, open_model, png, text_to_image,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| "models/seven-styles".into());
    let seconds: f64 = arguments.next().map_or(Ok(1.5), |text| text.parse())?;
    let source = ModelSource::open(&folder, None)?;
    let options = LoadOptions::default();
    let model = open_model(&source, &options)?;

    // What each latent pixel looks like, asked of the autoencoder once.
    let decoder = model.decoder()?;
    let preview = LatentPreview::fitted(model.outline().latent_channels, |latents| {
        decoder.decode(latents, Tiling::Off)
    });
    drop(decoder);

    // Any thread may say that the picture is not wanted any more.
    let token = CancelToken::new();
    let impatient = thread::spawn({
        let token = token.clone();
        move || {
            thread::sleep(Duration::from_secs_f64(seconds));
            token.cancel();
            Instant::now()
        }
    });

    let request = GenerateRequest { prompt: "a fox".into(), seed: 42, ..Default::default() };
    let watch = |step: Step<'_>| {
        let small: &Picture = &preview.pictures(step.denoised)[0];
        println!(
            "step {} of {}: {} by {} pixels",
            step.index + 1,
            step.total,
            small.width,
            small.height
        );
        ControlFlow::Continue(())
    };
    match text_to_image(&*model, &request, &mut (token, watch)) {
        Ok(pictures) => png::save("fox.png", &pictures[0], &Default::default())?,
        Err(GenerateError::Cancelled) => {
            let asked = impatient.join().expect("it only waits");
            println!(
                "given up {:.0} ms after it was asked to",
                asked.elapsed().as_secs_f64() * 1e3
            );
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
