//! Noise that belongs to an interval of σ: the increments of one Brownian motion W(σ).
//!
//! A sampler of a stochastic equation that looks ahead asks for the noise between σ and two other
//! levels. These are not independent, and what they have in common is what makes the method one of
//! a higher order. [`Tree`] adds that a seed stands for a whole path: with more or other steps,
//! the same path is only looked at elsewhere, so that pictures stay alike.

mod seed_sequence;
mod tree;

use aquatint_tensor::Tensor;

pub use self::tree::Tree;
use crate::NoiseSource;

/// A Brownian motion over the noise levels of a run.
pub trait BrownianMotion {
    /// W(`high`) − W(`low`) for a tensor of this shape `[N, ..]`.
    fn increment(&mut self, shape: &[usize], low: f64, high: f64) -> Tensor;
}

/// The Brownian motion of one run: that of the source, or one made of its noise.
pub(crate) enum Brownian<'a> {
    /// The source has its own.
    Path(Box<dyn BrownianMotion>),
    /// New noise for every new level, going down.
    Drawn {
        /// Where it comes from.
        noise: &'a mut dyn NoiseSource,
        /// (σ, W(σ)) as far as it may be asked for again, lowest last.
        known: Vec<(f64, Tensor)>,
    },
}

impl<'a> Brownian<'a> {
    /// For a run through these levels.
    pub(crate) fn new(noise: &'a mut dyn NoiseSource, sigmas: &[f64]) -> Self {
        let positive = || sigmas.iter().copied().filter(|&sigma| sigma > 0.0);
        let low = positive().fold(f64::INFINITY, f64::min);
        match noise.brownian(low, positive().fold(0.0, f64::max)) {
            Some(path) => Self::Path(path),
            None => Self::Drawn { noise, known: Vec::new() },
        }
    }

    /// The noise between σ and a lower σ', N(0, I): (W(σ') − W(σ)) / √(σ − σ'), as k-diffusion
    /// has it.
    #[track_caller]
    pub(crate) fn noise(&mut self, shape: &[usize], sigma: f64, sigma_next: f64) -> Tensor {
        let root = (sigma - sigma_next).sqrt();
        match self {
            Self::Path(path) => {
                path.increment(shape, sigma_next, sigma).scale((-1.0 / root) as f32)
            }
            Self::Drawn { noise, known } => {
                // Nobody asks for what lies above again.
                known.retain(|(level, _)| *level <= sigma);
                if known.is_empty() {
                    known.push((sigma, Tensor::zeros(shape)));
                }
                assert_eq!(known[0].0, sigma, "a level between those that are known");
                if known.iter().all(|(level, _)| *level != sigma_next) {
                    let (lowest, w) = &known[known.len() - 1];
                    assert!(sigma_next < *lowest, "a level between those that are known");
                    let spread = (lowest - sigma_next).sqrt();
                    let w = w.add(&noise.noise(shape).scale(spread as f32));
                    known.push((sigma_next, w));
                }
                let at = |sigma: f64| &known.iter().find(|(s, _)| *s == sigma).expect("known").1;
                at(sigma_next).sub(at(sigma)).scale((1.0 / root) as f32)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use aquatint_tensor::Rng;

    use super::*;

    /// Two stages of a step: the second noise is made of the first and of what lies below it.
    #[test]
    fn noise_of_nested_intervals() {
        let mut rng = Rng::new(3);
        let mut draws = rng.clone();
        let mut brownian = Brownian::new(&mut rng, &[5.0, 1.0, 0.5, 0.0]);
        let first = brownian.noise(&[4], 5.0, 4.0).to_vec();
        let both = brownian.noise(&[4], 5.0, 1.0).to_vec();
        let below = brownian.noise(&[4], 1.0, 0.5).to_vec();
        let [a, b, c] = [(); 3].map(|()| draws.randn(&[4]).to_vec());
        for i in 0..4 {
            let expected = [a[i], (a[i] + 3f32.sqrt() * b[i]) / 2.0, c[i]];
            for (x, e) in [first[i], both[i], below[i]].iter().zip(expected) {
                assert!((x - e).abs() < 1e-6, "{x} is not {e}");
            }
        }
    }
}
