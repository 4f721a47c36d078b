//! What `torch.save` wrote before version 1.6: five pickles in a row — a magic number, the version
//! of the protocol, a description of the machine, the object, the keys of its storages — and then
//! each storage: the count of its numbers in eight bytes, and the numbers.
//!
//! Plain pickles begin alike and come here as well, to be refused in words that fit them.

use std::collections::HashMap;
use std::ops::Range;

use super::torch::LONGEST_PICKLE;
use super::{Container, Problem, views};
use crate::Manifest;
use crate::encoding::Encoding;
use crate::pickle::{Halt, Pickle, Value, budget, run};
use crate::source::Source;

/// The magic number as protocol 2 writes it, and as 0 and 1 do.
const MAGIC: &[u8] = b"\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
const MAGIC_AS_TEXT: &[u8] = b"L119547037146038801333356L";
/// How much of the file is looked at first. If the pickles are longer, more is.
const FIRST_LOOK: usize = 1 << 20;

/// Whether these are the first bytes of a pickle of protocol 0 or 1, which have no mark: PyTorch's
/// magic number, or at once the name of a function and the beginning of its arguments.
pub(super) fn is_text_pickle(head: &[u8]) -> bool {
    let is_name = |line: &[u8]| line.iter().all(|b| b.is_ascii_alphanumeric() || b"._".contains(b));
    let mut lines = head.split(|&byte| byte == b'\n');
    let named = head.starts_with(b"c") && lines.by_ref().take(2).all(is_name);
    head.starts_with(MAGIC_AS_TEXT)
        || named && lines.next().is_some_and(|line| matches!(line, [b'(' | b')' | b'p' | b'q', ..]))
}

/// The manifest of such a file.
pub(super) fn read(source: &Source) -> Result<Manifest, Problem> {
    let longest = source.len().min(LONGEST_PICKLE);
    let mut look = longest.min(FIRST_LOOK);
    loop {
        let bytes = source.read(0..look)?;
        match pickles(&bytes, source.len()) {
            Err(Failure::Pickle(Halt::End)) if look < longest => look = longest,
            Err(Failure::Pickle(Halt::End)) if look == source.len() => {
                return Err(Problem::Damaged("it breaks off in the middle of a pickle".into()));
            }
            Err(Failure::Pickle(halt)) => return Err(halt.into()),
            Err(Failure::Other(problem)) => return Err(problem),
            Ok((mut object, keys)) => {
                let places = places(source, &object, &keys)?;
                return views::manifest(
                    &mut object,
                    Container::TorchLegacy,
                    source.len(),
                    |heap, storage| match places.get(heap.text(storage.key).unwrap_or_default()) {
                        Some(place) => Ok(place.clone()),
                        None => Problem::damaged("one of its storages is not in it"),
                    },
                );
            }
        }
    }
}

enum Failure {
    Pickle(Halt),
    Other(Problem),
}

impl From<Halt> for Failure {
    fn from(halt: Halt) -> Self {
        Self::Pickle(halt)
    }
}

/// The object and the keys of its storages.
fn pickles(bytes: &[u8], file_size: usize) -> Result<(Pickle<'_>, Pickle<'_>), Failure> {
    let next = |start| run(bytes, start, budget(file_size) / 2);
    let magic = next(0)?;
    let said = &bytes[..magic.end.min(64)];
    if !said.starts_with(MAGIC_AS_TEXT) && !said.windows(MAGIC.len()).any(|window| window == MAGIC)
    {
        return Err(Failure::Other(Problem::Unusable(
            "it is a Python pickle that PyTorch did not write; save the weights with `torch.save` \
             or as safetensors"
                .into(),
        )));
    }
    let version = next(magic.end)?;
    if version.root != Value::Int(1001) {
        return Err(Failure::Other(Problem::Damaged("its version is not PyTorch's 1001".into())));
    }
    let machine = next(version.end)?;
    if machine.heap.item(machine.root, "little_endian") == Some(Value::Bool(false)) {
        return Err(Failure::Other(Problem::Unusable(
            "it was written on a big-endian machine; save it again on another".into(),
        )));
    }
    let object = next(machine.end)?;
    let keys = next(object.end)?;
    Ok((object, keys))
}

/// Where each storage is, by its key.
fn places(
    source: &Source,
    object: &Pickle<'_>,
    keys: &Pickle<'_>,
) -> Result<HashMap<String, Range<usize>>, Problem> {
    // A storage comes into the pickle once for each of its tensors, and is the same each time.
    let mut storages = HashMap::new();
    for storage in object.heap.storages() {
        let key = object.heap.text(storage.key).unwrap_or_default();
        let size = storage.count.saturating_mul(Encoding::size(storage.dtype));
        if *storages.entry(key).or_insert((storage.count, size)) != (storage.count, size) {
            return Problem::damaged(format!("its storage `{key}` has two sizes"));
        }
    }
    let mut places = HashMap::new();
    let mut at = keys.end;
    for &key in keys.heap.list(keys.root).unwrap_or_default() {
        let known = keys.heap.text(key).and_then(|key| Some((key, *storages.get(key)?)));
        let Some((key, (count, size))) = known else {
            return Problem::damaged("it has a storage that no tensor uses");
        };
        let end = at.saturating_add(8).saturating_add(size);
        if end > source.len() {
            return Err(Problem::CutOff { promised: end as u64, actual: source.len() });
        }
        let said = source.read(at..at + 8)?;
        let said = said.first_chunk().map(|&bytes| u64::from_le_bytes(bytes));
        if said != Some(count as u64) || places.insert(key.to_owned(), at + 8..end).is_some() {
            return Problem::damaged(format!("its storage `{key}` is not as long as it says"));
        }
        at = end;
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_magic_number_is_the_same_in_both_spellings() {
        let number = MAGIC.iter().rev().fold(0u128, |n, &byte| n << 8 | u128::from(byte));
        assert_eq!(format!("L{number}L").as_bytes(), MAGIC_AS_TEXT);
    }
}
