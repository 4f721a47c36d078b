//! What a picture says about itself in Exif's format: which way is up, and how it was made.

use std::collections::BTreeMap;
use std::io::Cursor;

use exif::experimental::Writer;
use exif::{Error, Exif, Field, In, Reader, Tag, Value};

use super::open::Pixels;

/// Exif leaves the note of the maker to the maker. Ours begins with this.
const OURS: &[u8] = b"aquatint\0";
/// What the comment of the user is written in: UTF-16.
const UNICODE: &[u8; 8] = b"UNICODE\0";

/// What can be read of it.
fn parse(bytes: &[u8]) -> Option<Exif> {
    // Some writers put the marker of the segment before it also where it is none.
    let bytes = bytes.strip_prefix(b"Exif\0\0").unwrap_or(bytes);
    let exif = Reader::new().continue_on_error(true).read_raw(bytes.to_vec());
    match exif {
        Ok(exif) => Some(exif),
        Err(error @ Error::PartialResult(_)) => error.distill_partial_result(|_| {}).ok(),
        Err(_) => None,
    }
}

/// Which way is up, 1 to 8 as Exif counts them.
pub(super) fn orientation(exif: &[u8]) -> Option<u32> {
    let exif = parse(exif)?;
    let orientation = exif.get_field(Tag::Orientation, In::PRIMARY)?.value.get_uint(0)?;
    (1..=8).contains(&orientation).then_some(orientation)
}

/// The same picture with its top at the top.
pub(super) fn upright(pixels: Pixels, orientation: u32) -> Pixels {
    let Pixels { width: w, height: h, rgba } = pixels;
    // Where the pixel at (x, y) of the result is in the file.
    type From = fn(usize, usize, usize, usize) -> (usize, usize);
    let (from, turned): (From, bool) = match orientation {
        2 => (|x, y, w, _| (w - 1 - x, y), false),
        3 => (|x, y, w, h| (w - 1 - x, h - 1 - y), false),
        4 => (|x, y, _, h| (x, h - 1 - y), false),
        5 => (|x, y, _, _| (y, x), true),
        6 => (|x, y, _, h| (y, h - 1 - x), true),
        7 => (|x, y, w, h| (w - 1 - y, h - 1 - x), true),
        8 => (|x, y, w, _| (w - 1 - y, x), true),
        _ => return Pixels { width: w, height: h, rgba },
    };
    let (width, height) = if turned { (h, w) } else { (w, h) };
    let (pixels, _) = rgba.as_chunks::<4>();
    let mut upright = Vec::with_capacity(rgba.len());
    for y in 0..height {
        for x in 0..width {
            let (x, y) = from(x, y, w, h);
            upright.extend(pixels[y * w + x]);
        }
    }
    Pixels { width, height, rgba: upright }
}

/// The texts in it, under the keywords that PNGs have for them: `parameters` from the comment of
/// the user, as Stable Diffusion web UI writes it, `aquatint` from the note of the maker, `prompt`
/// and `workflow` from the camera's names, as ComfyUI does.
pub(crate) fn texts(exif: &[u8]) -> BTreeMap<String, String> {
    let Some(exif) = parse(exif) else { return BTreeMap::new() };
    let mut texts = BTreeMap::new();
    for field in exif.fields() {
        match (&field.value, field.tag) {
            (Value::Undefined(bytes, _), Tag::UserComment) => {
                texts
                    .extend(comment(bytes, exif.little_endian()).map(|t| ("parameters".into(), t)));
            }
            (Value::Undefined(bytes, _), Tag::MakerNote) => {
                let ours = bytes.strip_prefix(OURS);
                let text = ours.and_then(|ours| String::from_utf8(ours.to_vec()).ok());
                texts.extend(text.map(|text| ("aquatint".into(), text)));
            }
            (Value::Ascii(lines), Tag::Make | Tag::Model | Tag::ImageDescription) => {
                let Some(line) = lines.first() else { continue };
                let text = String::from_utf8_lossy(line);
                for name in ["prompt", "workflow"] {
                    let json = text.strip_prefix(name).and_then(|rest| rest.strip_prefix(':'));
                    texts.extend(json.map(|json| (name.into(), json.into())));
                }
            }
            (Value::Ascii(lines), Tag::Software) => {
                let text = lines.first().map(|line| String::from_utf8_lossy(line).into_owned());
                texts.extend(text.map(|text| ("Software".into(), text)));
            }
            _ => {}
        }
    }
    texts
}

/// The comment of the user, which says what it is written in.
fn comment(bytes: &[u8], little_endian: bool) -> Option<String> {
    let (code, text) = bytes.split_first_chunk::<8>()?;
    let text = if code == UNICODE {
        // The standard leaves the order of the bytes open; an ASCII character tells.
        let (pairs, _) = text.as_chunks::<2>();
        let zeros = |i: usize| pairs.iter().filter(|pair| pair[i] == 0).count();
        let little = match zeros(0).cmp(&zeros(1)) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Greater => false,
            std::cmp::Ordering::Equal => little_endian,
        };
        let unit = |&pair: &[u8; 2]| match little {
            true => u16::from_le_bytes(pair),
            false => u16::from_be_bytes(pair),
        };
        String::from_utf16_lossy(&pairs.iter().map(unit).collect::<Vec<_>>())
    } else {
        String::from_utf8_lossy(text).into_owned()
    };
    let text = text.trim_end_matches('\0').trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// These texts in Exif's format: `parameters`, `aquatint`, and which program wrote them. Nothing if
/// there are none.
pub(super) fn of_texts(texts: &BTreeMap<&str, String>) -> Result<Vec<u8>, String> {
    let field = |tag, value| Field { tag, ifd_num: In::PRIMARY, value };
    let mut fields = Vec::new();
    if let Some(text) = texts.get("parameters") {
        let mut bytes = UNICODE.to_vec();
        bytes.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
        fields.push(field(Tag::UserComment, Value::Undefined(bytes, 0)));
    }
    if let Some(text) = texts.get("aquatint") {
        fields.push(field(Tag::MakerNote, Value::Undefined([OURS, text.as_bytes()].concat(), 0)));
    }
    if fields.is_empty() {
        return Ok(Vec::new());
    }
    fields.push(field(Tag::Software, Value::Ascii(vec![b"aquatint".to_vec()])));
    let mut writer = Writer::new();
    fields.iter().for_each(|field| writer.push_field(field));
    let mut bytes = Cursor::new(Vec::new());
    writer.write(&mut bytes, false).map_err(|error| error.to_string())?;
    Ok(bytes.into_inner())
}
