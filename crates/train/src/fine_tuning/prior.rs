//! Prior preservation (Ruiz et al. 2022, "DreamBooth", arXiv:2208.12242, section 3.3): beside the few
//! pictures of one thing, the model goes on learning from pictures of its class, which it may have
//! drawn itself before.

use std::collections::BTreeMap;
use std::fs;

use aquatint_pipeline::{Components, GenerateRequest, png, text_to_image};
use aquatint_tensor::{Rng, Tensor};

use super::config::{FineTuningConfig, PriorConfig};
use super::set::Set;
use crate::data::{DataConfig, Dataset, pictures_in};
use crate::error::TrainError;
use crate::monitor::Monitor;
use crate::part::Part;
use crate::ranks::Ranks;

/// Pictures of the class.
pub struct Prior {
    set: Set,
    /// How much their loss counts.
    pub weight: f32,
}

/// Keeps their order apart from that of the others.
const ORDER: u64 = 1 << 32;

impl Prior {
    /// The pictures of the class, if the configuration wants any: those of the folder, and what is
    /// missing is drawn by the base model into it.
    pub fn open(
        config: &FineTuningConfig,
        components: &Components,
        monitor: &mut dyn Monitor,
        ranks: &dyn Ranks,
    ) -> Result<Option<Self>, TrainError> {
        let Some(prior) = &config.task.prior else { return Ok(None) };
        fs::create_dir_all(&prior.folder).map_err(TrainError::io(&prior.folder))?;
        draw(prior, config, components, monitor)?;
        let data = DataConfig::new(&prior.folder, config.data.size);
        let data = Dataset::open_few(&data, Some(&prior.prompt), monitor, ranks)?;
        let path = config.run.folder.join("prior-latents.safetensors");
        let seed = config.run.seed ^ ORDER;
        let set = Set::new(data, &path, &components.vae, seed, monitor, ranks)?;
        Ok(Some(Self { set, weight: prior.weight as f32 }))
    }

    /// What the latents depend on.
    pub fn key(&self) -> String {
        self.set.latents.key.clone()
    }

    /// The part's latents `[N, h, w, C]` and captions of a step.
    pub fn batch(
        &mut self,
        step: u64,
        batch_size: usize,
        part: Part,
        rng: &mut Rng,
    ) -> (Tensor, Vec<String>) {
        self.set.batch(step, batch_size, 0.0, part, rng)
    }
}

/// Draws the pictures that are missing, each with a seed of its own, so that a run that was
/// interrupted here goes on with the next one.
fn draw(
    prior: &PriorConfig,
    config: &FineTuningConfig,
    components: &Components,
    monitor: &mut dyn Monitor,
) -> Result<(), TrainError> {
    let there = pictures_in(&prior.folder)?.len();
    for seed in there..prior.count {
        monitor.preparing("pictures of the class", seed, prior.count);
        let request = GenerateRequest {
            prompt: prior.prompt.clone(),
            seed: seed as u64,
            steps: config.task.sample_steps,
            guidance_scale: config.task.guidance_scale,
            width: Some(config.data.size),
            height: Some(config.data.size),
            ..Default::default()
        };
        let drawn = text_to_image(components, &request, &mut ());
        let drawn = drawn.map_err(|error| TrainError::Data(error.to_string()))?;
        let path = prior.folder.join(format!("drawn-{seed:05}.png"));
        png::save(&path, &drawn[0], &BTreeMap::new()).map_err(TrainError::io(&path))?;
    }
    Ok(())
}
