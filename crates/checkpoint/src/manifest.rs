//! What a file holds, without the numbers.

use std::collections::BTreeMap;
use std::ops::Range;

/// One tensor of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its sizes, outermost first.
    pub shape: Vec<usize>,
    /// How its numbers are written, as the container spells it: `F32`, `BF16`, `I64`, …
    pub dtype: String,
    /// Where its bytes are in the file.
    pub bytes: Range<usize>,
}

/// Names, shapes and encodings of all tensors of a file, in order of their names, and the text that
/// the writer of the file attached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The tensors by name.
    pub tensors: BTreeMap<String, Entry>,
    /// The attached text: key → value.
    pub metadata: BTreeMap<String, String>,
}

impl Manifest {
    pub(crate) fn of(header: &safetensors::tensor::Metadata, data_start: usize) -> Self {
        let tensors = header.tensors().into_iter().map(|(name, info)| {
            let (begin, end) = info.data_offsets;
            let entry = Entry {
                shape: info.shape.clone(),
                dtype: info.dtype.to_string(),
                bytes: data_start + begin..data_start + end,
            };
            (name, entry)
        });
        let metadata = header.metadata().iter().flatten();
        Self {
            tensors: tensors.collect(),
            metadata: metadata.map(|(key, value)| (key.clone(), value.clone())).collect(),
        }
    }
}
