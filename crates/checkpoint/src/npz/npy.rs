//! One array as `numpy.save` writes it (NEP 1): a header, which is a literal of Python, and the
//! numbers. The header is read as data, and objects are refused: they would be pickles.

use half::f16;

use super::Array;

/// The array in these bytes.
///
/// # Errors
/// What is wrong, for after its name: "is …".
pub(super) fn read(bytes: &[u8]) -> Result<Array, String> {
    let (header, data) = split(bytes).ok_or("has no header of NumPy's")?;
    let descr = quoted(after(header, "descr")).ok_or("does not say what its numbers are")?;
    let fortran = after(header, "fortran_order").is_some_and(|text| text.starts_with("True"));
    let shape = shape(header).ok_or("has no shape")?;
    let kind = Kind::of(descr).ok_or_else(|| format!("is of `{descr}`, not of numbers"))?;
    let count = shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size));
    let bytes = count.and_then(|count| count.checked_mul(kind.size));
    if bytes != Some(data.len()) {
        return Err(format!("has {} bytes, which are not those of {shape:?} {descr}", data.len()));
    }
    let mut values: Vec<f64> =
        data.chunks_exact(kind.size).map(|number| kind.value(number)).collect();
    if fortran && shape.len() > 1 {
        let [rows, columns] = shape[..] else {
            return Err("is in Fortran's order with more than two dimensions".into());
        };
        values = (0..rows * columns).map(|i| values[i % columns * rows + i / columns]).collect();
    }
    Ok(Array { shape, values })
}

/// The header's text and what follows it.
fn split(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let version = *bytes.strip_prefix(b"\x93NUMPY")?.first()?;
    let (len, start) = match version {
        1 => (usize::from(u16::from_le_bytes(*bytes.get(8..)?.first_chunk()?)), 10),
        2 | 3 => (u32::from_le_bytes(*bytes.get(8..)?.first_chunk()?) as usize, 12),
        _ => return None,
    };
    let (header, data) = bytes.get(start..)?.split_at_checked(len)?;
    Some((std::str::from_utf8(header).ok()?, data))
}

/// What follows a key of the dictionary.
fn after<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let at = [format!("'{key}'"), format!("\"{key}\"")].iter().find_map(|key| {
        let at = header.find(key.as_str())?;
        Some(at + key.len())
    })?;
    Some(header[at..].trim_start().strip_prefix(':')?.trim_start())
}

fn quoted(text: Option<&str>) -> Option<&str> {
    let text = text?;
    let quote = text.chars().next().filter(|c| ['\'', '"'].contains(c))?;
    text[1..].split(quote).next()
}

fn shape(header: &str) -> Option<Vec<usize>> {
    let inside = after(header, "shape")?.strip_prefix('(')?.split_once(')')?.0;
    let sizes = inside.split(',').map(str::trim).filter(|size| !size.is_empty());
    sizes.map(|size| size.parse().ok()).collect()
}

/// How a number is written.
struct Kind {
    letter: u8,
    size: usize,
    big: bool,
}

impl Kind {
    fn of(descr: &str) -> Option<Self> {
        let (order, kind) = descr.split_at_checked(1)?;
        let (letter, size) = match kind {
            "f2" | "f4" | "f8" | "i1" | "i2" | "i4" | "i8" | "u1" | "u2" | "u4" => {
                (kind.as_bytes()[0], usize::from(kind.as_bytes()[1] - b'0'))
            }
            _ => return None,
        };
        ["<", ">", "|", "="].contains(&order).then_some(Self { letter, size, big: order == ">" })
    }

    fn value(&self, bytes: &[u8]) -> f64 {
        let mut eight = [0; 8];
        eight[..self.size].copy_from_slice(bytes);
        if self.big {
            eight[..self.size].reverse();
        }
        let word = u64::from_le_bytes(eight);
        let unused = 64 - 8 * self.size as u32;
        match (self.letter, self.size) {
            (b'f', 8) => f64::from_bits(word),
            (b'f', 4) => f32::from_bits(word as u32).into(),
            (b'f', _) => f16::from_bits(word as u16).into(),
            (b'i', _) => ((word << unused) as i64 >> unused) as f64,
            _ => word as f64,
        }
    }
}
