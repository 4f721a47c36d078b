//! How a prompt is followed.

use aquatint_pipeline::GenerateRequest;

/// How strongly, also where that changes on the way or is kept in bounds.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Guidance")]
pub struct GuidanceArgs {
    /// How strongly to follow the prompt; 1 is without guidance and half the work
    #[arg(long, value_name = "X", default_value_t = GenerateRequest::default().guidance_scale,
        allow_negative_numbers = true)]
    pub guidance_scale: f64,

    /// Guidance scale that changes from step to step: 7.5..3, cosine:7.5..3, or 2,7,7,4
    ///
    /// Two ends are joined by a straight line or half a cosine, a list by straight lines.
    #[arg(long, value_name = "CURVE", allow_hyphen_values = true)]
    pub guidance_curve: Option<String>,

    /// Bring guided pictures back to the contrast of unguided ones, 0 to 1 (Lin et al. 2024)
    #[arg(long, value_name = "PART", default_value_t = GenerateRequest::default().guidance_rescale,
        allow_negative_numbers = true)]
    pub guidance_rescale: f64,

    /// Clip what is beyond this part of the denoised values, 0 to 1, for high guidance scales
    ///
    /// What is left is brought to the range that --mimic-scale gives: dynamic thresholding of
    /// Saharia et al. 2022, for latents. 1 clips nothing and only sets the range.
    #[arg(long, value_name = "PART", allow_negative_numbers = true)]
    pub dynamic_thresholding: Option<f64>,

    /// Guidance scale whose range of values dynamic thresholding keeps to [default: 7]
    #[arg(
        long,
        value_name = "X",
        requires = "dynamic_thresholding",
        allow_negative_numbers = true
    )]
    pub mimic_scale: Option<f64>,
}

impl GuidanceArgs {
    /// The request with what is meant by it.
    pub fn apply(&self, request: GenerateRequest) -> GenerateRequest {
        GenerateRequest {
            guidance_scale: self.guidance_scale,
            guidance_curve: self.guidance_curve.clone(),
            guidance_rescale: self.guidance_rescale,
            dynamic_thresholding: self.dynamic_thresholding,
            mimic_scale: self.mimic_scale.unwrap_or(request.mimic_scale),
            ..request
        }
    }
}
