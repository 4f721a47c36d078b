//! safetensors: eight bytes that hold the length of the header, the header in JSON, the numbers.
//!
//! What is a valid file is for the official crate to say. It wants all of a file as a slice, so it
//! is given the header alone and the length of the file is compared here.

use safetensors::tensor::{Metadata, SafeTensorError, SafeTensors};

use super::Container;
use crate::source::Source;
use crate::{Entry, LoadError, Manifest};

/// The official crate refuses longer headers.
const LONGEST_HEADER: u64 = 100_000_000;

/// The manifest of a safetensors file.
pub(super) fn read(file: &str, source: &Source) -> Result<Manifest, LoadError> {
    let failed = |error| LoadError::Read { file: file.to_owned(), source: error };
    let start = source.read_up_to(0..64).map_err(failed)?;
    let length = start.first_chunk().map_or(0, |&bytes| u64::from_le_bytes(bytes));
    let wanted = if length <= LONGEST_HEADER { 8 + length as usize } else { 64 };
    // A header that claims to reach beyond the end is refused without its bytes.
    let wanted = if wanted > source.len() { 64 } else { wanted };
    let head = source.read_up_to(0..wanted).map_err(failed)?;

    let refused = match judge(&head, length) {
        Ok(header) if header.data_len().checked_add(head.len()) == Some(source.len()) => {
            return Ok(manifest(&header, head.len()));
        }
        Ok(_) => SafeTensorError::MetadataIncompleteBuffer,
        Err(error) => error,
    };
    // The first bytes tell a file of another kind, also where the header is shorter than they.
    let head = if head.len() < start.len() { start } else { head };
    Err(diagnose(file.to_owned(), &head, source.len() as u64, refused))
}

/// The header, if the official crate likes it; its own words for what it dislikes.
fn judge(head: &[u8], length: u64) -> Result<Metadata, SafeTensorError> {
    if let Some(header) = head.get(8..)
        && header.len() as u64 == length
        && let Ok(text) = std::str::from_utf8(header)
        && let Ok(header) = serde_json::from_str(text)
    {
        return Ok(header);
    }
    match SafeTensors::read_metadata(head) {
        Ok((_, header)) => Ok(header),
        Err(error) => Err(error),
    }
}

fn manifest(header: &Metadata, data_start: usize) -> Manifest {
    let tensors = header.tensors().into_iter().map(|(name, info)| {
        let (begin, end) = info.data_offsets;
        let entry = Entry {
            shape: info.shape.clone(),
            dtype: info.dtype.to_string(),
            bytes: data_start + begin..data_start + end,
            container: Container::Safetensors,
            shard: 0,
            strides: None,
        };
        (name, entry)
    });
    let metadata = header.metadata().iter().flatten();
    Manifest {
        tensors: tensors.collect(),
        metadata: metadata.map(|(key, value)| (key.clone(), value.clone())).collect(),
    }
}

/// Why these bytes are no safetensors file, for a person who mixed up files or lost half of one.
/// `head` is at least the header, where that is there; `actual` is the length of the file.
fn diagnose(file: String, head: &[u8], actual: u64, error: SafeTensorError) -> LoadError {
    if head.is_empty() {
        return LoadError::Empty { file };
    }
    // A header is a JSON object, after eight bytes that hold its length.
    if head.get(8).is_none_or(|&byte| byte != b'{')
        && let Some(what) = known_beginning(head)
    {
        return LoadError::NotAModel { file, what };
    }
    let Some(&length) = head.first_chunk::<8>() else {
        return LoadError::NotAModel { file, what: format!("has {actual} bytes only") };
    };
    if head.get(8).is_some_and(|&byte| byte != b'{') {
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
            let header = head.get(8..end_of_header as usize).unwrap_or_default();
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
