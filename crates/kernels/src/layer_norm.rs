//! Layer normalisation (Ba, Kiros and Hinton 2016) of each row.

use crate::bf16;
use crate::cpu::{Isa, isa};
use crate::lanes;
use crate::math::per_isa;
use crate::parallel;
use crate::reduce::add_up_rows;
use crate::scratch::{Scratch, as_words_mut};
use crate::{Precision, has_pairs, watch};

/// Elements of the rows that one task handles.
const BLOCK: usize = 1 << 14;

/// Elements that stay in the first-level cache, once as they came and once normalised.
const NEAR: usize = 1 << 11;

/// Normalises each row of x `[rows, cols]` to mean 0 and variance 1, then applies `weight` and
/// `bias` (`[cols]` both). `stats` `[rows, 2]` receives mean and 1 / deviation.
#[track_caller]
pub fn layer_norm(
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    eps: f32,
    out: &mut [f32],
    stats: &mut [f32],
    shape: [usize; 2],
) {
    check(shape, &[x.len(), out.len()], &[weight.len(), bias.len()], stats.len());
    let _call = watch::elements("layer norm", shape, 2 * out.len());
    layer_norm_on(isa(), x, weight, bias, eps, out, stats, shape);
}

/// [`layer_norm`] rounded to pairs of bf16, for products alone: `out` is `[rows, cols / 2]`. See
/// [`Activations`](crate::Activations).
///
/// # Panics
/// If this machine multiplies no pairs, or `cols` is odd.
#[track_caller]
pub fn layer_norm_rounded(
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    eps: f32,
    out: &mut [f32],
    shape @ [rows, cols]: [usize; 2],
) {
    assert!(has_pairs(Precision::Bf16) && cols.is_multiple_of(2), "pairs in rows of {cols}");
    check(shape, &[x.len(), 2 * out.len()], &[weight.len(), bias.len()], 2 * rows);
    let _call = watch::elements("layer norm, rounded", shape, x.len() + out.len());
    let isa = isa();
    let rows = (BLOCK / cols).max(1);
    parallel::chunks(out, rows * cols / 2, |i, out| {
        let x = &x[i * rows * cols..][..2 * out.len()];
        // Few rows at a time stay in the cache nearest to the core.
        let few = (NEAR / cols).max(1) * cols;
        let mut space = Scratch::take(few + 2 * few / cols);
        let (plain, stats) = space.floats_mut().split_at_mut(few);
        for (x, out) in x.chunks(few).zip(out.chunks_mut(few / 2)) {
            let plain = &mut plain[..x.len()];
            normalize_rows(isa, x, weight, bias, eps, plain, stats);
            // The rows have an even number of elements each, so pairs do not span them.
            bf16::pack(isa, plain, as_words_mut(out));
        }
    });
}

/// The gradients of [`layer_norm`]; `stats` is what that left there. dx has the shape of x,
/// dweight and dbias are `[cols]`.
#[track_caller]
pub fn layer_norm_grad(
    x: &[f32],
    weight: &[f32],
    stats: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    dweight: &mut [f32],
    dbias: &mut [f32],
    shape: [usize; 2],
) {
    let parameters = [weight.len(), dweight.len(), dbias.len()];
    check(shape, &[x.len(), dy.len(), dx.len()], &parameters, stats.len());
    layer_norm_grad_on(isa(), x, weight, stats, dy, dx, dweight, dbias, shape);
}

#[track_caller]
fn check([rows, cols]: [usize; 2], activations: &[usize], parameters: &[usize], stats: usize) {
    assert!(cols > 0, "layer norm of empty rows");
    assert!(
        activations.iter().all(|&len| len == rows * cols)
            && parameters.iter().all(|&len| len == cols)
            && stats == 2 * rows,
        "activations {activations:?}, parameters {parameters:?}, stats {stats} for {rows} rows of \
         {cols}"
    );
}

fn layer_norm_on(
    isa: Isa,
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    eps: f32,
    out: &mut [f32],
    stats: &mut [f32],
    [_, cols]: [usize; 2],
) {
    let rows = (BLOCK / cols).max(1);
    parallel::chunks2((out, rows * cols), (stats, rows * 2), |i, out, stats| {
        let x = &x[i * rows * cols..][..out.len()];
        normalize_rows(isa, x, weight, bias, eps, out, stats);
    });
}

fn layer_norm_grad_on(
    isa: Isa,
    x: &[f32],
    weight: &[f32],
    stats: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    dweight: &mut [f32],
    dbias: &mut [f32],
    [all_rows, cols]: [usize; 2],
) {
    let rows = (BLOCK / cols).max(1);
    // Each task leaves its sums over rows, for the weight and then for the bias.
    let mut sums = vec![0.0; all_rows.div_ceil(rows) * 2 * cols];
    parallel::chunks2((dx, rows * cols), (&mut sums, 2 * cols), |i, dx, sums| {
        let [x, dy] = [x, dy].map(|all| &all[i * rows * cols..][..dx.len()]);
        let stats = &stats[i * rows * 2..][..dx.len() / cols * 2];
        grad_rows(isa, x, weight, stats, dy, dx, sums);
    });
    let mut both = vec![0.0; 2 * cols];
    add_up_rows(&sums, &mut both);
    dweight.copy_from_slice(&both[..cols]);
    dbias.copy_from_slice(&both[cols..]);
}

per_isa! {
    fn normalize_rows(
        x: &[f32], weight: &[f32], bias: &[f32], eps: f32, out: &mut [f32], stats: &mut [f32],
    ) {
        let cols = weight.len();
        let stats = stats.as_chunks_mut::<2>().0.iter_mut();
        for ((x, out), stats) in x.chunks_exact(cols).zip(out.chunks_exact_mut(cols)).zip(stats) {
            // A mean that is good to a few digits, then both moments about that: right even where
            // the mean is a thousand deviations away from 0.
            let rough = lanes::sums([x], |[x]| [x])[0] / cols as f32;
            let [rest, squares] =
                lanes::sums([x], |[x]| [x - rough, (x - rough) * (x - rough)]);
            let rest = rest / cols as f32;
            let variance = (squares / cols as f32 - rest * rest).max(0.0);
            let rstd = 1.0 / (variance + eps).sqrt();
            for ((out, &x), (&weight, &bias)) in out.iter_mut().zip(x).zip(weight.iter().zip(bias)) {
                *out = ((x - rough) - rest) * rstd * weight + bias;
            }
            *stats = [rough + rest, rstd];
        }
    }

    /// dx of some rows; `sums` receives dweight and dbias of these rows, one after the other.
    fn grad_rows(
        x: &[f32], weight: &[f32], stats: &[f32], dy: &[f32], dx: &mut [f32], sums: &mut [f32],
    ) {
        let cols = weight.len();
        let (dweight, dbias) = sums.split_at_mut(cols);
        dweight.fill(0.0);
        dbias.fill(0.0);
        let rows = x.chunks_exact(cols).zip(dy.chunks_exact(cols)).zip(dx.chunks_exact_mut(cols));
        for (((x, dy), dx), &[mean, rstd]) in rows.zip(stats.as_chunks::<2>().0) {
            // x̂ waits in dx for its second use.
            let sums = dweight.iter_mut().zip(dbias.iter_mut());
            for (((hat, &x), &dy), (dweight, dbias)) in dx.iter_mut().zip(x).zip(dy).zip(sums) {
                *hat = (x - mean) * rstd;
                *dweight += dy * *hat;
                *dbias += dy;
            }
            let [sum, sum_hat] =
                lanes::sums([dy, weight, dx], |[dy, weight, hat]| [dy * weight, dy * weight * hat]);
            let (sum, sum_hat) = (sum / cols as f32, sum_hat / cols as f32);
            for ((dx, &dy), &weight) in dx.iter_mut().zip(dy).zip(weight) {
                *dx = rstd * ((dy * weight - sum) - *dx * sum_hat);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::available;
    use crate::testing::{
        assert_close, assert_gradient, assert_same_on_any_number_of_threads, random, wide,
    };

    const EPS: f32 = 1e-5;
    const SHAPES: [[usize; 2]; 7] =
        [[0, 5], [1, 2], [3, 7], [19, 32], [5, 77], [60, 768], [2, 20_001]];

    fn reference(x: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
        let cols = weight.len();
        let row = |x: &[f64]| -> Vec<f64> {
            let mean = x.iter().sum::<f64>() / cols as f64;
            let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / cols as f64;
            let rstd = 1.0 / (variance + f64::from(EPS)).sqrt();
            (0..cols).map(|c| (x[c] - mean) * rstd * weight[c] + bias[c]).collect()
        };
        x.chunks_exact(cols).flat_map(row).collect()
    }

    /// out, stats, dx, dweight, dbias.
    fn run(isa: Isa, x: &[f32], [rows, cols]: [usize; 2]) -> [Vec<f32>; 5] {
        let (weight, bias, dy) = (random(2, cols), random(3, cols), random(4, x.len()));
        let nan = |len| vec![f32::NAN; len];
        let (mut out, mut stats) = (nan(x.len()), nan(2 * rows));
        let (mut dx, mut dweight, mut dbias) = (nan(x.len()), nan(cols), nan(cols));
        let shape = [rows, cols];
        layer_norm_on(isa, x, &weight, &bias, EPS, &mut out, &mut stats, shape);
        let sums = (&mut dweight, &mut dbias);
        layer_norm_grad_on(isa, x, &weight, &stats, &dy, &mut dx, sums.0, sums.1, shape);
        [out, stats, dx, dweight, dbias]
    }

    #[test]
    fn result_and_gradients_equal_the_reference() {
        for shape @ [rows, cols] in SHAPES {
            let x = random(1, rows * cols);
            let [out, _, dx, dweight, dbias] = run(isa(), &x, shape);
            let (x, weight, bias) = (wide(&x), wide(&random(2, cols)), wide(&random(3, cols)));
            assert_close(&out, &reference(&x, &weight, &bias), 2e-6);
            let dy = random(4, x.len());
            let objective = |x: &[f64], weight: &[f64], bias: &[f64]| -> f64 {
                let out = reference(x, weight, bias);
                out.iter().zip(&dy).map(|(out, &dy)| out * f64::from(dy)).sum()
            };
            // Two elements make a row so steep that differences are not exact.
            let tolerance = if cols == 2 { 1e-2 } else { 1e-4 };
            assert_gradient(&x, &dx, tolerance, |x| objective(x, &weight, &bias));
            assert_gradient(&weight, &dweight, 1e-5, |weight| objective(&x, weight, &bias));
            assert_gradient(&bias, &dbias, 1e-5, |bias| objective(&x, &weight, bias));
        }
    }

    #[test]
    fn rounding_on_the_way_gives_the_rounded_numbers() {
        if !has_pairs(Precision::Bf16) {
            return;
        }
        for shape @ [rows, cols] in SHAPES.into_iter().filter(|shape| shape[1] % 2 == 0) {
            let x = random(1, rows * cols);
            let [out, ..] = run(isa(), &x, shape);
            let (weight, bias) = (random(2, cols), random(3, cols));
            let mut expected = vec![0; out.len() / 2];
            bf16::pack(isa(), &out, &mut expected);
            let mut rounded = vec![f32::NAN; out.len() / 2];
            layer_norm_rounded(&x, &weight, &bias, EPS, &mut rounded, shape);
            assert!(*as_words_mut(&mut rounded) == expected, "{shape:?}");
        }
    }

    #[test]
    fn a_mean_of_a_thousand_deviations_does_no_harm() {
        let x: Vec<f32> = random(5, 9 * 320).iter().map(|x| 1000.0 + 1.7 * x).collect();
        let [out, ..] = run(isa(), &x, [9, 320]);
        let want = reference(&wide(&x), &wide(&random(2, 320)), &wide(&random(3, 320)));
        assert_close(&out, &want, 2e-6);
    }

    #[test]
    fn equal_elements_become_the_bias() {
        let [out, stats, ..] = run(isa(), &[3.25e7; 100], [2, 50]);
        assert_eq!(out, random(3, 50).repeat(2));
        assert_eq!(stats[0], 3.25e7);
    }

    #[test]
    fn instruction_sets_and_threads_give_the_same_bits() {
        for shape @ [rows, cols] in SHAPES {
            let x = random(6, rows * cols);
            let want = run(Isa::Portable, &x, shape);
            assert!(available().all(|isa| run(isa, &x, shape) == want), "{shape:?}");
        }
        let x = random(7, 300 * 320);
        assert_same_on_any_number_of_threads(|| run(isa(), &x, [300, 320]).concat());
    }
}
