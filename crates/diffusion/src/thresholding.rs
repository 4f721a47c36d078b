//! High guidance scales without burnt pictures.

use aquatint_tensor::Tensor;

use crate::weighted::weighted;
use crate::{Denoiser, Guidance, PredictionType, Schedule};

/// Dynamic thresholding: Imagen's (Saharia et al. 2022, arXiv:2205.11487, section 2.3), which clips
/// the denoised picture at a percentile of its values and divides by that, for latents, whose range
/// nobody knows. There the range is that of a picture guided at a scale that is known to be good,
/// each channel its own, about its mean: the rule of McMonkey's extension "Dynamic Thresholding"
/// (2022) of the web UI.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DynamicThresholding {
    /// Which part of the values stays, 0 to 1; what is above is clipped.
    pub percentile: f64,
    /// The scale whose range of values is kept to.
    pub mimic_scale: f64,
}

/// The denoiser of a guided network whose denoised pictures are thresholded.
pub struct Thresholded<'a> {
    /// The network. Its `rescale` is not used.
    pub guidance: &'a Guidance<'a>,
    /// The schedule it was trained with.
    pub schedule: &'a Schedule,
    /// What it predicts.
    pub prediction_type: PredictionType,
    /// How.
    pub thresholding: DynamicThresholding,
}

impl Denoiser for Thresholded<'_> {
    fn denoise(&self, x: &Tensor, sigma: f64) -> Tensor {
        let c = self.prediction_type.coefficients(sigma);
        let timesteps = vec![self.schedule.t(sigma) as f32; x.dim(0)];
        let (answers, scale) = self.guidance.ask(&x.scale(c.input as f32), &timesteps);
        let denoised = |scale: f64| weighted([(c.skip, x), (c.out, &answers.mixed(scale))]);
        let guided = denoised(scale);
        if !answers.guided() {
            return guided;
        }
        let DynamicThresholding { percentile, mimic_scale } = self.thresholding;
        thresholded(&guided, &denoised(mimic_scale), percentile)
    }

    fn schedule(&self) -> Option<&Schedule> {
        Some(self.schedule)
    }
}

/// `guided` `[N, .., C]` in the range of `mimic`.
fn thresholded(guided: &Tensor, mimic: &Tensor, percentile: f64) -> Tensor {
    let (channels, picture) = (guided.channels(), guided.len() / guided.dim(0));
    let (mut values, mimic) = (guided.to_vec(), mimic.to_vec());
    for (picture, mimic) in values.chunks_exact_mut(picture).zip(mimic.chunks_exact(picture)) {
        for channel in 0..channels {
            let own = || picture.iter().skip(channel).step_by(channels).map(|&v| f64::from(v));
            let range = centred(mimic.iter().skip(channel).step_by(channels).map(|&v| v.into())).1;
            let (mean, mut sizes) = centred(own());
            let kept = quantile(&mut sizes, percentile);
            let wanted = range.into_iter().fold(0.0, f64::max);
            let most = wanted.max(kept);
            if most > 0.0 {
                for value in picture.iter_mut().skip(channel).step_by(channels) {
                    let centred = (f64::from(*value) - mean).clamp(-most, most);
                    *value = (centred / most * wanted + mean) as f32;
                }
            }
        }
    }
    Tensor::new(values, guided.shape())
}

/// The mean, and how far each value is from it.
fn centred(values: impl Iterator<Item = f64>) -> (f64, Vec<f64>) {
    let mut values: Vec<f64> = values.collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter_mut().for_each(|value| *value = (*value - mean).abs());
    (mean, values)
}

/// The value that the part `q` of all is not above, straight between two of them.
fn quantile(values: &mut [f64], q: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let place = q * (values.len() - 1) as f64;
    let below = place as usize;
    let above = values.get(below + 1).copied().unwrap_or(values[below]);
    values[below] + (above - values[below]) * (place - below as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BetaSchedule, Condition, GuidanceInterval, MoreGuidance};

    /// Each of two channels of its own range, about its own mean.
    #[test]
    fn in_the_range_of_another() {
        let guided = Tensor::new(vec![0.0, 5.0, 4.0, 1.0, 8.0, 3.0, 8.0, 3.0], &[1, 2, 2, 2]);
        let mimic = Tensor::new(vec![1.0, 0.0, 2.0, 4.0, 3.0, 0.0, 2.0, 0.0], &[1, 2, 2, 2]);
        // First channel: mean 5, sizes 5 1 3 3, range 1: (x − 5) / 5 + 5. Second: mean 3, sizes
        // 2 2 0 0, range 3: (x − 3) / 3 · 3 + 3.
        let expected = [4.0, 5.0, 4.8, 1.0, 5.6, 3.0, 5.6, 3.0];
        let close =
            |a: &Tensor, b: &[f32]| a.to_vec().iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(close(&thresholded(&guided, &mimic, 1.0), &expected));
        // Half of the first channel's sizes are not above 3: −5 is clipped to that.
        let expected = [4.0, 5.0, 5.0 - 1.0 / 3.0, 1.0, 6.0, 3.0, 6.0, 3.0];
        assert!(close(&thresholded(&guided, &mimic, 0.5), &expected));
    }

    #[test]
    fn quantiles() {
        let mut values = [3.0, 1.0, 2.0, 5.0];
        assert_eq!([0.0, 0.5, 1.0].map(|q| quantile(&mut values, q)), [1.0, 2.5, 5.0]);
    }

    /// At its own scale and with nothing clipped, it changes nothing; beyond, it keeps the range.
    #[test]
    fn a_denoiser_that_keeps_the_range() {
        let answer = |xt: &Tensor, _: &[f32], conditions: &[Condition]| {
            let n = xt.dim(0) / conditions.len();
            let (x, width) = (xt.to_vec(), xt.len() / xt.dim(0));
            let prompt = |i: usize| conditions[i / width / n] == Condition::Prompt;
            Tensor::from_fn(xt.shape(), |i| if prompt(i) { x[i].sin() } else { -x[i].cos() })
        };
        let schedule = Schedule::new(BetaSchedule::Linear { start: 1e-4, end: 0.02 }, 1000);
        let x = Tensor::from_fn(&[1, 4, 4, 1], |i| i as f32 - 7.0);
        let range = |guidance_scale, mimic_scale: Option<f64>| -> Vec<f32> {
            let guidance = Guidance {
                conditioned: &answer,
                guidance_scale,
                interval: GuidanceInterval::ALL,
                more: MoreGuidance::default(),
            };
            let (network, prediction_type) = (&guidance, PredictionType::VPrediction);
            let denoised = match mimic_scale {
                None => crate::ModelDenoiser { network, schedule: &schedule, prediction_type }
                    .denoise(&x, 3.0),
                Some(mimic_scale) => Thresholded {
                    guidance: &guidance,
                    schedule: &schedule,
                    prediction_type,
                    thresholding: DynamicThresholding { percentile: 1.0, mimic_scale },
                }
                .denoise(&x, 3.0),
            };
            centred(denoised.to_vec().into_iter().map(f64::from))
                .1
                .iter()
                .map(|&v| v as f32)
                .collect()
        };
        let most = |values: Vec<f32>| values.into_iter().fold(0.0, f32::max);
        let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4);
        assert!(close(&range(7.0, None), &range(7.0, Some(7.0))));
        assert!((most(range(20.0, Some(7.0))) - most(range(7.0, None))).abs() < 1e-4);
        assert!(most(range(20.0, None)) > 2.0 * most(range(7.0, None)));
        // Without guidance there is nothing to threshold.
        assert!(close(&range(1.0, None), &range(1.0, Some(7.0))));
    }
}
