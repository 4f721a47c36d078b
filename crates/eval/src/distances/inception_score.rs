//! The Inception score (Salimans et al. 2016, section 4): exp E KL(p(y|x) ‖ p(y)), how sure a
//! classifier is of each picture and how unlike its answers are.

use aquatint_tensor::rng::Numpy;

/// Mean and standard deviation over parts of the pictures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InceptionScore {
    /// The mean of the parts' scores.
    pub mean: f64,
    /// Their standard deviation, divided by their number.
    pub std: f64,
}

/// The score of logits `[N, classes]`, in `splits` parts of the pictures in the order of `seed`, or
/// in their own, as torch-fidelity has it.
///
/// # Panics
/// If there are fewer pictures than parts.
#[track_caller]
pub fn inception_score(
    logits: &[f32],
    classes: usize,
    splits: usize,
    seed: Option<u32>,
) -> InceptionScore {
    let count = logits.len() / classes.max(1);
    assert!(0 < splits && splits <= count, "{count} pictures in {splits} parts");
    let order = match seed {
        Some(seed) => Numpy::new(seed).permutation(count),
        None => (0..count).collect(),
    };
    let part = |i: usize| &order[i * count / splits..(i + 1) * count / splits];
    let scores: Vec<f64> = (0..splits).map(|i| score(logits, classes, part(i))).collect();
    let mean = scores.iter().sum::<f64>() / splits as f64;
    let variance = scores.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / splits as f64;
    InceptionScore { mean, std: variance.sqrt() }
}

/// The mean of KL = Σ p·ln p − p·ln q is that of Σ p·ln p less Σ q·ln q, where q is the mean of p.
fn score(logits: &[f32], classes: usize, pictures: &[usize]) -> f64 {
    let mut q = vec![0.0; classes];
    let mut sum = 0.0;
    for &picture in pictures {
        let logits = &logits[picture * classes..][..classes];
        let most = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let total: f64 = logits.iter().map(|&x| (f64::from(x) - most).exp()).sum();
        for (q, &x) in q.iter_mut().zip(logits) {
            let ln_p = f64::from(x) - most - total.ln();
            let p = ln_p.exp();
            *q += p / pictures.len() as f64;
            sum += p * ln_p;
        }
    }
    let entropy: f64 = q.iter().filter(|q| **q > 0.0).map(|q| q * q.ln()).sum();
    (sum / pictures.len() as f64 - entropy).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_scores() {
        // All alike: 1. Each sure of a class of its own: as many as there are.
        let alike = inception_score(&[1.0, 5.0, -2.0].repeat(4), 3, 1, None);
        assert!((alike.mean - 1.0).abs() < 1e-12 && alike.std == 0.0);
        let own: Vec<f32> = (0..9).map(|i| if i % 4 == 0 { 200.0 } else { -200.0 }).collect();
        assert!((inception_score(&own, 3, 1, Some(0)).mean - 3.0).abs() < 1e-12);
    }
}
