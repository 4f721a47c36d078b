//! Writing a safetensors file.
//!
//! The container is simple enough to be written by hand, and has to be: the safetensors crate keeps
//! the attached text in a hash map, so that two runs would write it in different order, and the same
//! weights must give the same bytes.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use aquatint_tensor::Tensor;

use crate::save_streamed::{Planned, header};
use crate::{DType, atomic};

/// Writes these tensors, atomically. Names are sorted; `metadata` is attached as text.
///
/// # Errors
/// Those of the file system. The old file, if there was one, is then as before.
///
/// # Panics
/// If a name is given twice.
pub fn save(
    path: impl AsRef<Path>,
    tensors: &[(String, Tensor)],
    dtype: DType,
    metadata: &BTreeMap<String, String>,
) -> io::Result<()> {
    atomic::with_file(path, |file| {
        let mut out = BufWriter::with_capacity(1 << 20, file);
        encode(&mut out, tensors, dtype, metadata)?;
        out.flush()
    })
}

/// Writes the bytes of a safetensors file: the length of the header (8 bytes, little-endian), the
/// header (JSON, padded with spaces to a multiple of 8), the numbers.
///
/// # Errors
/// Those of `out`.
///
/// # Panics
/// If a name is given twice.
pub fn encode(
    out: &mut impl Write,
    tensors: &[(String, Tensor)],
    dtype: DType,
    metadata: &BTreeMap<String, String>,
) -> io::Result<()> {
    let sorted: BTreeMap<&str, &Tensor> = tensors.iter().map(|(n, t)| (n.as_str(), t)).collect();
    assert_eq!(sorted.len(), tensors.len(), "a tensor's name is given twice");

    let planned = |(&name, tensor): (&&str, &&Tensor)| Planned {
        name: name.to_owned(),
        shape: tensor.shape().to_vec(),
        dtype,
    };
    let planned: Vec<Planned> = sorted.iter().map(planned).collect();
    out.write_all(&header(planned.iter(), metadata)?)?;
    for tensor in sorted.values() {
        out.write_all(&dtype.encode(&tensor.to_vec()))?;
    }
    Ok(())
}
