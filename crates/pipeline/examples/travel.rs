//! From one picture to another, as a GIF: `cargo run --release -p aquatint-pipeline --example travel`.

use aquatint_pipeline::gif::Animation;
use aquatint_pipeline::{Components, GenerateRequest, ModelSource, Travel, travel};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let source = ModelSource::open("models/seven-styles", None)?;
    let model = Components::load(&source, &Default::default())?;
    let prompt = "blob emoji of grinning face, yellow background".into();
    let request = GenerateRequest { prompt, seed: 3, steps: 20, ..Default::default() };
    let prompts = vec!["blob emoji of angry face, red background".into()];
    let way = Travel { prompts, frames: 12, ..Default::default() };
    let mut animation = Animation::new((128, 128), 10)?;
    for picture in travel(&model, &request, &way, &mut ())? {
        animation.push(&picture)?;
    }
    std::fs::write("travel.gif", animation.finish()?)?;
    Ok(())
}
