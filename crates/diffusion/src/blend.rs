//! In-painting with any denoiser: what is to be kept is put back at every step, with the noise of
//! that step (Lugmayr et al. 2022, arXiv:2201.09865, eq. 8, without its repetitions; "blended
//! diffusion" in Avrahami et al. 2022, arXiv:2111.14818).

use aquatint_tensor::Tensor;

use crate::{Denoiser, Schedule};

/// A denoiser that knows a part of the answer.
///
/// It sees m·x + (1 − m)·(x0 + σ ε), so that what is made sees what is kept as it would be at this
/// noise; and it answers m·D + (1 − m)·x0, so that every sampler goes straight to what is kept.
pub struct Blend<'a> {
    /// Who guesses the rest.
    pub denoiser: &'a dyn Denoiser,
    /// The data whose part is kept: x0 `[N, ..]`.
    pub known: &'a Tensor,
    /// Its noise: ε, of the same shape.
    pub noise: &'a Tensor,
    /// 1 where data is to be made, 0 where it is kept; of the same shape.
    pub mask: &'a Tensor,
}

impl Blend<'_> {
    /// m·made + (1 − m)·kept, exactly `kept` where m is 0 and `made` where it is 1.
    pub fn blend(&self, made: &Tensor, kept: &Tensor) -> Tensor {
        let keep = self.mask.scale(-1.0).add_scalar(1.0);
        self.mask.mul(made).add(&keep.mul(kept))
    }
}

impl Denoiser for Blend<'_> {
    fn denoise(&self, x: &Tensor, sigma: f64) -> Tensor {
        let noisy = self.known.add(&self.noise.scale(sigma as f32));
        let made = self.denoiser.denoise(&self.blend(x, &noisy), sigma);
        self.blend(&made, self.known)
    }

    fn schedule(&self) -> Option<&Schedule> {
        self.denoiser.schedule()
    }
}

#[cfg(test)]
mod tests {
    use aquatint_tensor::{Rng, RngKind};

    use super::*;
    use crate::{Noise, Run, SAMPLERS};

    /// With every sampler, the kept half ends as it was known and the other half as if the kept
    /// one had not been there: the denoiser of N(0, 1) looks at each number alone.
    #[test]
    fn what_is_known_is_kept_by_every_sampler() {
        let denoiser = |x: &Tensor, sigma: f64| x.scale((1.0 / (1.0 + sigma * sigma)) as f32);
        let shape = [1, 2, 2, 2];
        let known = Tensor::from_fn(&shape, |i| i as f32 - 3.0);
        let mask = Tensor::from_fn(&shape, |i| if i < 4 { 1.0 } else { 0.0 });
        let sigmas = [14.0, 7.0, 3.0, 1.0, 0.3, 0.0];
        for sampler in SAMPLERS {
            let run = |blended: bool| {
                let noise = Rng::new(3).randn(&shape);
                let blend =
                    Blend { denoiser: &denoiser, known: &known, noise: &noise, mask: &mask };
                let denoiser: &dyn Denoiser = if blended { &blend } else { &denoiser };
                let mut source = Noise::new(RngKind::TorchCpu, &[5]).expect("a short seed");
                let run = Run {
                    denoiser,
                    sigmas: &sigmas,
                    eta: None,
                    noise: &mut source,
                    watch: &mut (),
                };
                sampler.sample_from(known.add(&noise.scale(14.0)), run).to_vec()
            };
            let (blended, free, known) = (run(true), run(false), known.to_vec());
            for i in 0..8 {
                let expected = if i < 4 { free[i] } else { known[i] };
                let difference = (blended[i] - expected).abs();
                assert!(difference < 1e-4, "{}: {} at {i}", sampler.name, blended[i]);
            }
        }
    }

    /// What is made sees the kept part with the noise of the step.
    #[test]
    fn the_denoiser_sees_known_data_with_noise() {
        let seen = std::cell::RefCell::new(Vec::new());
        let denoiser = |x: &Tensor, _: f64| {
            seen.borrow_mut().extend(x.to_vec());
            x.scale(0.0)
        };
        let [known, noise] = [[1.0, 2.0], [0.5, -0.5]].map(|x| Tensor::new(x.to_vec(), &[1, 2]));
        let mask = Tensor::new(vec![1.0, 0.0], &[1, 2]);
        let blend = Blend { denoiser: &denoiser, known: &known, noise: &noise, mask: &mask };
        let answer = blend.denoise(&Tensor::new(vec![9.0, 9.0], &[1, 2]), 4.0);
        assert_eq!((seen.take(), answer.to_vec()), (vec![9.0, 0.0], vec![0.0, 2.0]));
    }
}
