//! Functions of one number, applied to each element; and the gated GELU.

use aquatint_kernels::elementwise::{self, Unary};

use crate::Tensor;
use crate::pool::Buffer;

impl Tensor {
    fn unary(&self, function: Unary) -> Tensor {
        let mut out = Buffer::stale(self.len());
        elementwise::unary(function, self.data(), &mut out);
        let x = self.detach();
        Tensor::from_op([Some(self)], self.shape(), out, move |dy, _| {
            let mut dx = Buffer::stale(x.len());
            elementwise::unary_grad(function, x.data(), dy.data(), &mut dx);
            [Some(Tensor::from_buffer(dx, x.shape()))]
        })
    }

    /// `x · σ(x)`, the activation of the residual blocks.
    pub fn silu(&self) -> Tensor {
        self.unary(Unary::Silu)
    }

    /// `x · Φ(x)` with the exact normal distribution function Φ.
    pub fn gelu(&self) -> Tensor {
        self.unary(Unary::Gelu)
    }

    /// `x · σ(1.702 x)`, the activation of CLIP.
    pub fn quick_gelu(&self) -> Tensor {
        self.unary(Unary::QuickGelu)
    }

    /// `eˣ`.
    pub fn exp(&self) -> Tensor {
        self.unary(Unary::Exp)
    }

    /// `|x|`; its slope at 0 is taken as 0.
    pub fn abs(&self) -> Tensor {
        self.unary(Unary::Abs)
    }

    /// `x²`.
    pub fn sqr(&self) -> Tensor {
        self.unary(Unary::Sqr)
    }

    /// `tanh x`.
    pub fn tanh(&self) -> Tensor {
        self.unary(Unary::Tanh)
    }

    /// `σ(x) = 1 / (1 + e⁻ˣ)`.
    pub fn sigmoid(&self) -> Tensor {
        self.unary(Unary::Sigmoid)
    }

    /// `x` held between `lo` and `hi`; no gradient flows where it was held.
    pub fn clamp(&self, lo: f32, hi: f32) -> Tensor {
        let mut out = Buffer::stale(self.len());
        elementwise::clamp(self.data(), lo, hi, &mut out);
        let x = self.detach();
        Tensor::from_op([Some(self)], self.shape(), out, move |dy, _| {
            let mut dx = Buffer::stale(x.len());
            elementwise::clamp_grad(x.data(), lo, hi, dy.data(), &mut dx);
            [Some(Tensor::from_buffer(dx, x.shape()))]
        })
    }

    /// `a · gelu(b)` where x `[.., 2D]` is a and b side by side → `[.., D]`
    /// (Shazeer, "GLU Variants Improve Transformer", 2020).
    #[track_caller]
    pub fn geglu(&self) -> Tensor {
        assert_eq!(self.channels() % 2, 0, "geglu of {:?}", self.shape());
        let size = [self.rows(), self.channels() / 2];
        let mut shape = self.shape().to_vec();
        *shape.last_mut().expect("x has a last dimension") = size[1];
        let mut out = Buffer::stale(size[0] * size[1]);
        elementwise::geglu(self.data(), &mut out, size);
        let x = self.detach();
        Tensor::from_op([Some(self)], &shape, out, move |dy, _| {
            let mut dx = Buffer::stale(x.len());
            elementwise::geglu_grad(x.data(), dy.data(), &mut dx, size);
            [Some(Tensor::from_buffer(dx, x.shape()))]
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::gradcheck::gradcheck;
    use crate::{Rng, Tensor};

    #[test]
    fn gradients() {
        let x = [Rng::new(1).randn(&[4, 6])];
        let functions: [fn(&Tensor) -> Tensor; 9] = [
            Tensor::silu,
            Tensor::gelu,
            Tensor::quick_gelu,
            Tensor::exp,
            Tensor::abs,
            Tensor::sqr,
            Tensor::tanh,
            Tensor::sigmoid,
            Tensor::geglu,
        ];
        for f in functions {
            gradcheck(&x, 3e-3, |t| f(&t[0]));
        }
    }

    #[test]
    fn clamp_stops_the_gradient_where_it_holds() {
        let x = Tensor::new(vec![-2.0, 0.5, 3.0], &[3]).tracked();
        let y = x.clamp(-1.0, 1.0);
        assert_eq!(y.to_vec(), [-1.0, 0.5, 1.0]);
        assert_eq!(y.sum().backward().get(&x).unwrap().to_vec(), [0.0, 1.0, 0.0]);
    }
}
