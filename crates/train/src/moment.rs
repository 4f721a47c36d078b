//! What AdamW remembers of a parameter, in 32 bits a number or in 8 (Dettmers et al. 2022, "8-bit
//! optimizers via block-wise quantization", arXiv:2110.02861).
//!
//! In 8 bits, each block of 256 numbers is divided by its largest, and each quotient is one of 256
//! values that lie closer together near zero (section 1.3, dynamic tree quantization). Unlike there,
//! both ends of the range of signed numbers are values, so that what was rounded once stays as it
//! is: a checkpoint in 32 bits brings back the same bits. And what is above zero stays above it,
//! since a root is divided by.

use std::sync::LazyLock;

use aquatint_tensor::Tensor;
use rayon::prelude::*;

/// Numbers with a scale of their own.
const BLOCK: usize = 256;
/// Parameters of fewer numbers are remembered in 32 bits, as in the paper's implementation.
const FEW: usize = 4096;
/// What a block is divided by at least; less is zero.
const LEAST: f32 = 1e-30;

/// One of the two moments of a parameter.
#[derive(Clone, Debug)]
pub enum Moment {
    /// In 32 bits.
    Whole(Tensor),
    /// In 8 bits.
    Narrow(Narrow),
}

/// Numbers in 8 bits.
#[derive(Clone, Debug)]
pub struct Narrow {
    codes: Vec<u8>,
    scales: Vec<f32>,
    shape: Box<[usize]>,
    signed: bool,
}

impl Moment {
    /// Zeros of a parameter of this shape: in 8 bits if `narrow` and there are many.
    pub fn zeros(shape: &[usize], narrow: bool, signed: bool) -> Self {
        let count: usize = shape.iter().product();
        if !narrow || count < FEW {
            return Self::Whole(Tensor::zeros(shape));
        }
        let (codes, scales) = (vec![0; count], vec![0.0; count.div_ceil(BLOCK)]);
        Self::Narrow(Narrow { codes, scales, shape: shape.into(), signed })
    }

    /// The numbers.
    pub fn get(&self) -> Tensor {
        match self {
            Self::Whole(tensor) => tensor.clone(),
            Self::Narrow(narrow) => narrow.widened(),
        }
    }

    /// Remembers other numbers.
    pub fn set(&mut self, tensor: Tensor) {
        match self {
            Self::Whole(whole) => *whole = tensor,
            Self::Narrow(narrow) => narrow.round(&tensor.to_vec()),
        }
    }

    /// The numbers, taken out; [`Moment::set`] must follow.
    pub fn take(&mut self) -> Tensor {
        match self {
            // Nobody else holds them then, so that they are changed where they are.
            Self::Whole(whole) => std::mem::replace(whole, Tensor::zeros(&[0])),
            Self::Narrow(narrow) => narrow.widened(),
        }
    }
}

impl Narrow {
    fn widened(&self) -> Tensor {
        let (values, mut wide) = (values(self.signed), vec![0.0; self.codes.len()]);
        let blocks = wide.par_chunks_mut(BLOCK).zip(self.codes.par_chunks(BLOCK));
        blocks.zip(&self.scales).for_each(|((wide, codes), scale)| {
            wide.iter_mut().zip(codes).for_each(|(x, &code)| *x = values[code as usize] * scale);
        });
        Tensor::new(wide, &self.shape)
    }

    fn round(&mut self, numbers: &[f32]) {
        let (values, signed) = (values(self.signed), self.signed);
        let blocks = numbers.par_chunks(BLOCK).zip(self.codes.par_chunks_mut(BLOCK));
        blocks.zip(&mut self.scales).for_each(|((numbers, codes), scale)| {
            let largest = numbers.iter().fold(0.0f32, |a, x| a.max(x.abs()));
            *scale = if largest < LEAST { 0.0 } else { largest };
            for (code, x) in codes.iter_mut().zip(numbers) {
                *code = if *scale == 0.0 { zero(values) } else { nearest(values, x / *scale) };
                if !signed && *x > 0.0 && *scale > 0.0 {
                    *code = (*code).max(1);
                }
            }
        });
    }
}

fn zero(values: &[f32; 256]) -> u8 {
    nearest(values, 0.0)
}

/// The code of the value that is nearest to x.
fn nearest(values: &[f32; 256], x: f32) -> u8 {
    let above = values.partition_point(|&value| value < x).clamp(1, 255);
    let below = above - 1;
    (if x - values[below] <= values[above] - x { below } else { above }) as u8
}

/// The 256 values in order: means of equal parts of each decade from 1e-7 to 1, more in the higher
/// ones, zero, and the ends.
fn values(signed: bool) -> &'static [f32; 256] {
    static SIGNED: LazyLock<[f32; 256]> = LazyLock::new(|| made(true));
    static UNSIGNED: LazyLock<[f32; 256]> = LazyLock::new(|| made(false));
    if signed { &SIGNED } else { &UNSIGNED }
}

fn made(signed: bool) -> [f32; 256] {
    let mut values = vec![0.0, 1.0];
    for decade in 0..7 {
        let parts = 1 << if signed { decade } else { decade + 1 };
        for part in 0..parts {
            let mean = 0.1 + 0.9 * (f64::from(part) + 0.5) / f64::from(parts);
            let value = (mean * 10f64.powi(decade - 6)) as f32;
            values.push(value);
            if signed {
                values.push(-value);
            }
        }
    }
    values.sort_by(f32::total_cmp);
    if signed {
        values[0] = -1.0;
    }
    values.try_into().expect("there are 256 values")
}

#[cfg(test)]
mod tests {
    use super::*;
    use aquatint_tensor::Rng;

    fn numbers(signed: bool) -> Tensor {
        let x = Rng::new(1).randn(&[5000]);
        // Of very different sizes, as gradients are.
        let x =
            x.mul(&x).mul(&x).mul(&Tensor::from_fn(&[5000], |i| 10f32.powi(-((i / 512) as i32))));
        if signed { x } else { x.sqr() }
    }

    #[test]
    fn what_was_rounded_once_stays() {
        for signed in [true, false] {
            let mut moment = Moment::zeros(&[5000], true, signed);
            assert_eq!(moment.get().to_vec(), [0.0; 5000]);
            moment.set(numbers(signed));
            let once = moment.get().to_vec();
            moment.set(Tensor::new(once.clone(), &[5000]));
            assert!(moment.get().to_vec() == once, "signed: {signed}");
        }
    }

    #[test]
    fn large_numbers_of_a_block_keep_their_size() {
        for signed in [true, false] {
            let exact = numbers(signed);
            let mut moment = Moment::zeros(&[5000], true, signed);
            moment.set(exact.clone());
            for (block, rounded) in
                exact.to_vec().chunks(BLOCK).zip(moment.get().to_vec().chunks(BLOCK))
            {
                let largest = block.iter().fold(0.0f32, |a, x| a.max(x.abs()));
                for (x, y) in block.iter().zip(rounded).filter(|(x, _)| x.abs() > 0.1 * largest) {
                    assert!((x - y).abs() < 0.08 * x.abs(), "{x} became {y}");
                }
                assert!(signed || block.iter().zip(rounded).all(|(x, y)| (*x > 0.0) == (*y > 0.0)));
            }
        }
    }

    #[test]
    fn few_numbers_are_kept_exactly() {
        let x = Tensor::from_fn(&[40, 100], |i| i as f32);
        let mut moment = Moment::zeros(x.shape(), true, true);
        moment.set(x.clone());
        assert_eq!(moment.take().to_vec(), x.to_vec());
    }
}
