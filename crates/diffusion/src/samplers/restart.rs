//! Restart sampling: Xu et al. 2023 (arXiv:2306.14878).

use aquatint_tensor::Tensor;

use super::euler_ancestral::renewed;
use super::heun::heun_step;
use super::walk::walk_pairs;
use crate::{Denoiser, NoiseSource, Watch, spacing};

/// Going up again on the way down.
#[derive(Clone, Debug, PartialEq)]
pub struct Restart {
    /// Which of the run's σ is the paper's t_min: where to go up from.
    pub after: usize,
    /// The σ on the way down again, from t_max to t_min.
    pub sigmas: Vec<f64>,
    /// How often, the paper's K.
    pub times: usize,
}

/// The paper's Restart: [`super::heun()`]'s steps down, and wherever there is a [`Restart`], noise
/// is added up to t_max and the way to t_min walked once more. New noise forgets the errors made
/// so far, small steps make few new ones. Two calls of the denoiser a step.
#[track_caller]
pub fn restart(
    denoiser: &dyn Denoiser,
    x: Tensor,
    sigmas: &[f64],
    restarts: &[Restart],
    noise: &mut dyn NoiseSource,
    watch: &mut dyn Watch,
) -> Tensor {
    let falling = |s: &[f64]| s.windows(2).all(|pair| pair[0] > pair[1] && pair[0] > 0.0);
    assert!(sigmas.len() > 1, "a run needs two noise levels, not {sigmas:?}");
    assert!(falling(sigmas), "noise levels must fall: {sigmas:?}");
    let pairs_of = |s: &[f64]| s.windows(2).map(|p| (p[0], p[1])).collect::<Vec<_>>();
    let mut pairs = Vec::new();
    for (index, pair) in pairs_of(sigmas).into_iter().enumerate() {
        pairs.push(pair);
        for restart in restarts.iter().filter(|restart| restart.after == index + 1) {
            assert!(falling(&restart.sigmas), "noise levels must fall: {:?}", restart.sigmas);
            pairs.extend(pairs_of(&restart.sigmas).repeat(restart.times));
        }
    }
    let mut at = sigmas[0];
    walk_pairs(x, &pairs, watch, |x, sigma, sigma_next| {
        let up = (sigma * sigma - at * at).max(0.0).sqrt();
        let x = renewed(x.clone(), up, noise);
        at = sigma_next;
        heun_step(denoiser, &x, sigma, sigma_next)
    })
}

/// The web UI's habit, which keeps the number of steps: from 20 steps on, nine of them are used to
/// go from σ = 2 to 0.1 a second time; from 36 on, a quarter of them a second and a third time.
/// The rest is spread anew between the ends of `sigmas`, as Karras et al. would.
pub fn restarts(sigmas: &[f64]) -> (Vec<f64>, Vec<Restart>) {
    const RHO: f64 = 7.0;
    let steps = sigmas.len() - 1;
    let (each, times) = match steps {
        ..20 => (0, 0),
        20..36 => (9, 1),
        36.. => (steps / 4, 2),
    };
    let mut all = sigmas.to_vec();
    all.dedup();
    if times == 0 || all.len() <= steps {
        return (all, Vec::new());
    }
    let main = steps - each * times;
    let mut anew = match sigmas[steps] {
        0.0 => spacing::karras(sigmas[steps - 1], sigmas[0], main, RHO),
        last => spacing::karras(last, sigmas[0], main + 1, RHO),
    };
    anew.truncate(main + 1);
    let nearest = |wanted: f64| {
        let distance = |i: &usize| (anew[*i] - wanted).abs();
        let positive = (0..=main).filter(|&i| anew[i] > 0.0);
        positive.min_by(|i, j| distance(i).total_cmp(&distance(j))).expect("levels")
    };
    let (low, high) = (nearest(0.1), nearest(2.0));
    if high >= low {
        return (all, Vec::new());
    }
    let mut again = spacing::karras(anew[low], anew[high], each + 1, RHO);
    again.truncate(each + 1);
    // To the last bit, so that there is nothing to add where the ways meet.
    (again[0], again[each]) = (anew[high], anew[low]);
    (anew, vec![Restart { after: low, sigmas: again, times }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_steps_is_kept() {
        for steps in [1, 19, 20, 30, 36, 50, 100] {
            for lowest in [0.03, 0.3] {
                let (sigmas, restarts) = restarts(&spacing::karras(lowest, 14.6, steps, 7.0));
                let again: usize = restarts.iter().map(|r| r.times * (r.sigmas.len() - 1)).sum();
                assert_eq!(sigmas.len() - 1 + again, steps);
                assert_eq!(restarts.is_empty(), steps < 20);
                for restart in restarts {
                    assert!((restart.sigmas[0] - 2.0).abs() < 0.7, "{restart:?}");
                    assert_eq!(restart.sigmas.last(), Some(&sigmas[restart.after]));
                }
            }
        }
    }
}
