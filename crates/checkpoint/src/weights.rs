//! An opened file of weights, whatever kind of file it is.

use std::borrow::Cow;
use std::path::Path;

use aquatint_tensor::Tensor;
use half::{bf16, f16};

use crate::container::open_shards;
use crate::encoding::{Encoding, gather};
use crate::source::Source;
use crate::{Container, Entry, LoadError, Manifest, nearest};

/// How many bytes are read and converted at a time, so that converting a tensor takes little more
/// memory than the tensor itself.
const CHUNK: usize = 1 << 18;

/// The tensors of a file, which stay in it until they are asked for. Everything in its head has
/// been compared with the length of the file, so a tensor is never larger than the file that holds
/// it.
pub struct Weights {
    pub(crate) file: String,
    pub(crate) container: Container,
    /// The file itself, or the shards of an index.
    pub(crate) sources: Vec<Source>,
    pub(crate) manifest: Manifest,
}

impl Weights {
    /// Opens the file at `path` and checks its head; its first bytes say which [`Container`] it is.
    /// The file stays open, and its numbers are read by [`Weights::get`].
    ///
    /// # Errors
    /// If it cannot be read, or is empty, cut off, damaged, or no such file; if it is a pickle that
    /// would call what weights have no need of; if it is an index whose shards are not below its
    /// folder.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        let path = path.as_ref();
        let file = path.display().to_string();
        match Source::open(path) {
            Ok(source) => Self::of(file, source, Some(path)),
            Err(source) => Err(LoadError::Read { file, source }),
        }
    }

    /// A file that is in memory already. `file` is what error messages call it.
    ///
    /// # Errors
    /// As those of [`Weights::open`]. An index is refused: there is no folder that its shards would
    /// be in.
    pub fn from_bytes(
        file: impl Into<String>,
        bytes: impl Into<Cow<'static, [u8]>>,
    ) -> Result<Self, LoadError> {
        Self::of(file.into(), Source::Memory(bytes.into()), None)
    }

    fn of(file: String, source: Source, path: Option<&Path>) -> Result<Self, LoadError> {
        let container = match source.read_up_to(0..64) {
            Ok(head) => Container::sniff(&head),
            Err(source) => return Err(LoadError::Read { file, source }),
        };
        if let (Container::ShardIndex, Some(path)) = (container, path) {
            return open_shards(path, file, &source);
        }
        let manifest = container.read(&file, &source)?;
        Ok(Self { file, container, sources: vec![source], manifest })
    }

    /// The path, or the name given to [`Weights::from_bytes`].
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The kind of the file that was opened.
    pub fn container(&self) -> Container {
        self.container
    }

    /// Names, shapes and encodings.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The names of the tensors, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.manifest.tensors.keys().map(String::as_str)
    }

    /// The shape of a tensor, if there is one of this name.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.manifest.tensors.get(name).map(|entry| entry.shape.as_slice())
    }

    /// How the numbers of a tensor are written, if there is one of this name: see [`Entry::dtype`].
    pub fn dtype(&self, name: &str) -> Option<&str> {
        self.manifest.tensors.get(name).map(|entry| entry.dtype.as_str())
    }

    /// The text that the writer of the file attached under `key`.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.manifest.metadata.get(key).map(String::as_str)
    }

    /// A tensor, converted to f32. F64 is rounded; quantized numbers are multiplied out.
    ///
    /// # Errors
    /// If there is none of this name, or its numbers are integers or of an unknown kind, or the
    /// file cannot be read any more.
    pub fn get(&self, name: &str) -> Result<Tensor, LoadError> {
        let entry = self.entry(name)?;
        let Some(Encoding { elements, bytes, decode: Some(decode), .. }) =
            Encoding::of(&entry.dtype)
        else {
            return Err(self.wrong_dtype(name, entry));
        };
        if let Some(strides) = &entry.strides {
            let mut values = Vec::with_capacity(entry.bytes.len() / bytes * elements);
            self.chunks(entry, *bytes, |chunk| decode(chunk, &mut values))?;
            return Ok(Tensor::new(gather(&values, &entry.shape, strides), &entry.shape));
        }
        Tensor::written(&entry.shape, |values| {
            self.chunks(entry, *bytes, |chunk| decode(chunk, values))
        })
    }

    /// A tensor as [`Weights::get`], but numbers of 16 bits stay as they are: half the memory.
    ///
    /// # Errors
    /// As those of [`Weights::get`].
    pub fn get_stored(&self, name: &str) -> Result<Tensor, LoadError> {
        let entry = self.entry(name)?;
        let shape = &entry.shape;
        Ok(match entry.dtype.as_str() {
            "F16" => Tensor::from_f16(self.halves(entry, f16::from_le_bytes)?, shape),
            "BF16" => Tensor::from_bf16(self.halves(entry, bf16::from_le_bytes)?, shape),
            _ => return self.get(name),
        })
    }

    fn halves<T: Copy>(
        &self,
        entry: &Entry,
        number: impl Fn([u8; 2]) -> T,
    ) -> Result<Vec<T>, LoadError> {
        let mut values = Vec::with_capacity(entry.bytes.len() / 2);
        self.chunks(entry, 2, |chunk| {
            values.extend(chunk.as_chunks().0.iter().map(|&two| number(two)));
        })?;
        Ok(match &entry.strides {
            Some(strides) => gather(&values, &entry.shape, strides),
            None => values,
        })
    }

    /// A tensor of integers or of truth values, such as a counter of steps, in row-major order.
    ///
    /// # Errors
    /// If there is none of this name, or its numbers are not integers, or the file cannot be read
    /// any more.
    pub fn integers(&self, name: &str) -> Result<Vec<i64>, LoadError> {
        let entry = self.entry(name)?;
        let Some(Encoding { bytes, integers: Some(decode), .. }) = Encoding::of(&entry.dtype)
        else {
            return Err(LoadError::Unusable {
                file: self.file.clone(),
                reason: format!("its `{name}` is {}, where integers are wanted", entry.dtype),
            });
        };
        let mut values = Vec::with_capacity(entry.bytes.len() / bytes);
        self.chunks(entry, *bytes, |chunk| decode(chunk, &mut values))?;
        Ok(match &entry.strides {
            Some(strides) => gather(&values, &entry.shape, strides),
            None => values,
        })
    }

    /// Hands the bytes of a tensor to `each`, in pieces of whole blocks.
    fn chunks(
        &self,
        entry: &Entry,
        block: usize,
        mut each: impl FnMut(&[u8]),
    ) -> Result<(), LoadError> {
        let source = &self.sources[entry.shard];
        let step = CHUNK / block * block;
        let mut buffer = Vec::new();
        for start in entry.bytes.clone().step_by(step) {
            let range = start..(start + step).min(entry.bytes.end);
            match source.read_into(range, &mut buffer) {
                Ok(bytes) => each(bytes),
                Err(source) => return Err(LoadError::Read { file: self.file.clone(), source }),
            }
        }
        Ok(())
    }

    fn entry(&self, name: &str) -> Result<&Entry, LoadError> {
        self.manifest.tensors.get(name).ok_or_else(|| LoadError::NoTensor {
            file: self.file.clone(),
            name: name.into(),
            nearest: nearest(name, self.names()).map(str::to_owned),
        })
    }

    fn wrong_dtype(&self, name: &str, entry: &Entry) -> LoadError {
        LoadError::DType { file: self.file.clone(), name: name.into(), dtype: entry.dtype.clone() }
    }
}
