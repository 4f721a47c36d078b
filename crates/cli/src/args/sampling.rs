//! From noise to picture.

use aquatint_diffusion::{NoiseRule, SAMPLERS, SPACINGS};
use aquatint_pipeline::GenerateRequest;

/// How pictures come out of noise, whatever they show.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Sampling")]
pub struct SamplingArgs {
    /// Seed of the first picture; the next has the next [default: random]
    ///
    /// torch-cpu uses its low 32 bits, as PyTorch does, torch-cuda all 64; numpy takes 32.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Whose random numbers the seed stands for
    #[arg(long, value_name = "NAME", default_value_t = GenerateRequest::default().rng,
        help = rng_help())]
    pub rng: String,

    /// Sampling steps
    #[arg(long, value_name = "N", default_value_t = GenerateRequest::default().steps)]
    pub steps: usize,

    /// How to step from noise to picture
    #[arg(long, value_name = "NAME", default_value_t = GenerateRequest::default().sampler,
        help = sampler_help())]
    pub sampler: String,

    /// Which noise levels to step through
    #[arg(long, value_name = "NAME", help = schedule_help())]
    pub schedule: Option<String>,

    /// How much noise is renewed on the way, 0 to 1 [default: the sampler's]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub eta: Option<f64>,
}

impl SamplingArgs {
    /// The request with what is meant by it.
    pub fn apply(&self, request: GenerateRequest, seed: u64) -> GenerateRequest {
        GenerateRequest {
            seed,
            rng: self.rng.clone(),
            steps: self.steps,
            sampler: self.sampler.clone(),
            schedule: self.schedule.clone(),
            eta: self.eta,
            ..request
        }
    }
}

/// Noise between that of seeds.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Sampling")]
pub struct VariationArgs {
    /// Another seed, towards which the first noise is turned; the next picture has the next
    ///
    /// All pictures have the same --seed then. The web UI calls this a variation seed.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub subseed: u64,

    /// How far it is turned, 0 to 1 [default: 0]
    #[arg(
        long,
        value_name = "X",
        default_value_t = 0.0,
        hide_default_value = true,
        allow_negative_numbers = true
    )]
    pub subseed_strength: f64,

    /// How much higher the seed is for noise on the way (ENSD); 0 goes on with the first noise's
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub eta_noise_seed_delta: u64,
}

impl VariationArgs {
    /// The request with what is meant by it.
    pub fn apply(&self, request: GenerateRequest) -> GenerateRequest {
        let &Self { subseed, subseed_strength, eta_noise_seed_delta } = self;
        GenerateRequest { subseed, subseed_strength, eta_noise_seed_delta, ..request }
    }
}

fn rng_help() -> String {
    let rules = NoiseRule::ALL.map(|rule| format!("{rule} ({})", rule.used_by()));
    format!("Whose random numbers the seed stands for: {}", rules.join(", "))
}

fn sampler_help() -> String {
    let names: Vec<&str> = SAMPLERS.iter().map(|sampler| sampler.name).collect();
    format!("How to step from noise to picture: {}", names.join(", "))
}

fn schedule_help() -> String {
    let names: Vec<&str> = SPACINGS.iter().map(|spacing| spacing.name).collect();
    let names = names.join(", ");
    format!("Which noise levels to step through: {names} [default: the sampler's or the model's]")
}
