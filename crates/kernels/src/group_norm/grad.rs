//! The gradients of a group normalisation, in two passes over the activations.
//!
//! With x̂ = (x - mean) · rstd and d the gradient of `weight · x̂ + bias`, per channel
//! `dbias = Σ d` and `dweight = Σ d x̂`, and within a group
//! `dx = rstd · (w d - mean(w d) - x̂ · mean(w d x̂))`.

use super::GroupNormShape;
use crate::cpu::{Isa, isa};
use crate::math::{self, per_isa};
use crate::parallel;
use crate::reduce::add_up_rows;

/// The gradients of [`group_norm`](super::group_norm), through its SiLU if the shape says so.
/// `stats` is what that left there; dx has the shape of x, dweight and dbias are `[c]`.
#[track_caller]
pub fn group_norm_grad(
    s: &GroupNormShape,
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    stats: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    dweight: &mut [f32],
    dbias: &mut [f32],
) {
    let channels = [weight.len(), bias.len(), dweight.len(), dbias.len()];
    s.check(&[x.len(), dy.len(), dx.len()], &channels, stats.len());
    group_norm_grad_on(isa(), s, x, weight, bias, stats, dy, dx, dweight, dbias);
}

pub(super) fn group_norm_grad_on(
    isa: Isa,
    s: &GroupNormShape,
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    stats: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    dweight: &mut [f32],
    dbias: &mut [f32],
) {
    let stats = stats.as_chunks::<2>().0;
    // Each block leaves a row of 2 c sums: Σ d of every channel, then Σ d x̂. With SiLU, dx
    // receives d on the way; without, d is dy.
    let mut of_block = vec![0.0; s.n * s.blocks_in_picture() * 2 * s.c];
    let blocks = &mut s.blocks_mut(dx);
    parallel::chunks2((blocks, 1), (&mut of_block, 2 * s.c), |block, d, sums| {
        let d = &mut *d[0];
        let stats = &stats[s.picture_of(block) * s.groups..][..s.groups];
        let (mean, rstd) = (s.row(|g, _| stats[g][0]), s.row(|g, _| stats[g][1]));
        let (x, dy) = (s.block(x, block), s.block(dy, block));
        let (sum, sum_hat) = sums.split_at_mut(s.c);
        if s.silu {
            let (weight, bias) = (s.row(|_, c| weight[c]), s.row(|_, c| bias[c]));
            before_silu(isa, x, &mean, &rstd, &weight, &bias, dy, d);
            channel_sums(isa, x, &mean, &rstd, d, sum, sum_hat);
        } else {
            channel_sums(isa, x, &mean, &rstd, dy, sum, sum_hat);
        }
    });
    let mut of_picture = vec![0.0; s.n * 2 * s.c];
    let blocks = of_block.chunks_exact(s.blocks_in_picture() * 2 * s.c);
    blocks.zip(of_picture.chunks_exact_mut(2 * s.c)).for_each(|(b, sums)| add_up_rows(b, sums));
    let mut of_all = vec![0.0; 2 * s.c];
    add_up_rows(&of_picture, &mut of_all);
    dbias.copy_from_slice(&of_all[..s.c]);
    dweight.copy_from_slice(&of_all[s.c..]);
    // Of each group: mean, rstd, rstd · mean(w d), rstd² · mean(w d x̂).
    let count = (s.per_group() * s.pixels) as f64;
    let mut groups = Vec::with_capacity(stats.len());
    for (sums, stats) in of_picture.chunks_exact(2 * s.c).zip(stats.chunks_exact(s.groups)) {
        let weighted: Vec<f32> =
            weight.iter().chain(weight).zip(sums).map(|(w, sum)| w * sum).collect();
        let (sum, sum_hat) = weighted.split_at(s.c);
        let means = s.sum_by_group(sum).into_iter().zip(s.sum_by_group(sum_hat));
        groups.extend(stats.iter().zip(means).map(|(&[mean, rstd], (sum, sum_hat))| {
            let rstd_wide = f64::from(rstd);
            let shift = rstd_wide * sum / count;
            [mean, rstd, shift as f32, (rstd_wide * rstd_wide * sum_hat / count) as f32]
        }));
    }
    parallel::chunks(&mut s.blocks_mut(dx), 1, |block, dx| {
        let dx = &mut *dx[0];
        let groups = &groups[s.picture_of(block) * s.groups..][..s.groups];
        let mean = s.row(|g, _| groups[g][0]);
        let scale = s.row(|g, c| groups[g][1] * weight[c]);
        let (shift, slope) = (s.row(|g, _| groups[g][2]), s.row(|g, _| groups[g][3]));
        if !s.silu {
            dx.copy_from_slice(s.block(dy, block));
        }
        finish(isa, s.block(x, block), &mean, &scale, &shift, &slope, dx);
    });
}

per_isa! {
    /// `d = dy · silu'(weight · x̂ + bias)`.
    fn before_silu(
        x: &[f32], mean: &[f32], rstd: &[f32], weight: &[f32], bias: &[f32], dy: &[f32],
        d: &mut [f32],
    ) {
        let width = mean.len();
        for ((x, dy), d) in x.chunks(width).zip(dy.chunks(width)).zip(d.chunks_mut(width)) {
            let parameters = mean.iter().zip(rstd).zip(weight).zip(bias);
            for (((d, &x), &dy), (((&mean, &rstd), &weight), &bias)) in
                d.iter_mut().zip(x).zip(dy).zip(parameters)
            {
                *d = dy * math::silu_slope((x - mean) * rstd * weight + bias);
            }
        }
    }

    /// `sum[c] = Σ d`, `sum_hat[c] = Σ d x̂` over the pixels of a block.
    fn channel_sums(
        x: &[f32], mean: &[f32], rstd: &[f32], d: &[f32], sum: &mut [f32], sum_hat: &mut [f32],
    ) {
        let (width, c) = (mean.len(), sum.len());
        let mut totals = vec![0.0; 2 * width];
        let (total, total_hat) = totals.split_at_mut(width);
        for (x, d) in x.chunks(width).zip(d.chunks(width)) {
            let totals = total.iter_mut().zip(total_hat.iter_mut());
            for (((&x, &d), (&mean, &rstd)), (total, total_hat)) in
                x.iter().zip(d).zip(mean.iter().zip(rstd)).zip(totals)
            {
                *total += d;
                *total_hat += d * ((x - mean) * rstd);
            }
        }
        for i in 0..c {
            sum[i] = total.iter().skip(i).step_by(c).sum();
            sum_hat[i] = total_hat.iter().skip(i).step_by(c).sum();
        }
    }

    /// `dx = d · scale - shift - (x - mean) · slope`, where dx holds d before.
    fn finish(
        x: &[f32], mean: &[f32], scale: &[f32], shift: &[f32], slope: &[f32], dx: &mut [f32],
    ) {
        let width = mean.len();
        for (x, dx) in x.chunks(width).zip(dx.chunks_mut(width)) {
            let parameters = mean.iter().zip(scale).zip(shift).zip(slope);
            for ((dx, &x), (((&mean, &scale), &shift), &slope)) in
                dx.iter_mut().zip(x).zip(parameters)
            {
                *dx = (*dx * scale - shift) - (x - mean) * slope;
            }
        }
    }
}
