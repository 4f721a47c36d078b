//! A prompt in, a picture out:
//!
//! ```text
//! cargo run --release -p aquatint-pipeline --example text_to_image -- "flat emoji of pizza" pizza.png
//! ```

use aquatint_pipeline::{Components, GenerateRequest, ModelSource, png, text_to_image};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let prompt = arguments.next().unwrap_or_else(|| "flat emoji of pizza".into());
    let file = arguments.next().unwrap_or_else(|| "pizza.png".into());
    let source = ModelSource::open("models/seven-styles", None)?;
    let model = Components::load(&source, &Default::default())?;
    let request = GenerateRequest { prompt, seed: 42, ..Default::default() };
    let pictures = text_to_image(&model, &request, &mut ())?;
    png::save(&file, &pictures[0], &Default::default())?;
    Ok(())
}
