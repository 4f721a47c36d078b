//! Enlarging by repetition.

use aquatint_kernels::upsample;

use crate::Tensor;
use crate::pool::Buffer;

impl Tensor {
    /// Every pixel twice in both directions: `[N, H, W, C]` → `[N, 2H, 2W, C]`.
    #[track_caller]
    pub fn upsample_nearest2(&self) -> Tensor {
        let &[n, h, w, c] = self.shape() else { panic!("upsample of {:?}", self.shape()) };
        let size = [n, h, w, c];
        let mut out = Buffer::stale(self.len() * 4);
        upsample::upsample_nearest2(self.data(), &mut out, size);
        Tensor::from_op([Some(self)], &[n, 2 * h, 2 * w, c], out, move |dy, _| {
            let mut dx = Buffer::stale(dy.len() / 4);
            upsample::upsample_nearest2_grad(dy.data(), &mut dx, size);
            [Some(Tensor::from_buffer(dx, &size))]
        })
    }

    /// Every pixel s times in both directions: `[N, H, W, C]` → `[N, s·H, s·W, C]`.
    #[track_caller]
    pub fn upsample_nearest(&self, s: usize) -> Tensor {
        let &[n, h, w, c] = self.shape() else { panic!("upsample of {:?}", self.shape()) };
        let size = [n, h, w, c];
        let mut out = Buffer::stale(self.len() * s * s);
        upsample::upsample_nearest(self.data(), &mut out, size, s);
        Tensor::from_op([Some(self)], &[n, s * h, s * w, c], out, move |dy, _| {
            let mut dx = Buffer::stale(dy.len() / (s * s));
            upsample::upsample_nearest_grad(dy.data(), &mut dx, size, s);
            [Some(Tensor::from_buffer(dx, &size))]
        })
    }

    /// x `[N, H, W, C]` without its last rows and columns: `[N, height, width, C]`.
    #[track_caller]
    pub fn crop(&self, [height, width]: [usize; 2]) -> Tensor {
        let &[n, h, w, c] = self.shape() else { panic!("crop of {:?}", self.shape()) };
        let mut y = self.clone();
        if width != w {
            y = y.reshape(&[n * h, w * c]).narrow(0, width * c);
        }
        if height != h {
            y = y.reshape(&[n, h * width * c]).narrow(0, height * width * c);
        }
        y.reshape(&[n, height, width, c])
    }
}

#[cfg(test)]
mod tests {
    use crate::Rng;
    use crate::gradcheck::gradcheck;

    #[test]
    fn gradients() {
        let x = [Rng::new(12).randn(&[2, 3, 2, 4])];
        gradcheck(&x, 1e-3, |t| t[0].upsample_nearest2());
        gradcheck(&x, 1e-3, |t| t[0].upsample_nearest(3));
    }
}
