//! Sums of tensors with weights: the only arithmetic of every formula in this crate.

use aquatint_tensor::Tensor;

/// `Σ weight · tensor`. The weights are f64 until here, as is all that is computed per step.
#[track_caller]
pub(crate) fn weighted<const N: usize>(terms: [(f64, &Tensor); N]) -> Tensor {
    let scaled = terms.map(|(weight, tensor)| tensor.scale(weight as f32));
    scaled.into_iter().reduce(|sum, term| sum.add(&term)).expect("a sum has terms")
}

/// The same for as many terms as there happen to be.
///
/// # Panics
/// If there are none.
#[track_caller]
pub(crate) fn combined(terms: &[(f64, &Tensor)]) -> Tensor {
    let scaled = terms.iter().map(|(weight, tensor)| tensor.scale(*weight as f32));
    scaled.reduce(|sum, term| sum.add(&term)).expect("a sum has terms")
}

/// The same, with a weight for each picture: `Σ weight[n] · tensor[n, ..]`.
#[track_caller]
pub(crate) fn weighted_per_picture<const N: usize>(terms: [(Vec<f64>, &Tensor); N]) -> Tensor {
    let scaled = terms.map(|(weights, tensor)| {
        let weights: Vec<f32> = weights.into_iter().map(|w| w as f32).collect();
        tensor.scale_per_picture(&weights)
    });
    scaled.into_iter().reduce(|sum, term| sum.add(&term)).expect("a sum has terms")
}
