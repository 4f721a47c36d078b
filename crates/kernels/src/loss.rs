//! Cross-entropy, and rows brought to length one: CLIP's contrastive loss is made of both.

use crate::parallel;
use crate::reduce::dot;

/// The mean over rows of `-log softmax(logits)[target]`, logits `[rows, cols]`, a target for each
/// row. `probs_out` `[rows, cols]` receives the softmax, which the gradient needs.
///
/// # Panics
/// If a length is wrong, a target is not below `cols`, or there is no row.
#[track_caller]
pub fn cross_entropy(
    logits: &[f32],
    targets: &[usize],
    probs_out: &mut [f32],
    [rows, cols]: [usize; 2],
) -> f32 {
    check_targets(targets, [logits.len(), probs_out.len()], [rows, cols]);
    // Formed in f64, which costs nothing beside the products that made the logits.
    let row_loss = |row: usize, probs: &mut [f32]| -> f64 {
        let logits = &logits[row * cols..][..cols];
        let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let above_max = |logit: f32| f64::from(logit) - f64::from(max);
        let total: f64 = logits.iter().map(|&l| above_max(l).exp()).sum();
        for (p, &l) in probs.iter_mut().zip(logits) {
            *p = (above_max(l).exp() / total) as f32;
        }
        total.ln() - above_max(logits[targets[row]])
    };
    let mut losses = vec![0.0; rows];
    parallel::chunks2((probs_out, cols), (&mut losses, 1), |row, probs, loss| {
        loss[0] = row_loss(row, probs);
    });
    (losses.iter().sum::<f64>() / rows as f64) as f32
}

/// `dlogits = dy · (probs - onehot(target)) / rows`: the gradient of [`cross_entropy`], with the
/// `probs` it left.
#[track_caller]
pub fn cross_entropy_grad(
    probs: &[f32],
    targets: &[usize],
    dy: f32,
    dlogits: &mut [f32],
    [rows, cols]: [usize; 2],
) {
    check_targets(targets, [probs.len(), dlogits.len()], [rows, cols]);
    let share = dy / rows as f32;
    parallel::chunks(dlogits, cols, |row, dlogits| {
        let (probs, target) = (&probs[row * cols..][..cols], targets[row]);
        for (d, &p) in dlogits.iter_mut().zip(probs) {
            *d = share * p;
        }
        dlogits[target] = share * (probs[target] - 1.0);
    });
}

#[track_caller]
fn check_targets(targets: &[usize], lengths: [usize; 2], [rows, cols]: [usize; 2]) {
    assert!(rows > 0 && cols > 0, "cross-entropy of [{rows}, {cols}]");
    assert_eq!(lengths, [rows * cols; 2], "cross-entropy of [{rows}, {cols}]: lengths");
    assert_eq!(targets.len(), rows, "cross-entropy: a target for each row");
    assert!(targets.iter().all(|&t| t < cols), "cross-entropy: a target is not below {cols}");
}

/// Rows shorter than this are divided by this instead, as in `torch.nn.functional.normalize`.
const SHORTEST: f32 = 1e-12;

/// `out[r] = x[r] / |x[r]|`, x and out `[rows, cols]`; `norms` `[rows]` receives the divisors.
#[track_caller]
pub fn l2_normalize(x: &[f32], out: &mut [f32], norms: &mut [f32], [rows, cols]: [usize; 2]) {
    check_rows([x.len(), out.len()], norms.len(), [rows, cols]);
    parallel::chunks2((out, cols), (norms, 1), |row, out, norm| {
        let (x, norm) = (&x[row * cols..][..cols], &mut norm[0]);
        let length = dot(x, x).sqrt() as f32;
        // A comparison that lets NaN through, which `max` would not.
        *norm = if length < SHORTEST { SHORTEST } else { length };
        for (out, &x) in out.iter_mut().zip(x) {
            *out = x / *norm;
        }
    });
}

/// `dx = (dy - out (out · dy)) / norm`: the gradient of [`l2_normalize`], with the `out` and
/// `norms` it left.
#[track_caller]
pub fn l2_normalize_grad(
    out: &[f32],
    norms: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    [rows, cols]: [usize; 2],
) {
    check_rows([out.len(), dx.len()], norms.len(), [rows, cols]);
    assert_eq!(dy.len(), dx.len(), "l2_normalize_grad: lengths");
    parallel::chunks(dx, cols, |row, dx| {
        let [out, dy] = [out, dy].map(|all| &all[row * cols..][..cols]);
        let norm = norms[row];
        // A row that was divided by the constant has no part along itself to take away.
        let along = if norm > SHORTEST { dot(out, dy) as f32 } else { 0.0 };
        for ((dx, &out), &dy) in dx.iter_mut().zip(out).zip(dy) {
            *dx = (dy - out * along) / norm;
        }
    });
}

#[track_caller]
fn check_rows(lengths: [usize; 2], norms: usize, [rows, cols]: [usize; 2]) {
    assert!(cols > 0, "rows without elements have no direction");
    assert_eq!((lengths, norms), ([rows * cols; 2], rows), "l2_normalize: lengths");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{
        assert_close, assert_gradient, assert_same_on_any_number_of_threads, random, wide,
    };

    const SHAPES: [[usize; 2]; 5] = [[1, 1], [1, 5], [7, 3], [65, 129], [3, 40_000]];

    fn entropy_reference(logits: &[f64], targets: &[usize], cols: usize) -> f64 {
        let row = |(logits, &target): (&[f64], &usize)| {
            logits.iter().map(|l| l.exp()).sum::<f64>().ln() - logits[target]
        };
        logits.chunks_exact(cols).zip(targets).map(row).sum::<f64>() / targets.len() as f64
    }

    #[test]
    fn cross_entropy_and_its_gradient_equal_the_reference() {
        for [rows, cols] in SHAPES {
            let logits: Vec<f32> = random(1, rows * cols).iter().map(|x| 5.0 * x).collect();
            let targets: Vec<usize> = (0..rows).map(|r| r * 7 % cols).collect();
            let mut probs = vec![f32::NAN; logits.len()];
            let loss = cross_entropy(&logits, &targets, &mut probs, [rows, cols]);
            let objective = |logits: &[f64]| entropy_reference(logits, &targets, cols);
            assert_close(&[loss], &[objective(&wide(&logits))], 1e-6);
            let mut dlogits = vec![f32::NAN; logits.len()];
            cross_entropy_grad(&probs, &targets, 2.5, &mut dlogits, [rows, cols]);
            assert_gradient(&wide(&logits), &dlogits, 1e-6, |l| 2.5 * objective(l));
        }
    }

    #[test]
    fn large_logits_do_not_overflow() {
        let mut probs = [f32::NAN; 6];
        let logits = [1e30, 0.0, -1e30, 88.0, 1000.0, 1000.0];
        let loss = cross_entropy(&logits, &[0, 2], &mut probs, [2, 3]);
        assert_close(&[loss], &[2f64.ln() / 2.0], 1e-6);
        assert_eq!(probs, [1.0, 0.0, 0.0, 0.0, 0.5, 0.5]);
    }

    #[test]
    #[should_panic(expected = "a target is not below 3")]
    fn a_target_out_of_range_is_refused() {
        cross_entropy(&[0.0; 3], &[3], &mut [0.0; 3], [1, 3]);
    }

    fn normalize_reference(x: &[f64], cols: usize) -> Vec<f64> {
        let row = |x: &[f64]| -> Vec<f64> {
            let norm = x.iter().map(|x| x * x).sum::<f64>().sqrt();
            x.iter().map(|x| x / norm).collect()
        };
        x.chunks_exact(cols).flat_map(row).collect()
    }

    #[test]
    fn normalize_and_its_gradient_equal_the_reference() {
        for [rows, cols] in SHAPES {
            let (x, dy) = (random(2, rows * cols), random(3, rows * cols));
            let (mut out, mut norms) = (vec![f32::NAN; x.len()], vec![f32::NAN; rows]);
            l2_normalize(&x, &mut out, &mut norms, [rows, cols]);
            assert_close(&out, &normalize_reference(&wide(&x), cols), 1e-6);
            let mut dx = vec![f32::NAN; x.len()];
            l2_normalize_grad(&out, &norms, &dy, &mut dx, [rows, cols]);
            assert_gradient(&wide(&x), &dx, 1e-5, |x| {
                let out = normalize_reference(x, cols);
                out.iter().zip(&dy).map(|(out, &dy)| out * f64::from(dy)).sum()
            });
        }
    }

    #[test]
    fn a_row_of_zeros_stays_zero() {
        let (mut out, mut norms, mut dx) = ([f32::NAN; 3], [f32::NAN; 1], [f32::NAN; 3]);
        l2_normalize(&[0.0; 3], &mut out, &mut norms, [1, 3]);
        l2_normalize_grad(&out, &norms, &[1e-12, 0.0, 0.0], &mut dx, [1, 3]);
        assert_eq!((out, dx), ([0.0; 3], [1.0, 0.0, 0.0]));
    }

    #[test]
    fn any_number_of_threads_gives_the_same_bits() {
        let x = random(4, 300 * 257);
        let targets: Vec<usize> = (0..300).map(|r| r % 257).collect();
        assert_same_on_any_number_of_threads(|| {
            let (mut out, mut norms) = (vec![0.0; x.len()], vec![0.0; 300]);
            l2_normalize(&x, &mut out, &mut norms, [300, 257]);
            let loss = cross_entropy(&x, &targets, &mut out, [300, 257]);
            out.push(loss);
            [out, norms].concat()
        });
    }
}
