//! The option `--dtype` of the chores that draw.

use aquatint_pipeline::LoadOptions;
use aquatint_tensor::Precision;
use clap::ValueEnum;

/// How a model computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Dtype {
    /// Products of f32 numbers.
    F32,
    /// Products of bf16 numbers.
    Bf16,
    /// Products of 8 bits in the U-Net, of bf16 numbers elsewhere.
    Int8,
}

impl Dtype {
    /// How to load a model for it.
    pub fn options(self) -> LoadOptions {
        let precision = if self == Self::F32 { Precision::F32 } else { Precision::Bf16 };
        LoadOptions { precision, int8: self == Self::Int8, ..Default::default() }
    }
}
