//! The loop that all samplers share.

use aquatint_tensor::Tensor;

use crate::{Step, Watch};

/// Goes through neighbouring noise levels (σ, σ') with `step`, which answers the next x and what
/// the denoiser saw at σ. Stops where the watch says so. Levels that repeat are visited once, so
/// that no step divides by its length of nothing.
///
/// # Panics
/// If there are fewer than two σ, if they grow, or if one that is not the last is 0.
#[track_caller]
pub(super) fn walk(
    x: Tensor,
    sigmas: &[f64],
    watch: &mut dyn Watch,
    step: impl FnMut(&Tensor, f64, f64) -> (Tensor, Tensor),
) -> Tensor {
    assert!(sigmas.len() > 1, "a run needs two noise levels, not {sigmas:?}");
    let falling = sigmas.windows(2).all(|pair| pair[0] >= pair[1] && pair[0] > 0.0);
    assert!(falling && sigmas[sigmas.len() - 1] >= 0.0, "noise levels must fall: {sigmas:?}");
    let mut pairs: Vec<_> = sigmas.windows(2).map(|pair| (pair[0], pair[1])).collect();
    pairs.retain(|(sigma, sigma_next)| sigma > sigma_next);
    walk_pairs(x, &pairs, watch, step)
}

/// The same through any (σ, σ'), whose σ need not be the σ' before it.
pub(super) fn walk_pairs(
    mut x: Tensor,
    pairs: &[(f64, f64)],
    watch: &mut dyn Watch,
    mut step: impl FnMut(&Tensor, f64, f64) -> (Tensor, Tensor),
) -> Tensor {
    for (index, &(sigma, sigma_next)) in pairs.iter().enumerate() {
        if watch.cancelled() {
            break;
        }
        let (next, denoised) = step(&x, sigma, sigma_next);
        x = next;
        let step = Step { index, total: pairs.len(), sigma, denoised: &denoised };
        if watch.step(step).is_break() {
            break;
        }
    }
    x
}
