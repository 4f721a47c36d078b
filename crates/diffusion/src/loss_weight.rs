//! How much an error counts at each noise level.
//!
//! Papers give weights for networks that predict ε or x0. Here a weight is one of the error of x0,
//! as a function of the signal-to-noise ratio 1/σ²; a network's own error F − target is that of x0
//! divided by c_out, which turns one into the other for every prediction.

use crate::PredictionType;

/// A rule for the weights of a loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LossWeight {
    /// The network's own error counts alike everywhere: DDPM's simple loss, eq. 14, for ε.
    Even,
    /// min(SNR, γ) for the error of x0: Hang et al. 2023 (arXiv:2303.09556), eq. 8 to 10.
    MinSnr {
        /// Beyond this signal-to-noise ratio, the error of x0 does not count more; the paper has 5.
        gamma: f64,
    },
    /// 1 / (k + SNR)^γ for the error of ε: Choi et al. 2022 (arXiv:2204.00227), eq. 8.
    P2 {
        /// How fast weights fall where there is little noise; the paper has 0.5 and 1.
        gamma: f64,
        /// Where they begin to fall; the paper has 1.
        k: f64,
    },
}

impl LossWeight {
    /// The weight of ‖F − target‖² at σ.
    pub fn at(self, prediction_type: PredictionType, sigma: f64) -> f64 {
        let snr = 1.0 / (sigma * sigma);
        let of_x0 = match self {
            Self::Even => return 1.0,
            Self::MinSnr { gamma } => snr.min(gamma),
            Self::P2 { gamma, k } => snr / (k + snr).powf(gamma),
        };
        of_x0 * prediction_type.coefficients(sigma).out.powi(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Table of Hang et al., section 3.4: min(SNR, γ)/SNR for ε, min(SNR, γ)/(SNR + 1) for v,
    /// min(SNR, γ) for x0.
    #[test]
    fn min_snr_as_in_the_paper() {
        for sigma in [0.01, 0.3, 0.4473, 1.0, 20.0, 4096.0] {
            let snr = 1.0 / (sigma * sigma);
            let at = |p| LossWeight::MinSnr { gamma: 5.0 }.at(p, sigma);
            let least = snr.min(5.0);
            for (prediction, expected) in [
                (PredictionType::Epsilon, least / snr),
                (PredictionType::VPrediction, least / (snr + 1.0)),
                (PredictionType::Sample, least),
            ] {
                assert!((at(prediction) - expected).abs() < 1e-9 * expected, "{prediction:?}");
            }
        }
    }

    #[test]
    fn p2_as_in_the_paper() {
        let p2 = LossWeight::P2 { gamma: 0.5, k: 1.0 };
        for sigma in [0.1f64, 1.0, 30.0] {
            let expected = (1.0 + 1.0 / (sigma * sigma)).powf(-0.5);
            assert!((p2.at(PredictionType::Epsilon, sigma) - expected).abs() < 1e-12);
        }
        assert_eq!(LossWeight::Even.at(PredictionType::Sample, 3.0), 1.0);
    }
}
