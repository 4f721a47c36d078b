//! Latents for the sample sheets, by DDIM.

use aquatint_diffusion::{
    Condition, Guidance, GuidanceInterval, ModelDenoiser, Network, Noise, Run, Schedule, samplers,
};
use aquatint_pipeline::SchedulerConfig;
use aquatint_tensor::{RngKind, Tensor};

/// How samples are drawn during a run.
pub struct Sampling<'a> {
    /// What the network was trained with; its names were checked.
    pub scheduler: &'a SchedulerConfig,
    /// The noise of that.
    pub schedule: &'a Schedule,
    /// Steps of the sampler.
    pub steps: usize,
    /// How far to follow the condition: see [`Guidance`].
    pub guidance_scale: f64,
}

impl Sampling<'_> {
    /// Latents `[N, h, w, C]` of this `shape`, every one from a noise of its own.
    ///
    /// `network` answers for xt `[K·N, h, w, C]` under K conditions in turn, as
    /// [`aquatint_diffusion::Conditioned`] does.
    ///
    /// # Panics
    /// If the configuration of the scheduler is wrong.
    pub fn draw(
        &self,
        network: impl Fn(&Tensor, &[f32], &[Condition]) -> Tensor,
        shape: [usize; 4],
        first_seed: u64,
    ) -> Tensor {
        let (guidance_scale, interval) = (self.guidance_scale, GuidanceInterval::ALL);
        let more = Default::default();
        let guidance = Guidance { conditioned: &network, guidance_scale, interval, more };
        self.follow(&guidance, shape, first_seed)
    }

    fn follow(&self, network: &dyn Network, shape: [usize; 4], first_seed: u64) -> Tensor {
        let checked = "the configuration was checked at the start";
        let denoiser = ModelDenoiser {
            network,
            schedule: self.schedule,
            prediction_type: self.scheduler.prediction_type().expect(checked),
        };
        let sigmas = self.scheduler.sigmas(self.schedule, self.steps).expect(checked);
        let seeds: Vec<u64> = (first_seed..).take(shape[0]).collect();
        let mut noise = Noise::new(RngKind::TorchCpu, &seeds).expect("PyTorch takes every seed");
        let run = Run {
            denoiser: &denoiser,
            sigmas: &sigmas,
            eta: None,
            noise: &mut noise,
            watch: &mut (),
        };
        samplers::find("ddim").expect("there is always DDIM").sample(&shape, run)
    }
}
