//! `y = x · wᵀ + b`: the product at the heart of every layer.

use aquatint_kernels::{gemm, reduce};

use crate::Tensor;
use crate::pool::Buffer;
use crate::storage::Storage;

impl Tensor {
    /// `x · weightᵀ + bias`: x `[.., in]`, weight `[out, in]`, bias `[out]` → `[.., out]`.
    ///
    /// Products are formed in the weight's precision, and the result keeps it for the attention it
    /// may go into.
    #[track_caller]
    pub fn linear(&self, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
        let &[n, k] = weight.shape() else { panic!("linear weight of shape {:?}", weight.shape()) };
        assert_eq!(self.channels(), k, "linear: x {:?}, weight {:?}", self.shape(), weight.shape());
        if let Some(bias) = bias {
            assert_eq!(bias.shape(), [n], "linear bias for weight {:?}", weight.shape());
        }
        let size = [self.rows(), k, n];
        let precision = weight.precision();
        let mut out = Buffer::stale(size[0] * n);
        let mut shape = self.shape().to_vec();
        *shape.last_mut().expect("x has a last dimension") = n;
        let (x, b) = (self.data(), bias.map(Tensor::data));
        if let Storage::Prepared(weight) = weight.storage() {
            weight.apply_linear(x, b, &mut out, size[0]);
            let out = Tensor::without_backward([Some(self), bias], &shape, out);
            return out.with_precision(precision);
        }
        gemm::linear(precision, x, weight.data(), b, &mut out, size);
        let (x, w) = (self.detach(), weight.detach());
        let y = Tensor::from_buffer(out, &shape).with_precision(precision);
        y.with_backward([Some(self), Some(weight), bias], move |dy, [a, b, c]| {
            [
                a.then(|| {
                    let mut dx = Buffer::stale(x.len());
                    gemm::linear_input_grad(precision, dy.data(), w.data(), &mut dx, size);
                    Tensor::from_buffer(dx, x.shape())
                }),
                b.then(|| {
                    let mut dw = Buffer::stale(w.len());
                    gemm::linear_weight_grad(precision, x.data(), dy.data(), &mut dw, size);
                    Tensor::from_buffer(dw, w.shape())
                }),
                c.then(|| {
                    let mut db = Buffer::stale(n);
                    reduce::sum_rows(dy.data(), &mut db, [size[0], n]);
                    Tensor::from_buffer(db, &[n])
                }),
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::Rng;
    use crate::gradcheck::gradcheck;

    #[test]
    fn gradients() {
        let mut rng = Rng::new(2);
        let inputs = [rng.randn(&[2, 3, 5]), rng.randn(&[4, 5]), rng.randn(&[4])];
        gradcheck(&inputs, 1e-3, |t| t[0].linear(&t[1], Some(&t[2])));
    }
}
