//! What one network can have from another that is not quite its like.

use aquatint_checkpoint::{LoadError, Weights};
use aquatint_nn::{Module, ModuleExt};
use aquatint_tensor::Tensor;

/// What attention adds to the features begins with.
const ATTENTION_OUT: &str = "to_out.0.";

/// Gives `module` the weights of a file that it has by name and shape, and draws the rest from
/// `seed`. Attention that is drawn adds nothing at first.
///
/// # Errors
/// If the file cannot be read.
pub fn take_over<M: Module>(module: &mut M, weights: &Weights, seed: u64) -> Result<(), LoadError> {
    module.init(seed);
    for (name, param) in module.named_parameters_mut() {
        if weights.shape(&name) == Some(param.shape()) {
            param.set(weights.get(&name)?);
        } else if name.contains(ATTENTION_OUT) {
            param.set(Tensor::zeros(param.shape()));
        }
    }
    Ok(())
}
