//! How the numbers of a tensor are written in a file.

use std::fmt;

use half::{bf16, f16};

/// An encoding that can be read into f32 and written from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DType {
    /// IEEE single precision: exact.
    F32,
    /// IEEE half precision: 11 bits, largest number 65504.
    F16,
    /// The upper half of an f32: 8 bits, the range of f32.
    Bf16,
    /// IEEE double precision.
    F64,
}

impl DType {
    /// Bytes of one number.
    pub fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::F64 => 8,
        }
    }

    /// The spelling in a safetensors header.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::F64 => "F64",
        }
    }

    /// That of this spelling in a safetensors header.
    pub fn named(name: &str) -> Option<Self> {
        [Self::F32, Self::F16, Self::Bf16, Self::F64].into_iter().find(|dtype| dtype.name() == name)
    }

    /// f32 as little-endian bytes, rounded to the nearest, ties to even.
    pub(crate) fn encode(self, values: &[f32]) -> Vec<u8> {
        match self {
            Self::F32 => all(values, f32::to_le_bytes),
            Self::F16 => all(values, |v| f16::from_f32(v).to_le_bytes()),
            Self::Bf16 => all(values, |v| bf16::from_f32(v).to_le_bytes()),
            Self::F64 => all(values, |v| f64::from(v).to_le_bytes()),
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn all<const N: usize>(values: &[f32], bytes: impl Fn(f32) -> [u8; N]) -> Vec<u8> {
    let mut out = vec![0; values.len() * N];
    for (chunk, &value) in out.as_chunks_mut::<N>().0.iter_mut().zip(values) {
        *chunk = bytes(value);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::Encoding;

    #[test]
    fn known_bit_patterns() {
        assert_eq!(DType::F16.encode(&[1.0, -2.0, 65504.0]), [0, 0x3c, 0, 0xc0, 0xff, 0x7b]);
        assert_eq!(DType::Bf16.encode(&[1.0, -2.0]), [0x80, 0x3f, 0, 0xc0]);
        let mut decoded = Vec::new();
        Encoding::of("BF16").unwrap().decode.unwrap()(&[0x80, 0x3f, 0, 0xc0], &mut decoded);
        assert_eq!(decoded, [1.0, -2.0]);
        // 1 + 2^-8 lies between two bf16 numbers; the even one is 1.
        assert_eq!(DType::Bf16.encode(&[1.0 + 1.0 / 256.0]), [0x80, 0x3f]);
    }
}
