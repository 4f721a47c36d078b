//! Rectifiers: the activations of networks for super-resolution.

use aquatint_kernels::{elementwise, reduce};

use crate::Tensor;
use crate::pool::Buffer;

impl Tensor {
    /// x where it is positive, else `slope · x`; a slope of 0 is ReLU.
    pub fn leaky_relu(&self, slope: f32) -> Tensor {
        let mut out = Buffer::stale(self.len());
        elementwise::leaky_relu(self.data(), slope, &mut out);
        let x = self.detach();
        Tensor::from_op([Some(self)], self.shape(), out, move |dy, _| {
            let mut dx = Buffer::stale(x.len());
            elementwise::leaky_relu_grad(x.data(), slope, dy.data(), &mut dx);
            [Some(Tensor::from_buffer(dx, x.shape()))]
        })
    }

    /// x `[.., C]` where it is positive, else times the slope of its channel, `[C]`
    /// (He et al., "Delving deep into rectifiers", 2015, equation 1).
    #[track_caller]
    pub fn prelu(&self, slopes: &Tensor) -> Tensor {
        let size @ [rows, c] = [self.rows(), self.channels()];
        assert_eq!(slopes.shape(), [c], "prelu of x {:?}", self.shape());
        let mut out = Buffer::stale(self.len());
        elementwise::prelu(self.data(), slopes.data(), self.data(), &mut out, size);
        let (x, a) = (self.detach(), slopes.detach());
        Tensor::from_op([Some(self), Some(slopes)], self.shape(), out, move |dy, [for_x, for_a]| {
            [
                for_x.then(|| {
                    let mut dx = Buffer::stale(x.len());
                    elementwise::prelu(x.data(), a.data(), dy.data(), &mut dx, size);
                    Tensor::from_buffer(dx, x.shape())
                }),
                for_a.then(|| {
                    let negative = x.clamp(f32::NEG_INFINITY, 0.0).mul(&dy.detach());
                    let mut da = Buffer::stale(c);
                    reduce::sum_rows(negative.data(), &mut da, [rows, c]);
                    Tensor::from_buffer(da, &[c])
                }),
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::gradcheck::gradcheck;
    use crate::{Rng, Tensor};

    #[test]
    fn known_values() {
        let x = Tensor::new(vec![-2.0, 4.0, 3.0, -1.0], &[2, 2]);
        assert_eq!(x.leaky_relu(0.25).to_vec(), [-0.5, 4.0, 3.0, -0.25]);
        let slopes = Tensor::new(vec![0.5, -2.0], &[2]);
        assert_eq!(x.prelu(&slopes).to_vec(), [-1.0, 4.0, 3.0, 2.0]);
    }

    #[test]
    fn gradients() {
        let mut rng = Rng::new(4);
        let x = rng.randn(&[2, 3, 2, 5]);
        gradcheck(std::slice::from_ref(&x), 1e-3, |t| t[0].leaky_relu(0.2));
        gradcheck(&[x, rng.randn(&[5])], 1e-3, |t| t[0].prelu(&t[1]));
    }
}
