//! Numbers in the type they are stored in.

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use std::ops::Range;

use crate::cpu;
use crate::math::per_isa;
use crate::parallel;

/// Numbers that a thread widens at once.
const CHUNK: usize = 1 << 16;

/// Weights as a file has them.
#[derive(Clone, Copy, Debug)]
pub enum Numbers<'a> {
    /// 32 bits.
    F32(&'a [f32]),
    /// IEEE half precision.
    F16(&'a [f16]),
    /// The upper halves of f32.
    Bf16(&'a [bf16]),
}

impl Numbers<'_> {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(x) => x.len(),
            Self::F16(x) => x.len(),
            Self::Bf16(x) => x.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes those in `range` to `out`, exactly.
    ///
    /// # Panics
    /// If `out` has another length, or there are fewer numbers.
    pub fn widen(&self, range: Range<usize>, out: &mut [f32]) {
        match self {
            Self::F32(x) => out.copy_from_slice(&x[range]),
            Self::F16(x) => x[range].convert_to_f32_slice(out),
            Self::Bf16(x) => {
                assert_eq!(range.len(), out.len(), "numbers to widen");
                widen_bf16(cpu::isa(), x[range].reinterpret_cast(), out);
            }
        }
    }

    /// All numbers in f32, by all threads.
    ///
    /// # Panics
    /// If `out` has another length.
    pub fn widen_all(&self, out: &mut [f32]) {
        assert_eq!(self.len(), out.len(), "numbers to widen");
        parallel::chunks(out, CHUNK, |i, out| {
            self.widen(i * CHUNK..i * CHUNK + out.len(), out);
        });
    }
}

per_isa! {
    /// Numbers with these upper halves.
    fn widen_bf16(x: &[u16], out: &mut [f32]) {
        for (out, &x) in out.iter_mut().zip(x) {
            *out = f32::from_bits(u32::from(x) << 16);
        }
    }
}

/// Numbers that are kept as they came.
pub(crate) enum Kept {
    F32(Vec<f32>),
    Halves(Halves),
}

impl Kept {
    pub fn new(numbers: Numbers) -> Self {
        match numbers {
            Numbers::F32(x) => Self::F32(x.to_vec()),
            Numbers::F16(x) => Self::Halves(Halves::F16(x.to_vec())),
            Numbers::Bf16(x) => Self::Halves(Halves::Bf16(x.to_vec())),
        }
    }

    pub fn numbers(&self) -> Numbers<'_> {
        match self {
            Self::F32(x) => Numbers::F32(x),
            Self::Halves(x) => x.numbers(),
        }
    }

    pub fn bytes(&self) -> usize {
        match self {
            Self::F32(x) => 4 * x.len(),
            Self::Halves(x) => 2 * x.len(),
        }
    }
}

/// Numbers of 16 bits.
#[derive(Clone, Debug)]
pub(crate) enum Halves {
    F16(Vec<f16>),
    Bf16(Vec<bf16>),
}

impl Halves {
    pub fn len(&self) -> usize {
        self.numbers().len()
    }

    pub fn numbers(&self) -> Numbers<'_> {
        match self {
            Self::F16(x) => Numbers::F16(x),
            Self::Bf16(x) => Numbers::Bf16(x),
        }
    }
}
