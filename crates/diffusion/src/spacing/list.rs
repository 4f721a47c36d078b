//! The list: what there is to know about every spacing, in one place.

use super::*;

/// Every spacing: those of whole timesteps, those of any, those of σ alone, those of a family of
/// models.
pub const SPACINGS: &[SpacingInfo] = &[
    SpacingInfo {
        name: "leading",
        web_ui: Some("DDIM"),
        diffusers: Some("leading"),
        aliases: &["ddim_uniform"],
        paper: "Lin et al. 2024, arXiv:2305.08891, table 2",
        one_line: "every T/n-th timestep from the first; the last is never visited",
        sigmas: |stops| {
            visiting(TimestepSpacing::Leading { steps_offset: stops.steps_offset }, stops)
        },
    },
    SpacingInfo {
        name: "trailing",
        web_ui: None,
        diffusers: Some("trailing"),
        aliases: &[],
        paper: "Lin et al. 2024, arXiv:2305.08891, table 2",
        one_line: "every T/n-th timestep from the last",
        sigmas: |stops| visiting(TimestepSpacing::Trailing, stops),
    },
    SpacingInfo {
        name: "linspace",
        web_ui: None,
        diffusers: Some("linspace"),
        aliases: &[],
        paper: "Lin et al. 2024, arXiv:2305.08891, table 2",
        one_line: "from the first timestep to the last, rounded to whole ones",
        sigmas: |stops| visiting(TimestepSpacing::Linspace, stops),
    },
    SpacingInfo {
        name: "uniform",
        web_ui: Some("Uniform"),
        diffusers: None,
        aliases: &["normal"],
        paper: "Crowson 2022, k-diffusion",
        one_line: "from the first timestep to the last, fractions of them too",
        sigmas: |stops| uniform(stops.schedule, stops.steps),
    },
    SpacingInfo {
        name: "simple",
        web_ui: Some("Simple"),
        diffusers: None,
        aliases: &[],
        paper: "ComfyUI",
        one_line: "trailing, rounded up",
        sigmas: |stops| simple(stops.schedule, stops.steps),
    },
    SpacingInfo {
        name: "sgm_uniform",
        web_ui: Some("SGM Uniform"),
        diffusers: None,
        aliases: &[],
        paper: "Stability AI 2023, generative-models",
        one_line: "trailing, fractions too: for SDXL Turbo and Lightning",
        sigmas: |stops| sgm_uniform(stops.schedule, stops.steps),
    },
    SpacingInfo {
        name: "karras",
        web_ui: Some("Karras"),
        diffusers: Some("use_karras_sigmas"),
        aliases: &[],
        paper: "Karras et al. 2022, arXiv:2206.00364, eq. 5",
        one_line: "dense where the noise is little",
        sigmas: |stops| between(stops, |low, high, steps| karras(low, high, steps, 7.0)),
    },
    SpacingInfo {
        name: "exponential",
        web_ui: Some("Exponential"),
        diffusers: Some("use_exponential_sigmas"),
        aliases: &["polyexponential"],
        paper: "Crowson 2022, k-diffusion",
        one_line: "each level the same part of the last",
        sigmas: |stops| between(stops, exponential),
    },
    SpacingInfo {
        name: "kl_optimal",
        web_ui: Some("KL Optimal"),
        diffusers: None,
        aliases: &[],
        paper: "Sabour et al. 2024, arXiv:2404.14507, theorem 3.1",
        one_line: "best if the data were one Gaussian",
        sigmas: |stops| between(stops, kl_optimal),
    },
    SpacingInfo {
        name: "align_your_steps",
        web_ui: Some("Align Your Steps"),
        diffusers: Some("StableDiffusionSigmas"),
        aliases: &["ays"],
        paper: "Sabour et al. 2024, arXiv:2404.14507",
        one_line: "optimised for Stable Diffusion 1, in 10 steps",
        sigmas: |stops| align_your_steps(&STABLE_DIFFUSION, stops.schedule, stops.steps),
    },
    SpacingInfo {
        name: "align_your_steps_xl",
        web_ui: None,
        diffusers: Some("StableDiffusionXLSigmas"),
        aliases: &["ays_xl"],
        paper: "Sabour et al. 2024, arXiv:2404.14507",
        one_line: "optimised for SDXL, in 10 steps",
        sigmas: |stops| align_your_steps(&STABLE_DIFFUSION_XL, stops.schedule, stops.steps),
    },
    SpacingInfo {
        name: "beta",
        web_ui: Some("Beta"),
        diffusers: None,
        aliases: &[],
        paper: "Lee et al. 2024, arXiv:2407.12173",
        one_line: "dense where the noise is little and where it is most",
        sigmas: |stops| beta(stops.schedule, stops.steps),
    },
    SpacingInfo {
        name: "lcm",
        web_ui: None,
        diffusers: None,
        aliases: &["distilled"],
        paper: "Luo et al. 2023, arXiv:2310.04378",
        one_line: "of the 50 timesteps that consistency models were distilled on",
        sigmas: |stops| distilled(stops.schedule, stops.steps),
    },
];

/// σ at timesteps.
fn visiting(spacing: TimestepSpacing, stops: Stops<'_>) -> Vec<f64> {
    let timesteps = timesteps(spacing, stops.schedule.len(), stops.steps);
    sigmas(stops.schedule, &timesteps, stops.final_sigma)
}

/// A curve of σ between the ends of the schedule.
fn between(stops: Stops<'_>, curve: impl Fn(f64, f64, usize) -> Vec<f64>) -> Vec<f64> {
    let schedule = stops.schedule;
    curve(schedule.sigma(0), schedule.sigma(schedule.len() - 1), stops.steps)
}
