//! GGUF, the format of ggml, as stable-diffusion.cpp writes it: magic, version, counts, attached
//! values, the description of each tensor, then the numbers, aligned
//! (`docs/gguf.md` in ggml's repository).
//!
//! ggml counts axes from the innermost and leaves outermost ones of length one away; here the sizes
//! are turned to PyTorch's order and those that are away stay away. Where ComfyUI's converter noted
//! the shape that a tensor had, that is its shape.

mod head;
mod tensors;
mod values;

use super::{Container, Problem};
use crate::source::Source;
use crate::{Entry, Manifest};
use head::Head;
use tensors::Described;
use values::Attached;

/// More tensors than this describe no model of ours.
const MOST_TENSORS: u64 = 1 << 16;
/// ggml's own limit of axes is four.
const MOST_AXES: usize = 8;

/// The manifest of such a file.
pub(super) fn read(source: &Source) -> Result<Manifest, Problem> {
    let mut head = Head::after_magic(source);
    match head.u32()? {
        2 | 3 => {}
        version if matches!(version.swap_bytes(), 2 | 3) => {
            return Err(Problem::Unusable("it is a GGUF file for big-endian machines".into()));
        }
        version => {
            return Err(Problem::Unusable(format!(
                "it is GGUF of version {version}, and 2 and 3 are known; convert the model again"
            )));
        }
    }
    let (tensors, values) = (head.u64()?, head.u64()?);
    // The shortest description of a value has 13 bytes.
    if tensors > MOST_TENSORS || values > (source.len() / 13) as u64 {
        return Problem::damaged(format!("it claims to have {tensors} tensors, {values} values"));
    }
    let mut attached = Attached { alignment: 32, ..Attached::default() };
    for _ in 0..values {
        head.value(&mut attached)?;
    }
    let mut found = Vec::new();
    for _ in 0..tensors {
        found.push(head.tensor(&attached)?);
    }
    place(found, head.at().next_multiple_of(attached.alignment), &attached, source.len())
}

/// Puts the tensors where they lie in the file, and makes sure that they lie in it, apart.
fn place(
    mut found: Vec<Described>,
    start: usize,
    attached: &Attached,
    file_size: usize,
) -> Result<Manifest, Problem> {
    found.sort_by_key(|tensor| (tensor.offset, tensor.size));
    let mut manifest = Manifest { metadata: attached.texts.clone(), ..Manifest::default() };
    let mut free = 0;
    for Described { name, shape, encoding, offset, size } in found {
        if offset < free || offset % attached.alignment as u64 != 0 {
            return Problem::damaged(format!("its `{name}` lies within another tensor"));
        }
        let end = offset.checked_add(size);
        free = end.ok_or_else(|| Problem::Damaged(format!("its `{name}` has no size")))?;
        let promised = free.saturating_add(start as u64);
        if promised > file_size as u64 {
            return Err(Problem::CutOff { promised, actual: file_size });
        }
        let first = start + offset as usize;
        let entry = Entry {
            shape,
            dtype: encoding.name.into(),
            bytes: first..first + size as usize,
            container: Container::Gguf,
            shard: 0,
            strides: None,
        };
        if manifest.tensors.insert(name.clone(), entry).is_some() {
            return Problem::damaged(format!("it has two tensors `{name}`"));
        }
    }
    Ok(manifest)
}
