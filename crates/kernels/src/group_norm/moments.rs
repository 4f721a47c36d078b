//! Mean and variance of each group.
//!
//! Each block gives, for every group, its number of elements, mean and sum of squares about that
//! mean; these are merged in order as in Chan, Golub and LeVeque 1979. So x is read from memory
//! once, and the variance is right even where the mean is a thousand deviations away from 0.

use super::GroupNormShape;
use crate::cpu::Isa;
use crate::math::per_isa;
use crate::parallel;

/// Number of elements, mean, and sum of squares about the mean.
#[derive(Clone, Copy, Debug)]
pub struct Moments {
    /// Number of elements.
    pub count: f64,
    /// Their mean.
    pub mean: f64,
    /// Sum of the squares of their differences from the mean.
    pub squares: f64,
}

impl Moments {
    /// The moments of both sets of elements together.
    fn merge(self, other: Self) -> Self {
        let count = self.count + other.count;
        let apart = other.mean - self.mean;
        let share = other.count / count;
        Self {
            count,
            mean: self.mean + apart * share,
            squares: self.squares + other.squares + apart * apart * self.count * share,
        }
    }

    /// 1 / deviation.
    pub fn rstd(&self, eps: f32) -> f64 {
        1.0 / (self.squares / self.count + f64::from(eps)).sqrt()
    }
}

/// The moments of each group of each picture, `[n, groups]`.
pub fn moments(isa: Isa, s: &GroupNormShape, x: &[f32]) -> Vec<Moments> {
    let blocks = s.blocks_in_picture();
    let of_block = parallel::collect(s.n * blocks, |i| of_block(isa, s, s.block(x, i)));
    let merge_two = |mut a: Vec<Moments>, b: &Vec<Moments>| {
        a.iter_mut().zip(b).for_each(|(a, b)| *a = a.merge(*b));
        a
    };
    of_block
        .chunks_exact(blocks)
        .flat_map(|picture| picture[1..].iter().fold(picture[0].clone(), merge_two))
        .collect()
}

/// Adds the pixels `x` of one picture to the moments of its groups so far, of which there are none
/// before the first pixels. Cut where blocks are, the pixels give the bits of [`moments`].
pub fn add_moments_of(isa: Isa, s: &GroupNormShape, x: &[f32], so_far: &mut Vec<Moments>) {
    let blocks = s.blocks_in_picture();
    let of_block = parallel::collect(blocks, |i| of_block(isa, s, s.block(x, i)));
    for block in of_block {
        if so_far.is_empty() {
            *so_far = block;
        } else {
            so_far.iter_mut().zip(block).for_each(|(a, b)| *a = a.merge(b));
        }
    }
}

/// The moments of each group in one block: first a mean in f32, good to a few digits, then both
/// moments about that.
fn of_block(isa: Isa, s: &GroupNormShape, x: &[f32]) -> Vec<Moments> {
    let count = (x.len() / s.groups) as f64;
    let mut total = vec![0.0; s.width()];
    add_rows(isa, x, &mut total);
    let rough: Vec<f32> = s.sum_by_group(&total).iter().map(|t| (t / count) as f32).collect();
    let mut squares = vec![0.0; s.width()];
    total.fill(0.0);
    add_moments(isa, x, &s.row(|g, _| rough[g]), &mut total, &mut squares);
    let sums = s.sum_by_group(&total).into_iter().zip(s.sum_by_group(&squares));
    sums.zip(rough)
        .map(|((total, squares), rough)| {
            let rest = total / count;
            let squares = squares - rest * rest * count;
            Moments { count, mean: f64::from(rough) + rest, squares }
        })
        .collect()
}

per_isa! {
    fn add_rows(x: &[f32], total: &mut [f32]) {
        for x in x.chunks(total.len()) {
            for (total, &x) in total.iter_mut().zip(x) {
                *total += x;
            }
        }
    }

    fn add_moments(x: &[f32], about: &[f32], total: &mut [f32], squares: &mut [f32]) {
        for x in x.chunks(about.len()) {
            let sums = total.iter_mut().zip(squares.iter_mut());
            for ((&x, &about), (total, square)) in x.iter().zip(about).zip(sums) {
                let apart = x - about;
                *total += apart;
                *square += apart * apart;
            }
        }
    }
}
