//! `scheduler_config.json`: the noise schedule that a model was trained with.

use aquatint_diffusion::spacing;
use aquatint_diffusion::{
    BetaSchedule, FinalSigma, PredictionType, SamplerInfo, Schedule, SpacingInfo, Stops,
    TimestepSpacing,
};
use serde::{Deserialize, Serialize};

/// diffusers' configuration of a scheduler: the part that is about the model. Which rule takes the
/// steps is the request's business here, so `_class_name` says nothing; neither do `clip_sample`
/// and `thresholding`, which are for pixels and not for latents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SchedulerConfig {
    /// The scheduler that diffusers takes if nobody says otherwise.
    #[serde(rename = "_class_name")]
    pub class_name: String,
    /// Timesteps of the training, the papers' T.
    pub num_train_timesteps: usize,
    /// β of the first timestep.
    pub beta_start: f64,
    /// β of the last timestep.
    pub beta_end: f64,
    /// `linear`, `scaled_linear` or `squaredcos_cap_v2`.
    pub beta_schedule: String,
    /// All β, instead of the three keys above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trained_betas: Option<Vec<f64>>,
    /// What the U-Net predicts: `epsilon`, `v_prediction` or `sample`; or `flow_prediction`, and
    /// then the schedule is [`Schedule::flow`], whatever the betas are.
    pub prediction_type: String,
    /// Which timesteps a run visits: `leading`, `trailing` or `linspace`.
    pub timestep_spacing: String,
    /// Moves `leading` timesteps up.
    pub steps_offset: usize,
    /// Whether a run ends without noise, or with that of the first timestep.
    pub set_alpha_to_one: bool,
    /// Whether predicted pictures are clipped to [−1, 1]; must not be, for latents.
    pub clip_sample: bool,
    /// Whether ᾱ is rescaled so that the last timestep is pure noise.
    #[serde(skip_serializing_if = "is_false")]
    pub rescale_betas_zero_snr: bool,
}

/// Below, 1 − β rounds to 1 and a timestep is without noise; above, it is without a picture.
const BETAS: std::ops::RangeInclusive<f64> = 1e-12..=0.9999;

fn is_false(value: &bool) -> bool {
    !value
}

impl Default for SchedulerConfig {
    fn default() -> Self {
        Self {
            class_name: "DDIMScheduler".into(),
            num_train_timesteps: 1000,
            beta_start: 0.0001,
            beta_end: 0.02,
            beta_schedule: "linear".into(),
            trained_betas: None,
            prediction_type: "epsilon".into(),
            timestep_spacing: "leading".into(),
            steps_offset: 0,
            set_alpha_to_one: true,
            clip_sample: false,
            rescale_betas_zero_snr: false,
        }
    }
}

impl SchedulerConfig {
    /// Tells what we cannot do.
    ///
    /// # Errors
    /// A sentence that names the key.
    pub fn validate(&self) -> Result<(), String> {
        if !(1..=100_000).contains(&self.num_train_timesteps) {
            return Err(format!("num_train_timesteps = {} is absurd", self.num_train_timesteps));
        }
        let ends = [self.beta_start, self.beta_end];
        let betas = self.trained_betas.as_deref().unwrap_or(&ends);
        if let Some(beta) = betas.iter().find(|beta| !BETAS.contains(*beta)) {
            let (least, most) = (BETAS.start(), BETAS.end());
            return Err(format!("a beta of {beta} is not between {least:e} and {most}"));
        }
        if self.trained_betas.as_ref().is_some_and(|b| b.len() != self.num_train_timesteps) {
            return Err(format!("trained_betas are not {} values", self.num_train_timesteps));
        }
        let schedule = self.schedule()?;
        if !schedule.sigma(schedule.len() - 1).is_finite() {
            return Err("the betas leave nothing of a picture at the last timestep".into());
        }
        self.prediction_type()?;
        self.spacing().map(|_| ())
    }

    /// The noise schedule.
    ///
    /// # Errors
    /// If its name is unknown.
    pub fn schedule(&self) -> Result<Schedule, String> {
        let schedule = match &self.trained_betas {
            _ if self.prediction_type()? == PredictionType::Flow => {
                return Ok(Schedule::flow(self.num_train_timesteps));
            }
            Some(betas) => Schedule::from_betas(betas.clone()),
            None => Schedule::new(self.betas()?, self.num_train_timesteps),
        };
        Ok(if self.rescale_betas_zero_snr { schedule.rescaled_to_zero_snr() } else { schedule })
    }

    /// What the U-Net predicts.
    ///
    /// # Errors
    /// If its name is unknown.
    pub fn prediction_type(&self) -> Result<PredictionType, String> {
        PredictionType::named(&self.prediction_type)
            .ok_or_else(|| unknown("prediction_type", &self.prediction_type))
    }

    /// The noise levels that a run of `steps` visits, the last one included.
    ///
    /// # Errors
    /// If the name of the spacing is unknown.
    ///
    /// # Panics
    /// If there are more steps than timesteps.
    pub fn sigmas(&self, schedule: &Schedule, steps: usize) -> Result<Vec<f64>, String> {
        let timesteps = spacing::timesteps(self.spacing()?, schedule.len(), steps);
        Ok(spacing::sigmas(schedule, &timesteps, self.final_sigma()))
    }

    /// The noise levels that a run of `steps` with this sampler visits, in this spacing. Without
    /// one it is that of the models that the sampler is for, if it is for some, and else the
    /// model's own.
    ///
    /// # Errors
    /// If the name of the model's spacing is unknown.
    ///
    /// # Panics
    /// If there are more steps than timesteps.
    pub fn sigmas_for(
        &self,
        sampler: &SamplerInfo,
        spacing: Option<&SpacingInfo>,
        schedule: &Schedule,
        steps: usize,
    ) -> Result<Vec<f64>, String> {
        let own = sampler.spacing.unwrap_or(&self.timestep_spacing);
        let unknown = |_| unknown("timestep_spacing", own);
        let spacing = spacing.map_or_else(|| spacing::find(own).map_err(unknown), Ok)?;
        let final_sigma = sampler.final_sigma.unwrap_or_else(|| self.final_sigma());
        let steps_offset = self.steps_offset;
        Ok(spacing.sigmas(Stops { schedule, steps, steps_offset, final_sigma }))
    }

    fn final_sigma(&self) -> FinalSigma {
        if self.set_alpha_to_one { FinalSigma::Zero } else { FinalSigma::FirstTimestep }
    }

    fn betas(&self) -> Result<BetaSchedule, String> {
        BetaSchedule::named(&self.beta_schedule, self.beta_start, self.beta_end)
            .ok_or_else(|| unknown("beta_schedule", &self.beta_schedule))
    }

    fn spacing(&self) -> Result<TimestepSpacing, String> {
        TimestepSpacing::named(&self.timestep_spacing, self.steps_offset)
            .ok_or_else(|| unknown("timestep_spacing", &self.timestep_spacing))
    }
}

fn unknown(key: &str, value: &str) -> String {
    format!("{key} = \"{value}\" is not supported")
}

#[cfg(test)]
mod tests {
    use aquatint_diffusion::samplers;

    use super::*;

    #[test]
    fn stable_diffusion_as_published() {
        let json = r#"{"_class_name": "PNDMScheduler", "_diffusers_version": "0.6.0",
            "beta_end": 0.012, "beta_schedule": "scaled_linear", "beta_start": 0.00085,
            "num_train_timesteps": 1000, "set_alpha_to_one": false, "skip_prk_steps": true,
            "steps_offset": 1, "trained_betas": null, "clip_sample": false}"#;
        let config: SchedulerConfig = serde_json::from_str(json).expect("JSON");
        assert_eq!(config.validate(), Ok(()));
        let schedule = config.schedule().expect("known");
        let sigmas = config.sigmas(&schedule, 50).expect("known");
        assert_eq!(sigmas.len(), 51);
        assert_eq!((sigmas[0], sigmas[50]), (schedule.sigma(981), schedule.sigma(0)));
    }

    /// Each as in diffusers: DDIM asks the model where to end, Euler ends at 0, DEIS never does.
    #[test]
    fn levels_by_sampler_and_name() {
        let json = r#"{"beta_end": 0.012, "beta_schedule": "scaled_linear", "beta_start": 0.00085,
            "set_alpha_to_one": false, "steps_offset": 1}"#;
        let config: SchedulerConfig = serde_json::from_str(json).expect("JSON");
        let schedule = config.schedule().expect("known");
        let ends = |sampler: &str, name: Option<&str>| {
            let sampler = samplers::find(sampler).expect("a sampler");
            let name = name.map(|name| spacing::find(name).expect("a spacing"));
            let sigmas = config.sigmas_for(sampler, name, &schedule, 4).expect("a spacing");
            assert_eq!(sigmas.len(), 5);
            (sigmas[0], sigmas[4])
        };
        let at = |t| schedule.sigma(t);
        assert_eq!(ends("ddim", None), (at(751), at(0)));
        assert_eq!(ends("euler", None), (at(751), 0.0));
        assert_eq!(ends("DEIS", Some("trailing")), (at(999), at(0)));
        assert_eq!(ends("lcm", None), (at(999), 0.0));
        assert_eq!(ends("lcm", Some("leading")), (at(751), 0.0));
        let (first, last) = ends("DPM++ 2M", Some("Karras"));
        assert!((first / at(999) - 1.0).abs() < 1e-12 && last == 0.0, "{first}, {last}");
    }

    #[test]
    fn rescaled_to_pure_noise() {
        let json = r#"{"rescale_betas_zero_snr": true, "prediction_type": "v_prediction",
            "timestep_spacing": "trailing"}"#;
        let config: SchedulerConfig = serde_json::from_str(json).expect("JSON");
        assert_eq!(config.validate(), Ok(()));
        let schedule = config.schedule().expect("known");
        let sigmas = config.sigmas(&schedule, 10).expect("known");
        assert!((sigmas[0] - 4096.0).abs() < 1e-3, "{sigmas:?}");
    }

    #[test]
    fn what_we_cannot_do_is_named() {
        for (json, said) in [
            (r#"{"beta_schedule": "sigmoid"}"#, "beta_schedule = \"sigmoid\""),
            (r#"{"prediction_type": "flow"}"#, "prediction_type = \"flow\""),
            (r#"{"timestep_spacing": "odd"}"#, "timestep_spacing = \"odd\""),
            (r#"{"num_train_timesteps": 0}"#, "num_train_timesteps = 0"),
            (r#"{"beta_end": 1.5}"#, "a beta of 1.5 is not between 1e-12 and 0.9999"),
            (r#"{"beta_start": 1e-17}"#, "is not between 1e-12 and 0.9999"),
            (r#"{"beta_start": 0.9, "beta_end": 0.9}"#, "nothing of a picture"),
            (r#"{"trained_betas": [0.1]}"#, "trained_betas are not 1000 values"),
        ] {
            let config: SchedulerConfig = serde_json::from_str(json).expect("JSON");
            let error = config.validate().expect_err(json);
            assert!(error.contains(said), "{json}: {error}");
        }
    }
}
