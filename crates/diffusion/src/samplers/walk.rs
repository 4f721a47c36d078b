//! The loop that all samplers share.

use aquatint_tensor::Tensor;

use crate::{Step, Watch};

/// Goes through neighbouring noise levels (σ, σ') with `step`, which answers the next x and what
/// the denoiser saw at σ. Stops where the watch says so.
///
/// # Panics
/// If there are fewer than two σ, if they grow, or if one that is not the last is 0.
#[track_caller]
pub(super) fn walk(
    mut x: Tensor,
    sigmas: &[f64],
    watch: &mut dyn Watch,
    mut step: impl FnMut(&Tensor, f64, f64) -> (Tensor, Tensor),
) -> Tensor {
    assert!(sigmas.len() > 1, "a run needs two noise levels, not {sigmas:?}");
    let falling = sigmas.windows(2).all(|pair| pair[0] >= pair[1] && pair[0] > 0.0);
    assert!(falling && sigmas[sigmas.len() - 1] >= 0.0, "noise levels must fall: {sigmas:?}");
    let total = sigmas.len() - 1;
    for (index, pair) in sigmas.windows(2).enumerate() {
        if watch.cancelled() {
            break;
        }
        let (next, denoised) = step(&x, pair[0], pair[1]);
        x = next;
        if watch.step(Step { index, total, sigma: pair[0], denoised: &denoised }).is_break() {
            break;
        }
    }
    x
}
