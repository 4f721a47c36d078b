//! An opened safetensors file.

use std::borrow::Cow;
use std::path::Path;

use aquatint_tensor::Tensor;
use safetensors::tensor::{Metadata, SafeTensorError, SafeTensors};

use crate::{DType, Entry, LoadError, Manifest, nearest};

/// The tensors of a safetensors file, still as bytes. Everything in the header has been compared
/// with the length of the file, so a tensor is never larger than the file that holds it.
pub struct Weights {
    file: String,
    bytes: Cow<'static, [u8]>,
    manifest: Manifest,
}

impl Weights {
    /// Reads the file at `path` into memory and checks its header.
    ///
    /// # Errors
    /// If it cannot be read, or is empty, cut off, damaged, or no safetensors file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        let file = path.as_ref().display().to_string();
        match std::fs::read(path) {
            Ok(bytes) => Self::from_bytes(file, bytes),
            Err(source) => Err(LoadError::Read { file, source }),
        }
    }

    /// A file that is in memory already. `file` is what error messages call it.
    ///
    /// # Errors
    /// If it is empty, cut off, damaged, or no safetensors file.
    pub fn from_bytes(
        file: impl Into<String>,
        bytes: impl Into<Cow<'static, [u8]>>,
    ) -> Result<Self, LoadError> {
        let (file, bytes) = (file.into(), bytes.into());
        match SafeTensors::read_metadata(&bytes) {
            Ok((header_len, header)) => {
                let manifest = Manifest::of(&header, 8 + header_len);
                Ok(Self { file, bytes, manifest })
            }
            Err(error) => Err(diagnose(file, &bytes, error)),
        }
    }

    /// The path, or the name given to [`Weights::from_bytes`].
    pub fn file(&self) -> &str {
        &self.file
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

    /// The text that the writer of the file attached under `key`.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.manifest.metadata.get(key).map(String::as_str)
    }

    /// A tensor, converted to f32.
    ///
    /// # Errors
    /// If there is none of this name, or its numbers are neither F32 nor F16 nor BF16.
    pub fn get(&self, name: &str) -> Result<Tensor, LoadError> {
        let Some(Entry { shape, dtype, bytes }) = self.manifest.tensors.get(name) else {
            return Err(LoadError::NoTensor {
                file: self.file.clone(),
                name: name.into(),
                nearest: nearest(name, self.names()).map(str::to_owned),
            });
        };
        let dtype = [DType::F32, DType::F16, DType::Bf16]
            .into_iter()
            .find(|known| known.name() == dtype)
            .ok_or_else(|| LoadError::DType {
                file: self.file.clone(),
                name: name.into(),
                dtype: dtype.clone(),
            })?;
        Ok(Tensor::new(dtype.decode(&self.bytes[bytes.clone()]), shape))
    }
}

/// Why these bytes are no safetensors file, for a person who mixed up files or lost half of one.
fn diagnose(file: String, bytes: &[u8], error: SafeTensorError) -> LoadError {
    let actual = bytes.len() as u64;
    if bytes.is_empty() {
        return LoadError::Empty { file };
    }
    // A header is a JSON object, after eight bytes that hold its length.
    if bytes.get(8).is_none_or(|&byte| byte != b'{')
        && let Some(what) = known_beginning(bytes)
    {
        return LoadError::NotAModel { file, what };
    }
    let Some(&length) = bytes.first_chunk::<8>() else {
        return LoadError::NotAModel { file, what: format!("has {actual} bytes only") };
    };
    if bytes.get(8).is_some_and(|&byte| byte != b'{') {
        return LoadError::NotAModel { file, what: "begins with no safetensors header".into() };
    }
    let end_of_header = u64::from_le_bytes(length).saturating_add(8);
    match error {
        SafeTensorError::HeaderTooLarge => LoadError::Damaged {
            file,
            reason: format!("its header claims to be {} bytes long", end_of_header - 8),
        },
        SafeTensorError::InvalidHeaderLength => {
            LoadError::CutOff { file, promised: end_of_header, actual }
        }
        SafeTensorError::MetadataIncompleteBuffer => {
            let header = bytes.get(8..end_of_header as usize).unwrap_or_default();
            let data = serde_json::from_slice::<Metadata>(header).map_or(0, |h| h.data_len());
            let promised = end_of_header.saturating_add(data as u64);
            if promised > actual {
                return LoadError::CutOff { file, promised, actual };
            }
            let reason =
                format!("its header describes {promised} bytes, but the file has {actual}");
            LoadError::Damaged { file, reason }
        }
        other => LoadError::Damaged { file, reason: other.to_string() },
    }
}

/// The kinds of file that people mistake for a model, by their first bytes.
fn known_beginning(bytes: &[u8]) -> Option<String> {
    const KNOWN: &[(&[u8], &str)] = &[
        (b"\x89PNG", "begins with PNG data"),
        (b"\xff\xd8\xff", "begins with JPEG data"),
        (
            b"PK\x03\x04",
            "is a zip archive, perhaps a PyTorch file; convert it to safetensors first",
        ),
        (b"\x80\x02", "is a Python pickle; convert it to safetensors first"),
        (b"GGUF", "is a GGUF file; convert it to safetensors first"),
        (b"\x93NUMPY", "is a NumPy array"),
        (b"\x1f\x8b", "is gzip-compressed; unpack it first"),
        (b"\x7fELF", "is an executable"),
        (b"%PDF", "is a PDF document"),
        (
            b"version https://git-lfs",
            "is a Git LFS pointer; fetch the file itself with `git lfs pull`",
        ),
        (b"<", "begins with HTML or XML, perhaps an error page; download it again"),
        (b"{", "begins with JSON text"),
    ];
    let known = KNOWN.iter().find(|(magic, _)| bytes.starts_with(magic));
    if let Some((_, what)) = known {
        return Some((*what).into());
    }
    let start = &bytes[..bytes.len().min(64)];
    let text = start.iter().all(|b| matches!(b, b'\t' | b'\n' | b'\r' | b' '..=b'~'));
    text.then(|| "begins with plain text".into())
}
