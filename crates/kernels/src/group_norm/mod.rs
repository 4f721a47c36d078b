//! Group normalisation (Wu and He 2018), fused with the SiLU that follows it in every ResNet
//! block.

mod bands;
mod grad;
mod moments;
mod shape;
#[cfg(test)]
mod tests;

use crate::cpu::{Isa, isa};
use crate::math::{self, per_isa};
use crate::parallel;
use crate::watch;
use moments::Moments;

pub use bands::{GroupMoments, group_norm_band};
pub use grad::group_norm_grad;
pub use shape::GroupNormShape;

/// Normalises each group of each picture to mean 0 and variance 1, then applies `weight` and
/// `bias` (`[c]` both), then SiLU if the shape says so. x and out are `[n, pixels, c]`; `stats`
/// `[n, groups, 2]` receives mean and 1 / deviation.
#[track_caller]
pub fn group_norm(
    s: &GroupNormShape,
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    out: &mut [f32],
    stats: &mut [f32],
) {
    s.check(&[x.len(), out.len()], &[weight.len(), bias.len()], stats.len());
    let kernel = if s.silu { "group norm, SiLU" } else { "group norm" };
    let _call = watch::elements(kernel, [s.n, s.pixels, s.c], 3 * out.len());
    group_norm_on(isa(), s, x, weight, bias, out, stats);
}

fn group_norm_on(
    isa: Isa,
    s: &GroupNormShape,
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    out: &mut [f32],
    stats: &mut [f32],
) {
    let groups = rounded(&moments::moments(isa, s, x), s.eps);
    for (stats, group) in stats.as_chunks_mut::<2>().0.iter_mut().zip(&groups) {
        *stats = [group[0], group[2]];
    }
    normalize_all(isa, s, x, weight, bias, &groups, out);
}

/// Of each group: the mean as an f32, what that rounding has taken away, and 1 / deviation.
fn rounded(moments: &[Moments], eps: f32) -> Vec<[f32; 3]> {
    let of = |m: &Moments| {
        let mean = m.mean as f32;
        [mean, (m.mean - f64::from(mean)) as f32, m.rstd(eps) as f32]
    };
    moments.iter().map(of).collect()
}

fn normalize_all(
    isa: Isa,
    s: &GroupNormShape,
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    groups: &[[f32; 3]],
    out: &mut [f32],
) {
    parallel::chunks(&mut s.blocks_mut(out), 1, |block, out| {
        let out = &mut *out[0];
        let groups = &groups[s.picture_of(block) * s.groups..][..s.groups];
        let [mean, scale, shift] = rows(s, groups, weight, bias);
        let x = s.block(x, block);
        if s.silu {
            normalize(isa, x, &mean, &scale, &shift, out, math::silu);
        } else {
            normalize(isa, x, &mean, &scale, &shift, out, |y| y);
        }
    });
}

/// The mean, scale and shift of the channels of a picture with these groups, as rows of the loops.
///
/// The mean is subtracted first and its rounding made up for in the shift: with
/// `x · scale + shift` the digits that x and the mean have in common would be lost.
fn rows(s: &GroupNormShape, groups: &[[f32; 3]], weight: &[f32], bias: &[f32]) -> [Vec<f32>; 3] {
    let mean = s.row(|g, _| groups[g][0]);
    let scale = s.row(|g, c| groups[g][2] * weight[c]);
    let shift = s.row(|g, c| bias[c] - groups[g][1] * groups[g][2] * weight[c]);
    [mean, scale, shift]
}

/// What a group norm does to each channel of each picture: `(x - mean) · scale + shift`.
#[derive(Clone, Debug)]
pub struct Affine {
    /// `[n, c]`.
    pub mean: Vec<f32>,
    /// `[n, c]`.
    pub scale: Vec<f32>,
    /// `[n, c]`.
    pub shift: Vec<f32>,
}

/// What [`group_norm`] would do to x, with the same bits, for someone who does it on the way.
#[track_caller]
pub fn group_norm_affine(s: &GroupNormShape, x: &[f32], weight: &[f32], bias: &[f32]) -> Affine {
    s.check(&[x.len()], &[weight.len(), bias.len()], 2 * s.n * s.groups);
    let _call = watch::elements("group norm, moments", [s.n, s.pixels, s.c], x.len());
    let [mut mean, mut scale, mut shift] = [(); 3].map(|()| Vec::with_capacity(s.n * s.c));
    let groups = rounded(&moments::moments(isa(), s, x), s.eps);
    for groups in groups.chunks_exact(s.groups) {
        let rows = rows(s, groups, weight, bias);
        for (all, row) in [&mut mean, &mut scale, &mut shift].into_iter().zip(rows) {
            all.extend_from_slice(&row[..s.c]);
        }
    }
    Affine { mean, scale, shift }
}

per_isa! {
    fn normalize<F: Fn(f32) -> f32>(
        x: &[f32], mean: &[f32], scale: &[f32], shift: &[f32], out: &mut [f32], f: F,
    ) {
        for (x, out) in x.chunks(mean.len()).zip(out.chunks_mut(mean.len())) {
            for ((((out, &x), &mean), &scale), &shift) in
                out.iter_mut().zip(x).zip(mean).zip(scale).zip(shift)
            {
                *out = f((x - mean) * scale + shift);
            }
        }
    }
}
