//! From bytes to numbers, for every format that a container may hold.

mod blocks;
mod k_blocks;

use half::{bf16, f16};

/// Appends the numbers that these bytes mean.
type Decode<T> = fn(&[u8], &mut Vec<T>);

/// A format: numbers come in blocks of `elements`, which take `bytes`.
pub(crate) struct Encoding {
    /// As safetensors or ggml spells it.
    pub name: &'static str,
    pub elements: usize,
    pub bytes: usize,
    /// Appends the numbers of whole blocks. `None` where they cannot be weights.
    pub decode: Option<Decode<f32>>,
    /// Appends integers, where they are some.
    pub integers: Option<Decode<i64>>,
}

impl Encoding {
    /// The format of this name, if it is one whose numbers can be read.
    pub fn of(name: &str) -> Option<&'static Self> {
        ENCODINGS.iter().find(|encoding| encoding.name == name)
    }

    /// Bytes of one number of a format without blocks.
    pub fn size(name: &str) -> usize {
        match name {
            "C64" => 8,
            other => Self::of(other).map_or(1, |encoding| encoding.bytes / encoding.elements),
        }
    }

    const fn float(name: &'static str, bytes: usize, decode: Decode<f32>) -> Self {
        Self { name, elements: 1, bytes, decode: Some(decode), integers: None }
    }

    const fn integer(name: &'static str, bytes: usize, decode: Decode<i64>) -> Self {
        Self { name, elements: 1, bytes, decode: None, integers: Some(decode) }
    }

    const fn blocks(
        name: &'static str,
        elements: usize,
        bytes: usize,
        decode: Decode<f32>,
    ) -> Self {
        Self { name, elements, bytes, decode: Some(decode), integers: None }
    }
}

static ENCODINGS: &[Encoding] = &[
    Encoding::float("F32", 4, |b, out| each(b, out, f32::from_le_bytes)),
    Encoding::float("F16", 2, |b, out| each(b, out, |n| f16::from_le_bytes(n).to_f32())),
    Encoding::float("BF16", 2, |b, out| each(b, out, |n| bf16::from_le_bytes(n).to_f32())),
    Encoding::float("F64", 8, |b, out| each(b, out, |n| f64::from_le_bytes(n) as f32)),
    Encoding::integer("I64", 8, |b, out| each(b, out, i64::from_le_bytes)),
    Encoding::integer("I32", 4, |b, out| each(b, out, |n| i32::from_le_bytes(n).into())),
    Encoding::integer("I16", 2, |b, out| each(b, out, |n| i16::from_le_bytes(n).into())),
    Encoding::integer("I8", 1, |b, out| each(b, out, |n| i8::from_le_bytes(n).into())),
    // The upper half of u64 wraps, as a cast in PyTorch does.
    Encoding::integer("U64", 8, |b, out| each(b, out, i64::from_le_bytes)),
    Encoding::integer("U32", 4, |b, out| each(b, out, |n| u32::from_le_bytes(n).into())),
    Encoding::integer("U16", 2, |b, out| each(b, out, |n| u16::from_le_bytes(n).into())),
    Encoding::integer("U8", 1, |b, out| each(b, out, |n| u8::from_le_bytes(n).into())),
    Encoding::integer("BOOL", 1, |b, out| each(b, out, |[n]: [u8; 1]| (n != 0).into())),
    Encoding::blocks("Q4_0", 32, 18, blocks::q4_0),
    Encoding::blocks("Q4_1", 32, 20, blocks::q4_1),
    Encoding::blocks("Q5_0", 32, 22, blocks::q5_0),
    Encoding::blocks("Q5_1", 32, 24, blocks::q5_1),
    Encoding::blocks("Q8_0", 32, 34, blocks::q8_0),
    Encoding::blocks("Q2_K", 256, 84, k_blocks::q2_k),
    Encoding::blocks("Q3_K", 256, 110, k_blocks::q3_k),
    Encoding::blocks("Q4_K", 256, 144, k_blocks::q4_k),
    Encoding::blocks("Q5_K", 256, 176, k_blocks::q5_k),
    Encoding::blocks("Q6_K", 256, 210, k_blocks::q6_k),
];

fn each<const N: usize, T>(bytes: &[u8], out: &mut Vec<T>, number: impl Fn([u8; N]) -> T) {
    out.extend(bytes.as_chunks::<N>().0.iter().map(|&chunk| number(chunk)));
}

/// The numbers of a strided view in row-major order. `values` begins with the first of them.
pub(crate) fn gather<T: Copy>(values: &[T], shape: &[usize], strides: &[usize]) -> Vec<T> {
    let mut out = Vec::with_capacity(shape.iter().product());
    let mut index = vec![0; shape.len()];
    let mut at = 0;
    loop {
        out.push(values[at]);
        // Counts up the last axis, and carries.
        let mut axis = shape.len();
        loop {
            let Some(next) = axis.checked_sub(1) else { return out };
            axis = next;
            index[axis] += 1;
            at += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            at -= strides[axis] * shape[axis];
            index[axis] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_are_gathered() {
        let values: Vec<i32> = (0..24).collect();
        assert_eq!(gather(&values, &[3, 2], &[1, 3]), [0, 3, 1, 4, 2, 5]);
        assert_eq!(gather(&values, &[2, 1, 3], &[12, 7, 4]), [0, 4, 8, 12, 16, 20]);
        assert_eq!(gather(&values, &[2, 2], &[0, 1]), [0, 1, 0, 1]);
        assert_eq!(gather(&values, &[], &[]), [0]);
    }

    #[test]
    fn numbers_of_every_width() {
        let read = |name: &str, bytes: &[u8]| {
            let mut out = Vec::new();
            Encoding::of(name).unwrap().integers.unwrap()(bytes, &mut out);
            out
        };
        assert_eq!(read("I64", &(-3i64).to_le_bytes()), [-3]);
        assert_eq!(read("I32", &(-3i32).to_le_bytes()), [-3]);
        assert_eq!(read("I16", &[0xfd, 0xff, 2, 1]), [-3, 258]);
        assert_eq!(read("I8", &[0xfd, 2]), [-3, 2]);
        assert_eq!(read("U16", &[0xfd, 0xff]), [65533]);
        assert_eq!(read("BOOL", &[0, 1, 2]), [0, 1, 1]);
        let mut out = Vec::new();
        Encoding::of("F64").unwrap().decode.unwrap()(&0.1f64.to_le_bytes(), &mut out);
        assert_eq!(out, [0.1]);
        assert!(Encoding::of("F8_E4M3").is_none());
        assert_eq!(Encoding::size("C64"), 8);
    }
}
