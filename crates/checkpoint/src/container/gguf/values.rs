//! The values that are attached to a file.

use std::collections::{BTreeMap, HashMap};

use super::MOST_AXES;
use super::head::{Head, LONGEST_TEXT};
use crate::container::Problem;

/// How many attached values are kept.
const MOST_TEXTS: usize = 1000;
/// How deep arrays of arrays may nest. No writer nests them at all.
const DEEPEST: usize = 4;
/// What ComfyUI-GGUF puts before a tensor's name, with the shape as an array of integers.
const ORIGINAL_SHAPE: &str = "comfy.gguf.orig_shape.";

/// What of them matters.
#[derive(Default)]
pub(super) struct Attached {
    /// Those that are kept, as text.
    pub(super) texts: BTreeMap<String, String>,
    /// Of the tensors' numbers.
    pub(super) alignment: usize,
    /// The shapes that tensors had before they were converted.
    pub(super) shapes: HashMap<String, Vec<usize>>,
}

impl Head<'_> {
    /// An attached value.
    pub(super) fn value(&mut self, attached: &mut Attached) -> Result<(), Problem> {
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
}
