//! Sums and products where one side has fewer dimensions.

use aquatint_kernels::{elementwise, reduce};

use crate::Tensor;
use crate::pool::Buffer;

impl Tensor {
    /// x `[N, .., C]` plus e `[N, C]` at every pixel: how the time embedding enters a block.
    #[track_caller]
    pub fn add_per_picture(&self, e: &Tensor) -> Tensor {
        let (n, c) = (self.dim(0), self.channels());
        assert_eq!(e.shape(), [n, c], "add_per_picture to x {:?}", self.shape());
        let size = [n, self.len() / (n * c), c];
        let mut out = Buffer::stale(self.len());
        elementwise::add_per_picture(self.data(), e.data(), &mut out, size);
        Tensor::from_op([Some(self), Some(e)], self.shape(), out, move |dy, [a, b]| {
            [
                a.then(|| dy.clone()),
                b.then(|| {
                    let mut de = Buffer::stale(n * c);
                    reduce::sum_per_picture(dy.data(), &mut de, size);
                    Tensor::from_buffer(de, &[n, c])
                }),
            ]
        })
    }

    /// The mean of x `[N, .., C]` over all but the first and the last dimension: `[N, C]`.
    #[track_caller]
    pub fn mean_per_picture(&self) -> Tensor {
        let (n, c) = (self.dim(0), self.channels());
        let size @ [_, pixels, _] = [n, self.len() / (n * c), c];
        let mut sum = Buffer::stale(n * c);
        reduce::sum_per_picture(self.data(), &mut sum, size);
        let shape = self.shape().to_vec();
        let sum = Tensor::from_op([Some(self)], &[n, c], sum, move |dy, _| {
            [Some(Tensor::zeros(&shape).add_per_picture(dy))]
        });
        sum.scale(1.0 / pixels as f32)
    }

    /// x `[.., T, C]` plus e `[T, C]`, repeated over the outer dimensions: position embeddings.
    #[track_caller]
    pub fn add_row(&self, e: &Tensor) -> Tensor {
        let inner = e.len();
        assert!(
            self.shape().ends_with(e.shape()),
            "add_row of {:?} to x {:?}",
            e.shape(),
            self.shape()
        );
        let size = [self.len() / inner, inner];
        let mut out = Buffer::stale(self.len());
        elementwise::add_rows(self.data(), e.data(), &mut out, size);
        let shape = e.shape().to_vec();
        Tensor::from_op([Some(self), Some(e)], self.shape(), out, move |dy, [a, b]| {
            [
                a.then(|| dy.clone()),
                b.then(|| {
                    let mut de = Buffer::stale(inner);
                    reduce::sum_rows(dy.data(), &mut de, size);
                    Tensor::from_buffer(de, &shape)
                }),
            ]
        })
    }

    /// x `[N, ..]` times a number for each picture.
    #[track_caller]
    pub fn scale_per_picture(&self, s: &[f32]) -> Tensor {
        let n = self.dim(0);
        assert_eq!(s.len(), n, "scale_per_picture of x {:?}", self.shape());
        let size = [n, self.len() / n];
        let mut out = Buffer::stale(self.len());
        elementwise::scale_per_picture(self.data(), s, &mut out, size);
        let s = s.to_vec();
        Tensor::from_op([Some(self)], self.shape(), out, move |dy, _| {
            [Some(dy.scale_per_picture(&s))]
        })
    }

    /// x times a tensor of one number: CLIP's learned temperature.
    #[track_caller]
    pub fn scale_by(&self, s: &Tensor) -> Tensor {
        let factor = s.item();
        let mut out = Buffer::stale(self.len());
        elementwise::scale(self.data(), factor, &mut out);
        let (x, shape) = (self.detach(), s.shape().to_vec());
        Tensor::from_op([Some(self), Some(s)], self.shape(), out, move |dy, [a, b]| {
            [
                a.then(|| dy.scale(factor)),
                b.then(|| Tensor::full(&shape, reduce::dot(x.data(), dy.data()) as f32)),
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::gradcheck::gradcheck;
    use crate::{Rng, Tensor};

    #[test]
    fn the_mean_of_each_picture() {
        let x = Tensor::from_fn(&[2, 3, 2], |i| i as f32);
        assert_eq!(x.mean_per_picture().to_vec(), [2.0, 3.0, 8.0, 9.0]);
    }

    #[test]
    fn gradients() {
        let mut rng = Rng::new(6);
        let x = rng.randn(&[2, 3, 4, 5]);
        gradcheck(&[x.clone(), rng.randn(&[2, 5])], 1e-3, |t| t[0].add_per_picture(&t[1]));
        gradcheck(std::slice::from_ref(&x), 1e-3, |t| t[0].mean_per_picture());
        gradcheck(&[x.clone(), rng.randn(&[4, 5])], 1e-3, |t| t[0].add_row(&t[1]));
        gradcheck(&[x.clone(), rng.randn(&[1])], 1e-3, |t| t[0].scale_by(&t[1]));
        gradcheck(&[x], 1e-3, |t| t[0].scale_per_picture(&[0.5, -2.0]));
    }
}
