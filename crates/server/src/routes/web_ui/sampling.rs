//! How a request of the web UI is sampled: the sampler, the schedule, and the second pass.

use aquatint_diffusion::{SamplerInfo, SpacingInfo, samplers, spacing};
use aquatint_pipeline::{Hires, HiresSize, ListensTo, Outline};

use super::super::fields::Fields;
use crate::Refusal;
use crate::engine::Known;

/// The sampler, and the noise levels if they are not left to it and the model.
type Sampling = (&'static SamplerInfo, Option<&'static SpacingInfo>);

pub(super) fn sampling(fields: &Fields, known: &Known) -> Result<Sampling, Refusal> {
    let text = |name| Ok::<_, Refusal>(fields.text(name)?.filter(|text| !text.is_empty()));
    let name = text("sampler_name")?.or(text("sampler_index")?).unwrap_or("Euler");
    let (sampler, followed_by) = samplers::find_with_spacing(name)
        .map_err(|error| Refusal::invalid(format!("Sampler not found: {error}")))?;
    let schedule = text("scheduler")?.filter(|name| !name.eq_ignore_ascii_case("automatic"));
    let schedule = schedule.map(spacing::find).transpose();
    let schedule = schedule.map_err(|error| Refusal::invalid(error.to_string()))?;
    let habit = || automatic(sampler, known.outline.as_ref()?);
    Ok((sampler, schedule.or(followed_by).or_else(habit)))
}

/// What the web UI takes if nobody says which schedule. A model that was made for others than its
/// usual ones keeps its own.
fn automatic(sampler: &SamplerInfo, outline: &Outline) -> Option<&'static SpacingInfo> {
    if outline.scheduler.timestep_spacing == "trailing" || outline.listens_to != ListensTo::Words {
        return None;
    }
    let name = match sampler.name {
        "dpmpp_2m" | "dpmpp_sde" | "dpmpp_2s_ancestral" | "dpm2" | "dpm2_ancestral" | "restart" => {
            "karras"
        }
        "dpmpp_2m_sde" | "dpmpp_3m_sde" => "exponential",
        "euler" | "euler_ancestral" | "lms" | "heun" => "uniform",
        _ => return None,
    };
    spacing::find(name).ok()
}

/// The second pass, if there is to be one.
pub(super) fn hires(fields: &Fields) -> Result<Option<Hires>, Refusal> {
    if !fields.flag("enable_hr")?.unwrap_or(false) {
        return Ok(None);
    }
    let side = |name| Ok::<_, Refusal>(fields.count(name)?.filter(|&side| side > 0));
    let size = match (side("hr_resize_x")?, side("hr_resize_y")?) {
        (Some(width), Some(height)) => HiresSize::Pixels(width, height),
        (None, None) => HiresSize::Scale(fields.number("hr_scale")?.unwrap_or(2.0)),
        _ => return Err(Refusal::invalid("`hr_resize_x` and `hr_resize_y` go together")),
    };
    let upscaler = fields.text("hr_upscaler")?.unwrap_or("Latent");
    let upscaler = upscaler.parse().map_err(|_| {
        Refusal::invalid(format!(
            "`hr_upscaler` cannot be `{upscaler}`: Latent, Latent (nearest-exact) and Lanczos can"
        ))
    })?;
    let strength = fields.number("denoising_strength")?.unwrap_or(0.75);
    let steps = fields.count("hr_second_pass_steps")?.filter(|&steps| steps > 0);
    Ok(Some(Hires { size, strength, steps, upscaler }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_second_pass() {
        let hires = |json| hires(&Fields::of(json).expect("an object"));
        assert_eq!(hires(json!({"hr_scale": 3})), Ok(None));
        let second = hires(json!({"enable_hr": true, "hr_second_pass_steps": 0})).unwrap().unwrap();
        assert_eq!((second.size, second.strength), (HiresSize::Scale(2.0), 0.75));
        assert_eq!(second.steps, None);
        assert!(hires(json!({"enable_hr": true, "hr_upscaler": "ESRGAN"})).is_err());
        assert!(hires(json!({"enable_hr": true, "hr_resize_x": 64})).is_err());
    }
}
