//! Finite differences: the judge of every backward.

use crate::{Rng, Tensor};

/// Checks the gradients of `f` with respect to all `inputs` against central differences along
/// random directions.
///
/// `f` may return any shape; the loss is its product with a fixed random tensor. For each input,
/// several random directions `d` are tried: the slope `(L(x + h·d) − L(x − h·d)) / 2h` must equal
/// `⟨∇L, d⟩` to `tolerance` relative to `|∇L|·|d|`, which single precision meets at about 1e-3.
///
/// # Panics
/// If they differ, naming the input, or if an input got no gradient.
#[track_caller]
pub fn gradcheck(inputs: &[Tensor], tolerance: f64, f: impl Fn(&[Tensor]) -> Tensor) {
    let mut rng = Rng::new(7);
    let weights = rng.randn(f(inputs).shape());
    let loss = |inputs: &[Tensor]| -> f64 {
        let out = f(inputs);
        out.data().iter().zip(weights.data()).map(|(&o, &w)| o as f64 * w as f64).sum()
    };
    let leaves: Vec<Tensor> = inputs.iter().map(Tensor::tracked).collect();
    let grads = f(&leaves).mul(&weights).sum().backward();
    for (i, leaf) in leaves.iter().enumerate() {
        let grad = grads.get(leaf).unwrap_or_else(|| panic!("input {i} got no gradient"));
        assert_eq!(grad.shape(), leaf.shape(), "gradient of input {i}");
        for trial in 0..4 {
            let direction = rng.randn(leaf.shape());
            let h = 1e-2 / (trial + 1) as f32;
            let moved = |step: f32| {
                let mut moved = inputs.to_vec();
                moved[i] = inputs[i].add(&direction.scale(step)).detach();
                loss(&moved)
            };
            let slope = (moved(h) - moved(-h)) / (2.0 * h as f64);
            let norm = |t: &Tensor| t.data().iter().map(|&x| (x as f64).powi(2)).sum::<f64>();
            let expected: f64 =
                grad.data().iter().zip(direction.data()).map(|(&g, &d)| g as f64 * d as f64).sum();
            let size = (norm(grad) * norm(&direction)).sqrt().max(1e-6);
            assert!(
                (slope - expected).abs() <= tolerance * size,
                "input {i}: slope {slope} along a random direction, but the gradient says \
                 {expected} (allowed difference {})",
                tolerance * size
            );
        }
    }
}
