//! Element-wise sums and products of two tensors of one shape, or of a tensor and a number.

use aquatint_kernels::elementwise;

use crate::Tensor;
use crate::pool::Buffer;

#[track_caller]
fn same_shape(name: &str, a: &Tensor, b: &Tensor) {
    assert_eq!(a.shape(), b.shape(), "{name} of different shapes");
}

impl Tensor {
    /// `self + other`.
    #[track_caller]
    pub fn add(&self, other: &Tensor) -> Tensor {
        same_shape("sum", self, other);
        let mut out = Buffer::stale(self.len());
        elementwise::add(self.data(), other.data(), &mut out);
        Tensor::from_op([Some(self), Some(other)], self.shape(), out, |dy, needed| {
            needed.map(|n| n.then(|| dy.clone()))
        })
    }

    /// `self − other`.
    #[track_caller]
    pub fn sub(&self, other: &Tensor) -> Tensor {
        same_shape("difference", self, other);
        let mut out = Buffer::stale(self.len());
        elementwise::sub(self.data(), other.data(), &mut out);
        Tensor::from_op([Some(self), Some(other)], self.shape(), out, |dy, [a, b]| {
            [a.then(|| dy.clone()), b.then(|| dy.scale(-1.0))]
        })
    }

    /// `self · other`, element by element.
    #[track_caller]
    pub fn mul(&self, other: &Tensor) -> Tensor {
        same_shape("product", self, other);
        let mut out = Buffer::stale(self.len());
        elementwise::mul(self.data(), other.data(), &mut out);
        let (x, y) = (self.detach(), other.detach());
        Tensor::from_op([Some(self), Some(other)], self.shape(), out, move |dy, [a, b]| {
            [a.then(|| dy.mul(&y)), b.then(|| dy.mul(&x))]
        })
    }

    /// `self · s`.
    pub fn scale(&self, s: f32) -> Tensor {
        let mut out = Buffer::stale(self.len());
        elementwise::scale(self.data(), s, &mut out);
        Tensor::from_op([Some(self)], self.shape(), out, move |dy, _| [Some(dy.scale(s))])
    }

    /// `self + s`.
    pub fn add_scalar(&self, s: f32) -> Tensor {
        let mut out = Buffer::stale(self.len());
        elementwise::add_scalar(self.data(), s, &mut out);
        Tensor::from_op([Some(self)], self.shape(), out, |dy, _| [Some(dy.clone())])
    }
}

#[cfg(test)]
mod tests {
    use crate::gradcheck::gradcheck;
    use crate::{Rng, Tensor};

    #[test]
    fn gradients() {
        let mut rng = Rng::new(1);
        let inputs = [rng.randn(&[3, 5]), rng.randn(&[3, 5])];
        gradcheck(&inputs, 1e-3, |t| {
            t[0].add(&t[1]).mul(&t[0]).sub(&t[1].scale(0.3)).add_scalar(2.0)
        });
    }

    #[test]
    fn a_tensor_used_twice_gets_both_gradients() {
        let x = Tensor::new(vec![3.0], &[1]).tracked();
        let grads = x.mul(&x).add(&x).backward();
        assert_eq!(grads.get(&x).unwrap().item(), 7.0);
    }
}
