//! GGUF, the format of ggml, as stable-diffusion.cpp writes it: magic, version, counts, attached
//! values, the description of each tensor, then the numbers, aligned
//! (`docs/gguf.md` in ggml's repository).
//!
//! ggml counts axes from the innermost and leaves outermost ones of length one away; here the sizes
//! are turned to PyTorch's order and those that are away stay away. Where ComfyUI's converter noted
//! the shape that a tensor had, that is its shape.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use super::{Container, Problem};
use crate::encoding::Encoding;
use crate::source::Source;
use crate::{Entry, Manifest};

/// More tensors than this describe no model of ours.
const MOST_TENSORS: u64 = 1 << 16;
/// How many attached values are kept, and how long a kept one may be.
const MOST_TEXTS: usize = 1000;
const LONGEST_TEXT: usize = 1 << 16;
/// ggml's own limit is four.
const MOST_AXES: usize = 8;
/// How deep arrays of arrays may nest. No writer nests them at all.
const DEEPEST: usize = 4;
/// What ComfyUI-GGUF puts before a tensor's name, with the shape as an array of integers.
const ORIGINAL_SHAPE: &str = "comfy.gguf.orig_shape.";

/// The manifest of such a file.
pub(super) fn read(source: &Source) -> Result<Manifest, Problem> {
    let mut head = Head { source, at: 4, ahead: (0, Cow::Borrowed(&[])) };
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
    place(found, head.at.next_multiple_of(attached.alignment), &attached, source.len())
}

#[derive(Default)]
struct Attached {
    texts: BTreeMap<String, String>,
    alignment: usize,
    shapes: HashMap<String, Vec<usize>>,
}

struct Described {
    name: String,
    shape: Vec<usize>,
    encoding: &'static Encoding,
    offset: u64,
    size: u64,
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

/// The head of a file, read a piece ahead.
struct Head<'a> {
    source: &'a Source,
    at: usize,
    /// What has been read, and where it begins.
    ahead: (usize, Cow<'a, [u8]>),
}

impl Head<'_> {
    fn skip(&mut self, count: u64) -> Result<(), Problem> {
        let end = (self.at as u64).saturating_add(count);
        if end > self.source.len() as u64 {
            return Err(Problem::CutOff { promised: end, actual: self.source.len() });
        }
        self.at = end as usize;
        Ok(())
    }

    fn bytes(&mut self, count: u64) -> Result<&[u8], Problem> {
        let start = self.at;
        self.skip(count)?;
        let (from, bytes) = &self.ahead;
        if start < *from || self.at > from + bytes.len() {
            let bytes = self.source.read_up_to(start..self.at.max(start + (1 << 16)))?;
            self.ahead = (start, bytes);
        }
        let (from, bytes) = &self.ahead;
        Ok(&bytes[start - from..self.at - from])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Problem> {
        let bytes = self.bytes(N as u64)?;
        Ok(bytes.try_into().expect("as many as were asked for"))
    }

    fn u32(&mut self) -> Result<u32, Problem> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, Problem> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A name: text that is not long.
    fn name(&mut self) -> Result<String, Problem> {
        let len = self.u64()?;
        if len > LONGEST_TEXT as u64 {
            return Problem::damaged(format!("it has a name of {len} bytes"));
        }
        match std::str::from_utf8(self.bytes(len)?) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Problem::damaged("it has a name that is no text"),
        }
    }

    /// An attached value.
    fn value(&mut self, attached: &mut Attached) -> Result<(), Problem> {
        let key = self.name()?;
        let kind = self.u32()?;
        let text = match kind {
            0 => u8::from_le_bytes(self.array()?).to_string(),
            1 => i8::from_le_bytes(self.array()?).to_string(),
            2 => u16::from_le_bytes(self.array()?).to_string(),
            3 => i16::from_le_bytes(self.array()?).to_string(),
            4 => self.u32()?.to_string(),
            5 => i32::from_le_bytes(self.array()?).to_string(),
            6 => f32::from_le_bytes(self.array()?).to_string(),
            7 => (self.array()? != [0]).to_string(),
            8 => {
                let len = self.u64()?;
                if len > LONGEST_TEXT as u64 {
                    return self.skip(len);
                }
                String::from_utf8_lossy(self.bytes(len)?).into_owned()
            }
            9 => return self.list(&key, attached),
            10 => self.u64()?.to_string(),
            11 => i64::from_le_bytes(self.array()?).to_string(),
            12 => f64::from_le_bytes(self.array()?).to_string(),
            other => return Problem::damaged(format!("its value `{key}` is of kind {other}")),
        };
        if key == "general.alignment" {
            match text.parse() {
                Ok(alignment @ 1..=65_536) => attached.alignment = alignment,
                _ => return Problem::damaged(format!("its alignment is {text}")),
            }
        }
        if attached.texts.len() < MOST_TEXTS {
            attached.texts.insert(key, text);
        }
        Ok(())
    }

    /// An attached list, which is skipped unless it is the shape of a tensor.
    fn list(&mut self, key: &str, attached: &mut Attached) -> Result<(), Problem> {
        let (kind, count) = (self.u32()?, self.u64()?);
        if let Some(name) = key.strip_prefix(ORIGINAL_SHAPE)
            && kind == 5
            && count <= MOST_AXES as u64
        {
            let mut shape = Vec::new();
            for _ in 0..count {
                shape.push(self.u32()? as usize);
            }
            attached.shapes.insert(name.to_owned(), shape);
            return Ok(());
        }
        self.skip_list(kind, count, 0)
    }

    fn skip_list(&mut self, kind: u32, count: u64, depth: usize) -> Result<(), Problem> {
        let size = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            10..=12 => 8,
            8 => {
                for _ in 0..count {
                    let len = self.u64()?;
                    self.skip(len)?;
                }
                return Ok(());
            }
            9 if depth < DEEPEST => {
                for _ in 0..count {
                    let (kind, count) = (self.u32()?, self.u64()?);
                    self.skip_list(kind, count, depth + 1)?;
                }
                return Ok(());
            }
            _ => return Problem::damaged(format!("it has a list of kind {kind}")),
        };
        self.skip(count.saturating_mul(size))
    }

    /// The description of a tensor.
    fn tensor(&mut self, attached: &Attached) -> Result<Described, Problem> {
        let name = self.name()?;
        let axes = self.u32()? as usize;
        if axes > MOST_AXES {
            return Problem::damaged(format!("its `{name}` has {axes} axes"));
        }
        let mut sizes = Vec::with_capacity(axes);
        for _ in 0..axes {
            sizes.push(self.u64()?);
        }
        let (kind, offset) = (self.u32()?, self.u64()?);
        let Some(encoding) = ggml_type(kind).and_then(Encoding::of) else {
            return Err(Problem::Unusable(format!(
                "its `{name}` is of ggml's type number {kind}, which is not supported; quantize the \
                 model to Q8_0 or Q4_K instead"
            )));
        };
        let (elements, bytes) = (encoding.elements as u64, encoding.bytes as u64);
        let numbers = sizes.iter().try_fold(1u64, |n, &size| n.checked_mul(size));
        let numbers = numbers.filter(|&n| n > 0 && n < 1 << 48);
        let rows = sizes.first().copied().unwrap_or(1) % elements == 0;
        let (Some(numbers), true) = (numbers, rows) else {
            return Problem::damaged(format!(
                "its `{name}` of sizes {sizes:?} cannot be {}",
                encoding.name
            ));
        };
        let mut shape: Vec<usize> = sizes.iter().rev().map(|&size| size as usize).collect();
        if let Some(original) = attached.shapes.get(&name)
            && original.iter().try_fold(1u64, |n, &size| n.checked_mul(size as u64))
                == Some(numbers)
        {
            shape.clone_from(original);
        }
        Ok(Described { name, shape, encoding, offset, size: numbers / elements * bytes })
    }
}

/// The numbers of `enum ggml_type`, as [`Encoding`] spells them.
fn ggml_type(number: u32) -> Option<&'static str> {
    Some(match number {
        0 => "F32",
        1 => "F16",
        2 => "Q4_0",
        3 => "Q4_1",
        6 => "Q5_0",
        7 => "Q5_1",
        8 => "Q8_0",
        10 => "Q2_K",
        11 => "Q3_K",
        12 => "Q4_K",
        13 => "Q5_K",
        14 => "Q6_K",
        24 => "I8",
        25 => "I16",
        26 => "I32",
        27 => "I64",
        28 => "F64",
        30 => "BF16",
        _ => return None,
    })
}
