//! Guidance that does not overexpose: Lin et al. 2024 (arXiv:2305.08891), section 3.4.

use aquatint_tensor::Tensor;

use crate::weighted::weighted_per_picture;

/// Brings the guided answer `[N, ..]` back, by the part φ, to the standard deviation that each
/// picture has in the prompt's own answer: φ·(σ_pos / σ_cfg)·x_cfg + (1 − φ)·x_cfg (eq. 14 to 16).
pub(crate) fn rescaled(guided: &Tensor, prompt: &Tensor, phi: f64) -> Tensor {
    let factors = deviations(prompt).into_iter().zip(deviations(guided));
    // A picture without any deviation has nothing to rescale.
    let factor = |(wanted, there)| if there > 0.0 { phi * wanted / there + 1.0 - phi } else { 1.0 };
    weighted_per_picture([(factors.map(factor).collect(), guided)])
}

fn deviations(x: &Tensor) -> Vec<f64> {
    let picture = x.len() / x.dim(0);
    let deviation = |values: &[f32]| {
        let n = values.len() as f64;
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        (values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n).sqrt()
    };
    x.to_vec().chunks_exact(picture).map(deviation).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// diffusers' `rescale_noise_cfg`.
    #[test]
    fn as_diffusers() {
        let guided = Tensor::new(vec![1.0, -4.0, 2.5, 9.0, 0.5, 0.25, -0.5, 3.0], &[2, 4]);
        let prompt = Tensor::new(vec![0.5, 1.5, -1.0, 2.0, 1.0, -1.0, 2.0, 0.0], &[2, 4]);
        for (phi, expected) in [
            (0.0, [1.0, -4.0, 2.5, 9.0, 0.5, 0.25, -0.5, 3.0]),
            (0.7, [0.4728, -1.8911, 1.1819, 4.2549, 0.4475, 0.2237, -0.4475, 2.6848]),
            (1.0, [0.2468, -0.9872, 0.6170, 2.2213, 0.4250, 0.2125, -0.4250, 2.5497]),
        ] {
            let ours = rescaled(&guided, &prompt, phi).to_vec();
            let close = ours.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4);
            assert!(close, "{phi}: {ours:?}");
        }
    }

    #[test]
    fn a_picture_of_one_colour_stays() {
        let (flat, prompt) =
            (Tensor::full(&[1, 4], 2.0), Tensor::new(vec![1.0, 2.0, 3.0, 4.0], &[1, 4]));
        assert_eq!(rescaled(&flat, &prompt, 1.0).to_vec(), [2.0; 4]);
    }
}
