//! In which numbers, and in how much memory.

use aquatint_pipeline::Tiling;
use aquatint_tensor::Precision;
use clap::ValueEnum;

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Dtype {
    /// Exact
    F32,
    /// Faster where the processor can, and a little different
    Bf16,
    /// The U-Net in 8 bits, the rest as bf16: faster still, in less memory, and more different
    Int8,
}

impl From<Dtype> for Precision {
    fn from(dtype: Dtype) -> Self {
        match dtype {
            Dtype::F32 => Self::F32,
            Dtype::Bf16 | Dtype::Int8 => Self::Bf16,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum VaeTiling {
    /// From about 768×768 on
    Auto,
    /// Always
    On,
    /// Never
    Off,
}

impl From<VaeTiling> for Tiling {
    fn from(tiling: VaeTiling) -> Self {
        match tiling {
            VaeTiling::Auto => Self::Auto,
            VaeTiling::On => Self::On,
            VaeTiling::Off => Self::Off,
        }
    }
}
