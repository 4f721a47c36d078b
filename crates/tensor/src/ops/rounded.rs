//! Normalizations for products alone.

use aquatint_kernels::layer_norm;

use crate::pool::Buffer;
use crate::{Precision, Tensor};

impl Tensor {
    /// [`Tensor::layer_norm`] for products in `precision` alone: it may be rounded as they would
    /// round it. See [`Epilogue::then_rounded`](crate::Epilogue::then_rounded).
    #[track_caller]
    pub fn layer_norm_rounded(
        &self,
        weight: &Tensor,
        bias: &Tensor,
        eps: f32,
        precision: Precision,
    ) -> Tensor {
        let size @ [_, c] = [self.rows(), self.channels()];
        if [self, weight, bias].into_iter().any(Tensor::is_tracked) || !Self::rounds(precision, c) {
            return self.layer_norm(weight, bias, eps);
        }
        assert_eq!(weight.shape(), [c], "layer norm weight for x {:?}", self.shape());
        assert_eq!(bias.shape(), [c], "layer norm bias for x {:?}", self.shape());
        let mut out = Buffer::stale(self.len() / 2);
        let (weight, bias) = (weight.data(), bias.data());
        layer_norm::layer_norm_rounded(self.data(), weight, bias, eps, &mut out, size);
        Self::from_rounded(out, self.shape())
    }
}
