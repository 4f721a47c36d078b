//! Channels to pixels and back.

use aquatint_kernels::shuffle;
pub use aquatint_kernels::shuffle::ChannelOrder;

use crate::Tensor;
use crate::pool::Buffer;

impl Tensor {
    /// Every pixel becomes a block of s × s: `[N, H, W, s²·C]` → `[N, s·H, s·W, C]`.
    #[track_caller]
    pub fn depth_to_space(&self, s: usize, order: ChannelOrder) -> Tensor {
        let &[n, h, w, all] = self.shape() else { panic!("depth_to_space of {:?}", self.shape()) };
        assert!(s > 0 && all % (s * s) == 0, "depth_to_space of {:?} by {s}", self.shape());
        let size @ [.., c] = [n, h, w, all / (s * s)];
        let mut out = Buffer::stale(self.len());
        shuffle::depth_to_space(self.data(), &mut out, size, s, order);
        Tensor::from_op([Some(self)], &[n, s * h, s * w, c], out, move |dy, _| {
            [Some(dy.space_to_depth(s, order))]
        })
    }

    /// Every block of s × s becomes a pixel: `[N, s·H, s·W, C]` → `[N, H, W, s²·C]`.
    #[track_caller]
    pub fn space_to_depth(&self, s: usize, order: ChannelOrder) -> Tensor {
        let &[n, height, width, c] = self.shape() else { panic!("{:?}", self.shape()) };
        assert!(
            s > 0 && height % s == 0 && width % s == 0,
            "space_to_depth of {:?} by {s}",
            self.shape()
        );
        let size @ [_, h, w, _] = [n, height / s, width / s, c];
        let mut out = Buffer::stale(self.len());
        shuffle::space_to_depth(self.data(), &mut out, size, s, order);
        Tensor::from_op([Some(self)], &[n, h, w, s * s * c], out, move |dy, _| {
            [Some(dy.depth_to_space(s, order))]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;
    use crate::gradcheck::gradcheck;

    /// What PyTorch and TensorFlow document of their operations.
    #[test]
    fn known_values() {
        let x = Tensor::from_fn(&[1, 1, 1, 8], |i| i as f32);
        let by = |order| x.depth_to_space(2, order).to_vec();
        assert_eq!(by(ChannelOrder::ByChannel), [0.0, 4.0, 1.0, 5.0, 2.0, 6.0, 3.0, 7.0]);
        assert_eq!(by(ChannelOrder::ByPixel), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    }

    #[test]
    fn gradients() {
        let mut rng = Rng::new(5);
        for order in [ChannelOrder::ByChannel, ChannelOrder::ByPixel] {
            gradcheck(&[rng.randn(&[1, 2, 3, 8])], 1e-3, |t| t[0].depth_to_space(2, order));
            gradcheck(&[rng.randn(&[1, 4, 6, 2])], 1e-3, |t| t[0].space_to_depth(2, order));
        }
    }
}
