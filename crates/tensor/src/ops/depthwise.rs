//! 2-D convolution of each channel by itself.

use aquatint_kernels::conv2d::Conv2dShape;
use aquatint_kernels::{depthwise, reduce};

use crate::pool::Buffer;
use crate::{Conv2dOptions, Tensor};

impl Tensor {
    /// Convolution of every channel of x `[N, H, W, C]` with its own kernel of weight
    /// `[C, 1, kh, kw]`, plus bias `[C]` → `[N, H', W', C]`, in f32.
    #[track_caller]
    pub fn depthwise_conv2d(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        options: Conv2dOptions,
    ) -> Tensor {
        let (&[n, h, w, c], &[o, 1, kh, kw]) = (self.shape(), weight.shape()) else {
            panic!("depthwise_conv2d: x {:?}, weight {:?}", self.shape(), weight.shape())
        };
        assert_eq!(c, o, "depthwise_conv2d: x {:?}, weight {:?}", self.shape(), weight.shape());
        let Conv2dOptions { stride, padding } = options;
        let s = Conv2dShape { n, h, w, c, o, kernel: [kh, kw], stride, padding };
        let [oh, ow] = s.output();
        let mut out = Buffer::stale(n * oh * ow * c);
        let (x, w) = (self.detach(), weight.detach());
        depthwise::depthwise(&s, x.data(), w.data(), bias.map(Tensor::data), &mut out);
        let inputs = [Some(self), Some(weight), bias];
        Tensor::from_op(inputs, &[n, oh, ow, c], out, move |dy, [for_x, for_w, for_b]| {
            [
                for_x.then(|| {
                    let mut dx = Buffer::stale(x.len());
                    depthwise::depthwise_input_grad(&s, dy.data(), w.data(), &mut dx);
                    Tensor::from_buffer(dx, x.shape())
                }),
                for_w.then(|| {
                    let mut dw = Buffer::stale(w.len());
                    depthwise::depthwise_weight_grad(&s, x.data(), dy.data(), &mut dw);
                    Tensor::from_buffer(dw, w.shape())
                }),
                for_b.then(|| {
                    let mut db = Buffer::stale(c);
                    reduce::sum_rows(dy.data(), &mut db, [dy.rows(), c]);
                    Tensor::from_buffer(db, &[c])
                }),
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::gradcheck::gradcheck;
    use crate::{Conv2dOptions, Rng, Tensor};

    #[test]
    fn gradients() {
        let mut rng = Rng::new(3);
        let inputs = [rng.randn(&[2, 5, 6, 3]), rng.randn(&[3, 1, 3, 3]), rng.randn(&[3])];
        let conv = |t: &[Tensor], options| t[0].depthwise_conv2d(&t[1], Some(&t[2]), options);
        gradcheck(&inputs, 1e-3, |t| conv(t, Conv2dOptions::same(3)));
        let strided = Conv2dOptions { stride: 2, padding: [0, 1, 0, 1] };
        gradcheck(&inputs, 1e-3, |t| conv(t, strided));
    }

    #[test]
    fn it_is_a_convolution_with_zeros_between_channels() {
        let mut rng = Rng::new(4);
        let (x, w) = (rng.randn(&[1, 4, 4, 2]), rng.randn(&[2, 1, 3, 3]));
        let values = w.to_vec();
        let full = Tensor::from_fn(&[2, 2, 3, 3], |i| {
            if i / 18 == i / 9 % 2 { values[i / 18 * 9 + i % 9] } else { 0.0 }
        });
        let options = Conv2dOptions::same(3);
        let difference = x.depthwise_conv2d(&w, None, options).sub(&x.conv2d(&full, None, options));
        assert!(difference.max_abs() < 1e-5);
    }
}
