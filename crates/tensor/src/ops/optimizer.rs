//! Changes in place, for training: not differentiable.

use aquatint_kernels::optimizer::{self, AdamW};

use crate::Tensor;

impl Tensor {
    /// One step of AdamW (Loshchilov and Hutter 2019) on this parameter, with its two moments.
    #[track_caller]
    pub fn adamw_step(&mut self, grad: &Tensor, m: &mut Tensor, v: &mut Tensor, options: &AdamW) {
        assert_eq!(self.shape(), grad.shape(), "gradient of a parameter");
        assert_eq!(self.shape(), m.shape(), "first moment of a parameter");
        assert_eq!(self.shape(), v.shape(), "second moment of a parameter");
        let (m, v) = (m.data_mut(), v.data_mut());
        optimizer::adamw(self.data_mut(), grad.data(), m, v, *options);
    }

    /// `self = decay · self + (1 − decay) · source`.
    #[track_caller]
    pub fn ema_update(&mut self, source: &Tensor, decay: f64) {
        assert_eq!(self.shape(), source.shape(), "moving average of a parameter");
        optimizer::ema(self.data_mut(), source.data(), decay);
    }
}
