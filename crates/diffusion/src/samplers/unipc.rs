//! Unified predictor-corrector: Zhao et al. 2023 (arXiv:2302.04867).

use aquatint_tensor::Tensor;

use super::exponential::{flow, time};
use super::walk::walk;
use crate::weighted::weighted;
use crate::{Denoiser, Watch};

/// What the corrector needs to know of the step that led to where it is.
struct Taken {
    /// x before the step, corrected itself.
    x: Tensor,
    /// D at σ, the step's beginning: the paper's m0.
    denoised: Tensor,
    /// r = (t − t_σ) / h < 0 and D at the level before σ, if the step was of second order.
    before: Option<(f64, Tensor)>,
    /// The step in t = −ln σ.
    h: f64,
}

/// UniPC-2 with B(h) = e^h − 1, the "bh2" of the authors' code, on D: what the denoiser sees at
/// the end of a step first corrects the step (UniC, Algorithm 1) and then predicts the next (UniP,
/// Algorithm 2). One call of the denoiser a step; third order. The step to 0 is of first order.
#[track_caller]
pub fn unipc(denoiser: &dyn Denoiser, x: Tensor, sigmas: &[f64], watch: &mut dyn Watch) -> Tensor {
    let mut taken: Option<Taken> = None;
    walk(x, sigmas, watch, |x, sigma, sigma_next| {
        let denoised = denoiser.denoise(x, sigma);
        let x = taken.as_ref().map_or_else(|| x.clone(), |step| corrected(step, &denoised));
        let h = time(sigma_next) - time(sigma);
        let before = taken.take().filter(|_| sigma_next > 0.0);
        let before = before.map(|step| (-step.h / h, step.denoised));
        let next = match &before {
            // UniP-2: ρ = ½ for the one difference, D1 = (m1 − m0) / r.
            Some((r, m1)) => {
                let of_d1 = 0.5 / r;
                flow(&x, &weighted([(1.0 - of_d1, &denoised), (of_d1, m1)]), h)
            }
            None => flow(&x, &denoised, h),
        };
        taken = Some(Taken { x, denoised: denoised.clone(), before, h });
        (next, denoised)
    })
}

/// UniC: the step taken again, now that `denoised` is known at its end.
#[track_caller]
fn corrected(step: &Taken, denoised: &Tensor) -> Tensor {
    let Taken { x, denoised: m0, before, h } = step;
    // Each D is m0 plus differences, whose weights ρ solve the paper's R ρ = b.
    let d_t = match before {
        None => weighted([(0.5, denoised), (0.5, m0)]),
        Some((r, m1)) => {
            let phi_1 = (-h).exp_m1();
            let phi_2 = phi_1 / -h - 1.0;
            let phi_3 = phi_2 / -h - 0.5;
            let (b_1, b_2) = (phi_2 / phi_1, 2.0 * phi_3 / phi_1);
            // ρ1 + ρ2 = b1 and r ρ1 + ρ2 = b2.
            let rho_1 = (b_1 - b_2) / (1.0 - r);
            let rho_2 = b_1 - rho_1;
            let of_m1 = rho_1 / r;
            weighted([(1.0 - of_m1 - rho_2, m0), (of_m1, m1), (rho_2, denoised)])
        }
    };
    flow(x, &d_t, *h)
}
