//! The bytes of a tensor of a new file. Where its encoding stays, the bytes stay too, moved about
//! at most; where it changes, numbers are rounded once.

use super::binding::Array;
use super::convert::Output;
use crate::encoding::{Encoding, gather};
use crate::{DType, LoadError, Weights};

/// Why a tensor cannot be written as wanted.
#[derive(Debug, thiserror::Error)]
pub enum RecodeError {
    /// It cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A number that would become infinite.
    #[error(
        "{file} holds {number} in `{name}`, which is too large for {dtype}; take --dtype bf16 or f32"
    )]
    TooLarge {
        /// The old file.
        file: String,
        /// The name in it.
        name: String,
        /// The number.
        number: f32,
        /// What it does not fit into.
        dtype: DType,
    },
}

impl Output {
    /// The encoding that keeps every bit of what it is made of; F16 for quantized numbers, which
    /// are products of an F16 and a small integer and have no encoding in the new file. Of tensors
    /// that are fused and encoded differently, F32.
    pub fn kept_dtype(&self, weights: &Weights) -> DType {
        let kept = |name| DType::named(weights.dtype(name).unwrap_or_default());
        let mut dtypes = self.sources().map(|name| kept(name).unwrap_or(DType::F16));
        let first = dtypes.next().unwrap_or(DType::F32);
        if dtypes.all(|dtype| dtype == first) { first } else { DType::F32 }
    }

    /// Its bytes in the encoding `dtype`, row-major and little-endian, made of the tensors of
    /// `weights`, the file that it was planned for.
    ///
    /// # Errors
    /// If one cannot be read, or does not fit into `dtype`.
    pub fn bytes(&self, weights: &Weights, dtype: DType) -> Result<Vec<u8>, RecodeError> {
        if self.sources().any(|name| weights.dtype(name) != Some(dtype.name())) {
            return self.rounded(weights, dtype);
        }
        Ok(match (self.copied(), dtype.size()) {
            (Some(name), _) => weights.bytes(name)?,
            (None, 2) => self.moved::<2>(weights)?,
            (None, 4) => self.moved::<4>(weights)?,
            (None, _) => self.moved::<8>(weights)?,
        })
    }

    /// Numbers of `N` bytes, which nobody looks at.
    fn moved<const N: usize>(&self, weights: &Weights) -> Result<Vec<u8>, LoadError> {
        let values = self.values(|name| {
            let bytes = weights.bytes(name)?;
            let shape = weights.shape(name).unwrap_or_default();
            Ok::<_, LoadError>((bytes.as_chunks::<N>().0.to_vec(), shape.to_vec()))
        })?;
        Ok(values.into_flattened())
    }

    fn rounded(&self, weights: &Weights, dtype: DType) -> Result<Vec<u8>, RecodeError> {
        let values = self.values(|name| numbers(weights, name))?;
        // Halfway between the largest F16 and the next number that it would have.
        const TOO_LARGE_FOR_F16: f32 = 65520.0;
        let too_large = |v: &&f32| v.is_finite() && v.abs() >= TOO_LARGE_FOR_F16;
        if dtype == DType::F16
            && let Some(&number) = values.iter().find(too_large)
        {
            let name = self.sources().next().unwrap_or_default().to_owned();
            return Err(RecodeError::TooLarge { file: weights.file().into(), name, number, dtype });
        }
        Ok(dtype.encode(&values))
    }
}

/// As [`Weights::get`], without a tensor around them: its memory would be kept for the next one of
/// its size, of which there may be none.
fn numbers(weights: &Weights, name: &str) -> Result<Array<f32>, LoadError> {
    let encoding = weights.dtype(name).and_then(Encoding::of);
    let Some(Encoding { elements, bytes: size, decode: Some(decode), .. }) = encoding else {
        let tensor = weights.get(name)?;
        return Ok((tensor.to_vec(), tensor.shape().to_vec()));
    };
    let bytes = weights.bytes(name)?;
    let mut values = Vec::with_capacity(bytes.len() / size * elements);
    decode(&bytes, &mut values);
    Ok((values, weights.shape(name).unwrap_or_default().to_vec()))
}

impl Weights {
    /// The bytes of a tensor as they are in the file, but in row-major order.
    ///
    /// # Errors
    /// If there is none of this name, or the file cannot be read any more.
    pub fn bytes(&self, name: &str) -> Result<Vec<u8>, LoadError> {
        let file = || self.file().to_owned();
        let Some(entry) = self.manifest().tensors.get(name) else {
            return Err(LoadError::NoTensor { file: file(), name: name.into(), nearest: None });
        };
        let bytes = self.sources[entry.shard].read(entry.bytes.clone());
        let bytes = bytes.map_err(|source| LoadError::Read { file: file(), source })?.into_owned();
        let Some(strides) = &entry.strides else { return Ok(bytes) };
        fn moved<const N: usize>(bytes: &[u8], shape: &[usize], strides: &[usize]) -> Vec<u8> {
            gather(bytes.as_chunks::<N>().0, shape, strides).into_flattened()
        }
        Ok(match Encoding::size(&entry.dtype) {
            1 => moved::<1>(&bytes, &entry.shape, strides),
            2 => moved::<2>(&bytes, &entry.shape, strides),
            4 => moved::<4>(&bytes, &entry.shape, strides),
            _ => moved::<8>(&bytes, &entry.shape, strides),
        })
    }
}
