//! Writing a safetensors file that is never in memory whole: the header first, which shapes and
//! encodings say, then the numbers of one tensor after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde_json::{Value, json};

use crate::{DType, atomic};

/// A tensor that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Its name in the file.
    pub name: String,
    /// Its sizes, outermost first.
    pub shape: Vec<usize>,
    /// How its numbers are written.
    pub dtype: DType,
}

impl Planned {
    /// The bytes that it takes.
    pub fn bytes(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.size()
    }
}

/// Writes the planned tensors, atomically; `bytes` makes those of the tensor with this index, in
/// row-major order, little-endian. They are asked for in the order of the file: wide numbers before
/// narrow ones, so that each lies at a multiple of its size, and by name.
///
/// # Errors
/// Those of `bytes` and those of the file system. The old file, if there was one, is then as
/// before.
///
/// # Panics
/// If a name is given twice, or `bytes` makes other bytes than were planned.
pub fn save_streamed<E: From<io::Error>>(
    path: impl AsRef<Path>,
    tensors: &[Planned],
    metadata: &BTreeMap<String, String>,
    mut bytes: impl FnMut(usize) -> Result<Vec<u8>, E>,
) -> Result<(), E> {
    let order = order(tensors);
    atomic::with_file(path, |file| {
        let mut out = BufWriter::with_capacity(1 << 20, file);
        let ordered = order.iter().map(|&i| &tensors[i]);
        out.write_all(&header(ordered, metadata)?)?;
        for &i in &order {
            let made = bytes(i)?;
            assert_eq!(made.len(), tensors[i].bytes(), "the bytes of `{}`", tensors[i].name);
            out.write_all(&made)?;
        }
        Ok(out.flush()?)
    })
}

/// The order in the file, as indices.
fn order(tensors: &[Planned]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..tensors.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(tensors[i].dtype.size()), &tensors[i].name));
    order
}

/// What stands before the numbers of tensors in this order: the length of the header (8 bytes,
/// little-endian) and the header (JSON, padded with spaces to a multiple of 8).
///
/// # Panics
/// If a name is given twice.
pub(crate) fn header<'a>(
    tensors: impl Iterator<Item = &'a Planned>,
    metadata: &BTreeMap<String, String>,
) -> io::Result<Vec<u8>> {
    let mut entries = BTreeMap::<&str, Value>::new();
    if !metadata.is_empty() {
        entries.insert("__metadata__", json!(metadata));
    }
    let mut names = BTreeSet::new();
    let mut begin = 0;
    for tensor in tensors {
        let Planned { name, shape, dtype } = tensor;
        assert!(names.insert(name), "the name `{name}` is given twice");
        let end = begin + tensor.bytes();
        let entry = json!({"dtype": dtype.name(), "shape": shape, "data_offsets": [begin, end]});
        entries.insert(name, entry);
        begin = end;
    }
    let mut json = serde_json::to_vec(&entries)?;
    json.resize(json.len().next_multiple_of(8), b' ');
    let mut header = (json.len() as u64).to_le_bytes().to_vec();
    header.append(&mut json);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use safetensors::SafeTensors;
    use safetensors::tensor::Dtype;

    use super::*;

    fn planned(name: &str, shape: &[usize], dtype: DType) -> Planned {
        Planned { name: name.into(), shape: shape.into(), dtype }
    }

    #[test]
    fn the_official_crate_reads_what_was_streamed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        let tensors = [
            planned("half \"é\"", &[3], DType::F16),
            planned("b.single", &[2, 2], DType::F32),
            planned("a.brain", &[1], DType::Bf16),
            planned("double", &[], DType::F64),
            planned("empty", &[0, 4], DType::F32),
        ];
        let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
        let content = |i: usize| (0..tensors[i].bytes()).map(|b| (7 * i + b) as u8).collect();
        let mut asked = Vec::new();
        save_streamed(&path, &tensors, &metadata, |i| {
            asked.push(i);
            Ok::<Vec<u8>, io::Error>(content(i))
        })
        .unwrap();
        assert_eq!(asked, [3, 1, 4, 2, 0]);

        let bytes = std::fs::read(&path).unwrap();
        let (_, head) = SafeTensors::read_metadata(&bytes).unwrap();
        assert_eq!(head.metadata().as_ref().unwrap()["format"], "pt");
        let file = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(file.len(), tensors.len());
        let dtypes = [Dtype::F16, Dtype::F32, Dtype::BF16, Dtype::F64, Dtype::F32];
        for (i, tensor) in tensors.iter().enumerate() {
            let found = file.tensor(&tensor.name).unwrap();
            assert_eq!((found.dtype(), found.shape()), (dtypes[i], &*tensor.shape));
            assert_eq!(found.data(), content(i), "{}", tensor.name);
            let place = found.data().as_ptr() as usize - bytes.as_ptr() as usize;
            assert!(place.is_multiple_of(tensor.dtype.size()), "{} at {place}", tensor.name);
        }
    }

    #[test]
    fn a_failure_on_the_way_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        std::fs::write(&path, b"old").unwrap();
        let tensors = ["a", "b"].map(|name| planned(name, &[1 << 20], DType::F32));
        let error = save_streamed(&path, &tensors, &BTreeMap::new(), |i| match i {
            0 => Ok(vec![0; 4 << 20]),
            _ => Err(io::Error::from(io::ErrorKind::StorageFull)),
        });
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
