//! What a file holds, without the numbers.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::Container;

/// One tensor of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its sizes, outermost first. GGUF's, which are innermost first in the file, are turned.
    pub shape: Vec<usize>,
    /// How its numbers are written: `F32`, `BF16`, `I64`, … as safetensors spells it, for PyTorch's
    /// files too; `Q4_0`, `Q6_K`, … as ggml does.
    pub dtype: String,
    /// Where its bytes are in the file, or in its shard. Those of a strided view have gaps.
    pub bytes: Range<usize>,
    /// The kind of file that these bytes are in.
    pub container: Container,
    /// Which of the files.
    pub(crate) shard: usize,
    /// For a view that is not contiguous: how many numbers apart the neighbours of each axis lie.
    pub(crate) strides: Option<Vec<usize>>,
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
