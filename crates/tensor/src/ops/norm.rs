//! Group norm (with or without SiLU) and layer norm.

use aquatint_kernels::group_norm::{self, GroupMoments, GroupNormShape};
use aquatint_kernels::layer_norm;

use crate::Tensor;
use crate::pool::Buffer;

/// What a group normalization is but for its input.
#[derive(Clone, Copy, Debug)]
pub struct GroupNormWeights<'a> {
    /// Groups that the channels are divided into.
    pub groups: usize,
    /// `[C]`
    pub weight: &'a Tensor,
    /// `[C]`
    pub bias: &'a Tensor,
    /// Added to the variance.
    pub eps: f32,
}

impl Tensor {
    /// Group normalisation of x `[N, .., C]` over each group of channels and all pixels, times
    /// weight `[C]`, plus bias `[C]` (Wu and He 2018).
    #[track_caller]
    pub fn group_norm(&self, groups: usize, weight: &Tensor, bias: &Tensor, eps: f32) -> Tensor {
        self.group_norm_with(groups, weight, bias, eps, false)
    }

    /// [`Tensor::group_norm`], then SiLU, in one pass.
    #[track_caller]
    pub fn group_norm_silu(
        &self,
        groups: usize,
        weight: &Tensor,
        bias: &Tensor,
        eps: f32,
    ) -> Tensor {
        self.group_norm_with(groups, weight, bias, eps, true)
    }

    #[track_caller]
    fn group_norm_with(
        &self,
        groups: usize,
        weight: &Tensor,
        bias: &Tensor,
        eps: f32,
        silu: bool,
    ) -> Tensor {
        let (n, c) = (self.dim(0), self.channels());
        assert_eq!(c % groups, 0, "group norm of {:?} in {groups} groups", self.shape());
        assert_eq!(weight.shape(), [c], "group norm weight for x {:?}", self.shape());
        assert_eq!(bias.shape(), [c], "group norm bias for x {:?}", self.shape());
        let s = GroupNormShape { n, pixels: self.len() / (n * c), c, groups, eps, silu };
        let mut out = Buffer::stale(self.len());
        let mut stats = vec![0.0; n * groups * 2];
        let (x, w, b) = (self.detach(), weight.detach(), bias.detach());
        group_norm::group_norm(&s, x.data(), w.data(), b.data(), &mut out, &mut stats);
        Tensor::from_op(
            [Some(self), Some(weight), Some(bias)],
            self.shape(),
            out,
            move |dy, needed| {
                let mut dx = Buffer::stale(x.len());
                let (mut dw, mut db) = (Buffer::stale(c), Buffer::stale(c));
                let (xs, ws, bs) = (x.data(), w.data(), b.data());
                group_norm::group_norm_grad(
                    &s,
                    xs,
                    ws,
                    bs,
                    &stats,
                    dy.data(),
                    &mut dx,
                    &mut dw,
                    &mut db,
                );
                chosen(needed, [(dx, x.shape()), (dw, &[c]), (db, &[c])])
            },
        )
    }

    /// Adds this band `[1, H, W, C]` of a picture to the moments of its groups.
    #[track_caller]
    pub fn add_group_moments(&self, groups: usize, moments: &mut GroupMoments) {
        moments.add(&self.band(groups, 0.0), self.data());
    }

    /// [`Tensor::group_norm_silu`] of a band `[1, H, W, C]` of a picture with these moments. Not
    /// differentiable: the result is untracked.
    #[track_caller]
    pub fn group_norm_silu_band(
        &self,
        groups: usize,
        weight: &Tensor,
        bias: &Tensor,
        eps: f32,
        moments: &GroupMoments,
    ) -> Tensor {
        let s = self.band(groups, eps);
        let mut out = Buffer::stale(self.len());
        let (weight, bias) = (weight.data(), bias.data());
        group_norm::group_norm_band(&s, self.data(), moments, weight, bias, &mut out);
        Tensor::from_buffer(out, self.shape())
    }

    fn band(&self, groups: usize, eps: f32) -> GroupNormShape {
        let (n, c) = (self.dim(0), self.channels());
        assert_eq!(n, 1, "a band of one picture, not {:?}", self.shape());
        GroupNormShape { n, pixels: self.len() / c, c, groups, eps, silu: true }
    }

    /// Layer normalisation of each row of x `[.., C]`, times weight, plus bias (Ba et al. 2016).
    #[track_caller]
    pub fn layer_norm(&self, weight: &Tensor, bias: &Tensor, eps: f32) -> Tensor {
        let size @ [rows, c] = [self.rows(), self.channels()];
        assert_eq!(weight.shape(), [c], "layer norm weight for x {:?}", self.shape());
        assert_eq!(bias.shape(), [c], "layer norm bias for x {:?}", self.shape());
        let mut out = Buffer::stale(self.len());
        let mut stats = vec![0.0; rows * 2];
        let (x, w) = (self.detach(), weight.detach());
        layer_norm::layer_norm(x.data(), w.data(), bias.data(), eps, &mut out, &mut stats, size);
        Tensor::from_op(
            [Some(self), Some(weight), Some(bias)],
            self.shape(),
            out,
            move |dy, needed| {
                let mut dx = Buffer::stale(x.len());
                let (mut dw, mut db) = (Buffer::stale(c), Buffer::stale(c));
                let (xs, ws) = (x.data(), w.data());
                layer_norm::layer_norm_grad(
                    xs,
                    ws,
                    &stats,
                    dy.data(),
                    &mut dx,
                    &mut dw,
                    &mut db,
                    size,
                );
                chosen(needed, [(dx, x.shape()), (dw, &[c]), (db, &[c])])
            },
        )
    }
}

/// The gradients that were asked for, as tensors.
fn chosen<const N: usize>(
    needed: [bool; N],
    grads: [(Buffer, &[usize]); N],
) -> [Option<Tensor>; N] {
    let mut wanted = needed.into_iter();
    grads.map(|(grad, shape)| {
        wanted.next().unwrap_or(false).then(|| Tensor::from_buffer(grad, shape))
    })
}

#[cfg(test)]
mod tests {
    use crate::Rng;
    use crate::gradcheck::gradcheck;

    #[test]
    fn gradients() {
        let mut rng = Rng::new(4);
        let inputs = [rng.randn(&[2, 3, 3, 8]), rng.randn(&[8]), rng.randn(&[8])];
        gradcheck(&inputs, 3e-3, |t| t[0].group_norm(4, &t[1], &t[2], 1e-5));
        gradcheck(&inputs, 3e-3, |t| t[0].group_norm_silu(2, &t[1], &t[2], 1e-5));
        gradcheck(&inputs, 3e-3, |t| t[0].layer_norm(&t[1], &t[2], 1e-5));
    }
}
