//! 2-D convolution.

use aquatint_kernels::conv2d::{self, Conv2dShape};
use aquatint_kernels::reduce;

use crate::Tensor;
use crate::pool::Buffer;
use crate::storage::Storage;

/// Step and zeros around the input of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2dOptions {
    /// Step in both directions.
    pub stride: usize,
    /// Zeros at the top, bottom, left and right.
    pub padding: [usize; 4],
}

impl Conv2dOptions {
    /// Step 1 and as many zeros as keep the size with this odd kernel.
    pub fn same(kernel: usize) -> Self {
        Self { stride: 1, padding: [kernel / 2; 4] }
    }
}

impl Tensor {
    /// Convolution of x `[N, H, W, C]` with weight `[O, C, kh, kw]`, plus bias `[O]`
    /// → `[N, H', W', O]`. Products are formed in the weight's precision.
    #[track_caller]
    pub fn conv2d(&self, weight: &Tensor, bias: Option<&Tensor>, options: Conv2dOptions) -> Tensor {
        let (&[n, h, w, c], &[o, wc, kh, kw]) = (self.shape(), weight.shape()) else {
            panic!("conv2d: x {:?}, weight {:?}", self.shape(), weight.shape())
        };
        assert_eq!(c, wc, "conv2d: x {:?}, weight {:?}", self.shape(), weight.shape());
        if let Some(bias) = bias {
            assert_eq!(bias.shape(), [o], "conv2d bias for weight {:?}", weight.shape());
        }
        let Conv2dOptions { stride, padding } = options;
        let s = Conv2dShape { n, h, w, c, o, kernel: [kh, kw], stride, padding };
        let [oh, ow] = s.output();
        let precision = weight.precision();
        let mut out = Buffer::stale(n * oh * ow * o);
        let bias_data = bias.map(Tensor::data);
        let shape = [n, oh, ow, o];
        if let Storage::Prepared(weight) = weight.storage() {
            weight.apply_conv2d(&s, self.data(), bias_data, &mut out);
            return Tensor::without_backward([Some(self), bias], &shape, out);
        }
        let wide = weight.clone().in_f32();
        conv2d::conv2d_trained(precision, &s, self.data(), wide.data(), bias_data, &mut out);
        let (x, w) = (self.detach(), weight.detach());
        Tensor::from_op([Some(self), Some(weight), bias], &shape, out, move |dy, [a, b, c]| {
            [
                a.then(|| {
                    let mut dx = Buffer::stale(x.len());
                    let w = w.clone().in_f32();
                    conv2d::conv2d_trained_input_grad(precision, &s, dy.data(), w.data(), &mut dx);
                    Tensor::from_buffer(dx, x.shape())
                }),
                b.then(|| {
                    let mut dw = Buffer::stale(w.len());
                    conv2d::conv2d_trained_weight_grad(precision, &s, x.data(), dy.data(), &mut dw);
                    Tensor::from_buffer(dw, w.shape())
                }),
                c.then(|| {
                    let mut db = Buffer::stale(o);
                    reduce::sum_rows(dy.data(), &mut db, [dy.rows(), o]);
                    Tensor::from_buffer(db, &[o])
                }),
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Conv2dOptions;
    use crate::Rng;
    use crate::gradcheck::gradcheck;

    #[test]
    fn gradients() {
        let mut rng = Rng::new(3);
        let inputs = [rng.randn(&[2, 5, 6, 3]), rng.randn(&[4, 3, 3, 3]), rng.randn(&[4])];
        gradcheck(&inputs, 1e-3, |t| t[0].conv2d(&t[1], Some(&t[2]), Conv2dOptions::same(3)));
        let strided = Conv2dOptions { stride: 2, padding: [0, 1, 0, 1] };
        gradcheck(&inputs, 1e-3, |t| t[0].conv2d(&t[1], Some(&t[2]), strided));
    }
}
