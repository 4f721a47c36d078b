//! The largest, or the mean, of 3×3 pixels.

use aquatint_kernels::pool3::{self, Pool3};

use crate::Tensor;
use crate::pool::Buffer;

impl Tensor {
    /// x `[N, H, W, C]` → what [`Pool3`] makes of each window, `[N, H', W', C]`.
    #[track_caller]
    pub fn pool3(&self, kind: Pool3) -> Tensor {
        let &[n, h, w, c] = self.shape() else { panic!("pool3 of {:?}", self.shape()) };
        let size = [n, h, w, c];
        let [oh, ow] = kind.output([h, w]);
        let mut out = Buffer::stale(n * oh * ow * c);
        pool3::pool3(kind, self.data(), &mut out, size);
        let x = self.detach();
        Tensor::from_op([Some(self)], &[n, oh, ow, c], out, move |dy, _| {
            let mut dx = Buffer::stale(x.len());
            pool3::pool3_grad(kind, x.data(), dy.data(), &mut dx, size);
            [Some(Tensor::from_buffer(dx, &size))]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Pool3;
    use crate::Tensor;
    use crate::gradcheck::gradcheck;

    #[test]
    fn gradients() {
        // Numbers so far from each other that no step of a finite difference changes their order.
        let x = Tensor::from_fn(&[2, 5, 4, 3], |i| (i * 7919 % 120) as f32 / 4.0);
        for kind in [Pool3::MaxOfEverySecond, Pool3::Max, Pool3::Mean] {
            gradcheck(std::slice::from_ref(&x), 1e-3, |t| t[0].pool3(kind));
        }
    }
}
