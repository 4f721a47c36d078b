//! Norms: of groups, which makes layer norm one of rows with one group, and of rows as vectors.

use super::Exact;
use crate::group_norm::GroupNormShape;

/// `[out, dx, dweight, dbias]`, the sizes of which are those of numbers of about 1 times the
/// parameters, and grow with how much closer than the mean the elements of a group lie together.
pub fn group_norm(
    s: &GroupNormShape,
    x: &[f32],
    [weight, bias]: [&[f32]; 2],
    dy: &[f32],
) -> [Vec<Exact>; 4] {
    let [mut out, mut dx] = [(); 2].map(|()| vec![Exact::default(); x.len()]);
    let [mut dweight, mut dbias] = [(); 2].map(|()| vec![Exact::default(); s.c]);
    let per_group = s.c / s.groups;
    for group in 0..s.n * s.groups {
        let (n, first) = (group / s.groups, group % s.groups * per_group);
        let places: Vec<usize> = (0..s.pixels)
            .flat_map(|p| (0..per_group).map(move |c| (n * s.pixels + p) * s.c + first + c))
            .collect();
        let count = places.len() as f64;
        let mean = places.iter().map(|&i| f64::from(x[i])).sum::<f64>() / count;
        let squares = places.iter().map(|&i| (f64::from(x[i]) - mean).powi(2)).sum::<f64>();
        let rstd = 1.0 / (squares / count + f64::from(s.eps)).sqrt();
        // How many digits the difference from the mean loses.
        let lost = 1.0 + mean.abs() * rstd;
        let hat = |i: usize| (f64::from(x[i]) - mean) * rstd;
        let (mut sum, mut sum_hat, mut largest) = (0.0, 0.0, 1.0_f64);
        let slopes: Vec<f64> = places
            .iter()
            .map(|&i| {
                let c = i % s.c;
                let (weight, bias) = (f64::from(weight[c]), f64::from(bias[c]));
                let y = hat(i) * weight + bias;
                let sigmoid = 1.0 / (1.0 + (-y).exp());
                let size = lost * (hat(i) * weight).abs() + lost * weight.abs() + bias.abs();
                out[i] = Exact::of_size(if s.silu { y * sigmoid } else { y }, size);
                let slope = if s.silu { sigmoid * (1.0 + y * (1.0 - sigmoid)) } else { 1.0 };
                let d = f64::from(dy[i]) * slope;
                let size =
                    lost * f64::from(dy[i]).abs() * (1.0 + hat(i).abs()) * (1.0 + weight.abs());
                dweight[c] = Exact::of_size(dweight[c].value + d * hat(i), dweight[c].size + size);
                dbias[c] = Exact::of_size(dbias[c].value + d, dbias[c].size + size);
                sum += d * weight;
                sum_hat += d * weight * hat(i);
                largest = largest.max(size);
                d * weight
            })
            .collect();
        for (&i, d) in places.iter().zip(slopes) {
            let value = rstd * (d - sum / count - hat(i) * sum_hat / count);
            dx[i] = Exact::of_size(value, lost * rstd * largest * (1.0 + hat(i).abs()));
        }
    }
    [out, dx, dweight, dbias]
}

/// `x / |x|` of each row of `cols`.
pub fn unit_rows(x: &[f32], cols: usize) -> Vec<Exact> {
    let row = |x: &[f32]| -> Vec<Exact> {
        let length = x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        let length = if length < 1e-12 { f64::from(1e-12_f32) } else { length };
        x.iter().map(|&x| f64::from(x) / length).map(|y| Exact::of_size(y, y.abs())).collect()
    };
    x.chunks(cols).flat_map(row).collect()
}
