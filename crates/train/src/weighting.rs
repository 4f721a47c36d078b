//! What the third stage's loss may do beside the plain mean of squares.

use aquatint_diffusion::LossWeight;
use aquatint_tensor::{Rng, Tensor};
use serde::{Deserialize, Serialize};

use crate::part::Part;

/// The section `[task.loss]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossConfig {
    /// How much noise levels count: alike, by min-SNR, or by P2.
    pub weighting: Weighting,
    /// γ of the weighting: 5 for min-SNR and 1 for P2 if it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gamma: Option<f64>,
    /// k of P2: 1 if it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub k: Option<f64>,
    /// How much of the noise is one number for each channel of a picture, so that the network
    /// learns to change the mean colour: 0.1 is common (Guttenberg 2023, "Diffusion with offset
    /// noise").
    pub offset_noise: f64,
}

/// The key `task.loss.weighting`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weighting {
    /// [`LossWeight::Even`]
    #[default]
    Even,
    /// [`LossWeight::MinSnr`]
    MinSnr,
    /// [`LossWeight::P2`]
    P2,
}

impl LossConfig {
    /// The plain loss.
    pub(crate) fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// Says what is wrong with the section.
    pub(crate) fn validate(&self) -> Result<(), String> {
        let Self { weighting, gamma, k, offset_noise } = self;
        for (key, value, there) in
            [("gamma", gamma, *weighting != Weighting::Even), ("k", k, *weighting == Weighting::P2)]
        {
            let Some(value) = value else { continue };
            if !there {
                let whose = if key == "k" { "\"p2\"" } else { "\"min-snr\" or \"p2\"" };
                return Err(format!("`task.loss.{key}` is for `task.loss.weighting = {whose}`"));
            }
            if !(value.is_finite() && *value > 0.0) {
                return Err(format!("`task.loss.{key}` is {value}; it must be above 0"));
            }
        }
        if !(0.0..=1.0).contains(offset_noise) {
            return Err(format!("`task.loss.offset_noise` is {offset_noise}, not 0 to 1"));
        }
        Ok(())
    }

    /// The rule.
    pub(crate) fn weight(&self) -> LossWeight {
        match self.weighting {
            Weighting::Even => LossWeight::Even,
            Weighting::MinSnr => LossWeight::MinSnr { gamma: self.gamma.unwrap_or(5.0) },
            Weighting::P2 => {
                LossWeight::P2 { gamma: self.gamma.unwrap_or(1.0), k: self.k.unwrap_or(1.0) }
            }
        }
    }

    /// The noise for a part's pictures, of `shape` `[N, h, w, C]`.
    pub(crate) fn noise(&self, shape: &[usize], part: Part, rng: &mut Rng) -> Tensor {
        let noise = part.randn(shape, rng);
        if self.offset_noise == 0.0 {
            return noise;
        }
        let [n, h, w, channels] = *shape else { panic!("latents of shape {shape:?}") };
        let offsets = part.randn(&[n, channels], rng).scale(self.offset_noise as f32).to_vec();
        let mut values = noise.to_vec();
        for (picture, offsets) in
            values.chunks_exact_mut(h * w * channels).zip(offsets.chunks_exact(channels))
        {
            for pixel in picture.chunks_exact_mut(channels) {
                pixel.iter_mut().zip(offsets).for_each(|(value, offset)| *value += offset);
            }
        }
        Tensor::new(values, shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> LossConfig {
        toml::from_str(text).expect("TOML")
    }

    #[test]
    fn the_papers_numbers_are_taken_if_none_are_given() {
        assert_eq!(of("weighting = \"min-snr\"").weight(), LossWeight::MinSnr { gamma: 5.0 });
        assert_eq!(of("weighting = \"p2\"").weight(), LossWeight::P2 { gamma: 1.0, k: 1.0 });
        assert!(of("").is_plain() && of("").weight() == LossWeight::Even);
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for (text, message) in [
            (
                "gamma = 5.0",
                "`task.loss.gamma` is for `task.loss.weighting = \"min-snr\" or \"p2\"`",
            ),
            (
                "weighting = \"min-snr\"\nk = 1.0",
                "`task.loss.k` is for `task.loss.weighting = \"p2\"`",
            ),
            ("weighting = \"p2\"\ngamma = 0.0", "`task.loss.gamma` is 0; it must be above 0"),
            ("offset_noise = 1.5", "`task.loss.offset_noise` is 1.5, not 0 to 1"),
        ] {
            assert_eq!(of(text).validate(), Err(message.to_owned()));
        }
        assert_eq!(of("weighting = \"p2\"\ngamma = 0.5\nk = 2.0").validate(), Ok(()));
    }

    /// Offsets are the same at all places of a channel, and parts see their own.
    #[test]
    fn offsets_are_of_channels() {
        let shape = [4, 5, 5, 2];
        let noise = |config: &str, part, shape: &[usize]| {
            of(config).noise(shape, part, &mut Rng::new(3)).to_vec()
        };
        let plain = noise("", Part::WHOLE, &shape);
        let offset = noise("offset_noise = 0.5", Part::WHOLE, &shape);
        let moved: Vec<f32> = offset.iter().zip(&plain).map(|(a, b)| a - b).collect();
        for picture in moved.chunks(50) {
            assert!(picture[0] != 0.0 && picture[0] != picture[1]);
            assert!(
                picture.chunks(2).all(|p| {
                    (p[0] - picture[0]).abs() < 1e-5 && (p[1] - picture[1]).abs() < 1e-5
                })
            );
        }
        let halves =
            [0, 1].map(|index| noise("offset_noise = 0.5", Part { index, of: 2 }, &[2, 5, 5, 2]));
        assert_eq!(halves.concat(), offset);
    }
}
