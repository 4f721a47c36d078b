//! Larger pictures by a diffusion model that sees the small one beside its latents.

use std::ops::ControlFlow;
use std::path::Path;

use aquatint_pipeline::{
    Beside, CancelToken, Inputs, LoadOptions, ModelSource, Outline, Picture, RequestError,
    Settings, Step, Watch, generate, metadata, open_model,
};

use clap::ValueEnum;

use super::{Large, VERSION};
use crate::args::UpscaleArgs;
use crate::console::{self, Progress};
use crate::failure::Failure;
use crate::{machine, stop};

/// A model that was found to enlarge pictures.
pub struct Diffusion {
    source: ModelSource,
    options: LoadOptions,
    outline: Outline,
    seed: u64,
}

impl Diffusion {
    /// Looks at the model, and at what it would do with the first picture, before it is loaded.
    pub fn new(
        args: &UpscaleArgs,
        source: ModelSource,
        options: LoadOptions,
        first: Option<&Picture>,
    ) -> Result<Self, Failure> {
        let outline = Outline::read(&source)?;
        if outline.beside != Beside::SmallPicture {
            return Err(RequestError::DoesNotEnlarge.into());
        }
        let seed = args.diffusion.seed.unwrap_or_else(machine::random_seed);
        let request = args.diffusion.request(seed, String::new());
        let inputs = Inputs { init: first.cloned(), mask: None };
        request.plan(&outline, &inputs)?;
        Ok(Self { source, options, outline, seed })
    }

    /// The picture, as much larger as the model makes them; the n-th of a run has the n-th seed.
    pub fn enlarge(
        &self,
        args: &UpscaleArgs,
        n: usize,
        image: &Path,
        picture: Picture,
    ) -> Result<Large, Failure> {
        let seed = self.seed.wrapping_add(n as u64);
        let request = args.diffusion.request(seed, image.display().to_string());
        let inputs = Inputs { init: Some(picture), mask: None };
        let plan = request.plan(&self.outline, &inputs)?;
        let model = open_model(&self.source, &self.options)?;
        let mut progress = Progress::new("denoising", plan.steps as u64);
        let tiling = args.diffusion.vae_tiling.map(Into::into).unwrap_or_default();
        let settings = Settings { tiling, ..Default::default() };
        let mut watch = Watcher { progress: &mut progress };
        let mut made = None;
        let outcome = generate(&*model, &request, &inputs, settings, &mut watch, &mut |finished| {
            made = Some(finished.picture.clone());
            ControlFlow::Continue(())
        });
        progress.finish();
        outcome?;
        let picture = made.expect("one picture was asked for and made");
        let name = args.model.as_deref().and_then(Path::file_name).unwrap_or_default();
        let name = name.to_string_lossy();
        let dtype = args.dtype.to_possible_value();
        let dtype = dtype.as_ref().map_or("f32", |value| value.get_name());
        let origin = metadata::Origin { model: &name, version: VERSION, dtype };
        let texts = metadata::texts(&request, seed.into(), plan.size, &origin);
        if !args.json {
            console::note(&format!("seed {seed}"));
        }
        Ok(Large { picture, scale: self.outline.downsampling_factor, texts, seed: Some(seed) })
    }
}

/// Tells the progress and listens to Ctrl-C.
struct Watcher<'a> {
    progress: &'a mut Progress,
}

impl Watch for Watcher<'_> {
    fn step(&mut self, _: Step<'_>) -> ControlFlow<()> {
        self.progress.step();
        ControlFlow::Continue(())
    }

    fn cancelled(&self) -> bool {
        stop::requested()
    }

    fn token(&self) -> Option<CancelToken> {
        Some(stop::token())
    }
}
