//! The largest of neighbouring pixels.

use aquatint_kernels::max_pool;

use crate::Tensor;
use crate::pool::Buffer;

impl Tensor {
    /// Of each channel the largest of each 2×2 pixels: `[N, H, W, C]` → `[N, H/2, W/2, C]`. A last
    /// odd row or column is left out.
    #[track_caller]
    pub fn max_pool2(&self) -> Tensor {
        let &[n, h, w, c] = self.shape() else { panic!("max_pool2 of {:?}", self.shape()) };
        let size = [n, h, w, c];
        let shape = [n, h / 2, w / 2, c];
        let mut out = Buffer::stale(shape.iter().product());
        max_pool::max_pool2(self.data(), &mut out, size);
        let x = self.detach();
        Tensor::from_op([Some(self)], &shape, out, move |dy, _| {
            let mut dx = Buffer::stale(x.len());
            max_pool::max_pool2_grad(x.data(), dy.data(), &mut dx, size);
            [Some(Tensor::from_buffer(dx, &size))]
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::Tensor;
    use crate::gradcheck::gradcheck;

    #[test]
    fn gradients() {
        // Numbers so far from each other that no step of a finite difference changes their order.
        let x = Tensor::from_fn(&[2, 5, 4, 3], |i| (i * 7919 % 120) as f32 / 4.0);
        gradcheck(&[x], 1e-3, |t| t[0].max_pool2());
    }
}
