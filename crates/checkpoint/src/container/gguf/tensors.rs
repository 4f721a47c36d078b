//! The descriptions of the tensors.

use super::MOST_AXES;
use super::head::Head;
use super::values::Attached;
use crate::container::Problem;
use crate::encoding::Encoding;

/// A tensor, before it is known where the numbers begin.
pub(super) struct Described {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) encoding: &'static Encoding,
    pub(super) offset: u64,
    pub(super) size: u64,
}

impl Head<'_> {
    /// The description of a tensor.
    pub(super) fn tensor(&mut self, attached: &Attached) -> Result<Described, Problem> {
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
