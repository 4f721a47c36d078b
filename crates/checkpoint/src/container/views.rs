//! From the value that a PyTorch file holds to names, shapes and places of tensors.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::{Container, Problem};
use crate::encoding::Encoding;
use crate::pickle::{Halt, Heap, Pickle, Storage, Value, View};
use crate::{Entry, Manifest};

/// Keys under which people put the weights beside other things: Lightning, then others.
const WRAPPERS: &[&str] = &["state_dict", "model_state_dict", "params_ema", "params"];
/// What trainers store beside the weights, which may have tensors of its own.
const NOT_WEIGHTS: &[&str] =
    &["callbacks", "loops", "lr_schedulers", "optimizer", "optimizer_states"];
/// How deep dictionaries of dictionaries are looked into.
const DEEPEST: usize = 8;
/// How many texts and numbers beside the weights are looked for.
const MOST_TEXTS: usize = 1000;

impl From<Halt> for Problem {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::End => Self::Damaged("its pickle breaks off".into()),
            Halt::Malformed(reason) => Self::Damaged(reason),
            Halt::Refused(name) => Self::Refused(name),
        }
    }
}

/// The manifest of a PyTorch file of `file_size` bytes. `locate` says where in the file the numbers
/// of a storage are.
pub(super) fn manifest(
    pickle: &mut Pickle<'_>,
    container: Container,
    file_size: usize,
    mut locate: impl FnMut(&Heap<'_>, &Storage) -> Result<Range<usize>, Problem>,
) -> Result<Manifest, Problem> {
    let mut found = Found::default();
    let root = pickle.root;
    if pickle.heap.dict(root).is_none() {
        return Err(Problem::Unusable(
            "it holds no dictionary of tensors; save `model.state_dict()` instead of the model"
                .into(),
        ));
    }
    let mut weights = root;
    for _ in 0..DEEPEST {
        let inner = WRAPPERS.iter().find_map(|key| pickle.heap.item(weights, key));
        match inner.filter(|&inner| pickle.heap.dict(inner).is_some()) {
            Some(inner) => weights = inner,
            None => break,
        }
    }
    found.collect(&mut pickle.heap, weights, "", 0)?;

    let mut manifest = Manifest { metadata: texts(&mut pickle.heap, root)?, ..Manifest::default() };
    // Views may share storages, as tied weights do. A file whose views are many times itself was
    // made to exhaust somebody's memory.
    let mut left = file_size.saturating_mul(4).saturating_add(1 << 16);
    for (name, value) in found.tensors {
        let Some(view) = pickle.heap.view(value) else { continue };
        let place = locate(&pickle.heap, &view.storage)?;
        let entry = entry(&name, view, place, container)?;
        let numbers: usize = entry.shape.iter().product();
        let size = numbers.saturating_mul(Encoding::size(&entry.dtype)).max(entry.bytes.len());
        match left.checked_sub(size) {
            Some(rest) => left = rest,
            None => return Problem::damaged("its tensors are many times as large as itself"),
        }
        manifest.tensors.insert(name, entry);
    }
    Ok(manifest)
}

#[derive(Default)]
struct Found {
    tensors: BTreeMap<String, Value>,
    /// Dictionaries that were looked into. Each is, once, though the pickle may refer to it often.
    seen: BTreeSet<u32>,
}

impl Found {
    /// All tensors in a dictionary and in the dictionaries in it, their names joined by dots.
    fn collect(
        &mut self,
        heap: &mut Heap<'_>,
        dict: Value,
        prefix: &str,
        depth: usize,
    ) -> Result<(), Problem> {
        let Value::Node(index) = dict else { return Ok(()) };
        if depth > DEEPEST || !self.seen.insert(index) {
            return Ok(());
        }
        for at in 0..heap.dict(dict).map_or(0, <[_]>::len) {
            let Some(&(key, value)) = heap.dict(dict).and_then(|pairs| pairs.get(at)) else {
                break;
            };
            let is_tensor = heap.view(value).is_some();
            if !is_tensor && heap.dict(value).is_none() {
                continue;
            }
            let key = match (heap.text(key), key) {
                (Some(text), _) => text.to_owned(),
                (None, Value::Int(number)) => number.to_string(),
                _ => continue,
            };
            // A name, its tensor, and what the maps around them take.
            heap.charge(prefix.len() + key.len() + 400)?;
            let name = format!("{prefix}{key}");
            if is_tensor {
                self.tensors.insert(name, value);
            } else if depth > 0 || !NOT_WEIGHTS.contains(&key.as_str()) {
                self.collect(heap, value, &format!("{name}."), depth + 1)?;
            }
        }
        Ok(())
    }
}

/// The text and integers beside the weights: `global_step`, `epoch`, a name.
fn texts(heap: &mut Heap<'_>, root: Value) -> Result<BTreeMap<String, String>, Problem> {
    let mut texts = BTreeMap::new();
    let pairs = heap.dict(root).unwrap_or_default().iter().take(MOST_TEXTS);
    for (key, value) in pairs.copied().collect::<Vec<_>>() {
        let value = match (heap.text(value), value) {
            (Some(text), _) => text.to_owned(),
            (None, Value::Int(number)) => number.to_string(),
            _ => continue,
        };
        if let Some(key) = heap.text(key) {
            heap.charge(key.len() + value.len() + 150)?;
            texts.insert(key.to_owned(), value);
        }
    }
    Ok(texts)
}

/// Where a view of a storage is, which lies at `place`.
fn entry(
    name: &str,
    view: &View,
    place: Range<usize>,
    container: Container,
) -> Result<Entry, Problem> {
    let (storage, size) = (&view.storage, Encoding::size(view.dtype));
    let beyond = || Problem::Damaged(format!("its `{name}` reaches beyond its storage"));
    let (first, count) = storage.part;
    let unit = Encoding::size(storage.dtype);
    let (start, room) = (place.start + first * unit, count * unit / size);
    let empty = view.shape.contains(&0);
    // The distance from the first to the last number.
    let span = view.shape.iter().zip(&view.strides).try_fold(0usize, |sum, (&extent, &stride)| {
        extent.saturating_sub(1).checked_mul(stride)?.checked_add(sum)
    });
    let end = match span {
        _ if empty => view.offset,
        Some(span) => {
            view.offset.checked_add(span).and_then(|n| n.checked_add(1)).ok_or_else(beyond)?
        }
        None => return Err(beyond()),
    };
    let numbers = view.shape.iter().try_fold(1usize, |n, &extent| n.checked_mul(extent));
    if end > room || start + end * size > place.end || numbers.is_none_or(|n| n >= 1 << 48) {
        return Err(beyond());
    }
    Ok(Entry {
        shape: view.shape.to_vec(),
        dtype: view.dtype.into(),
        bytes: start + view.offset * size..start + end * size,
        container,
        shard: 0,
        strides: (!empty && !is_contiguous(view)).then(|| view.strides.to_vec()),
    })
}

/// Whether the numbers lie in row-major order without gaps. The stride of an axis of length one
/// means nothing.
fn is_contiguous(view: &View) -> bool {
    let mut expected = 1;
    view.shape.iter().zip(&view.strides).rev().all(|(&extent, &stride)| {
        let fits = extent == 1 || stride == expected;
        expected *= extent;
        fits
    })
}
