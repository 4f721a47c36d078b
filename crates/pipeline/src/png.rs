//! PNG files that say how they were made.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Cursor};
use std::path::Path;

use aquatint_checkpoint::atomic;
use png::Transformations;

use crate::Picture;
use crate::picture::open::InFile;

/// The picture as the bytes of a PNG file, with texts attached under keywords of at most 79
/// Latin-1 characters.
///
/// Equal pictures and texts give equal bytes: there is no time stamp.
///
/// # Panics
/// If a keyword is too long.
pub fn encode(picture: &Picture, texts: &BTreeMap<&str, String>) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut bytes, picture, texts).unwrap_or_else(|error| {
        panic!("a PNG of {}x{} pixels: {error}", picture.width, picture.height)
    });
    bytes
}

fn write(
    out: &mut Vec<u8>,
    picture: &Picture,
    texts: &BTreeMap<&str, String>,
) -> Result<(), png::EncodingError> {
    let mut encoder = png::Encoder::new(out, picture.width as u32, picture.height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    for (&keyword, text) in texts {
        // Other programs look for `tEXt` first, but it holds Latin-1 only.
        if text.chars().all(|c| u32::from(c) < 256) {
            encoder.add_text_chunk(keyword.into(), text.clone())?;
        } else {
            encoder.add_itxt_chunk(keyword.into(), text.clone())?;
        }
    }
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&picture.rgb)?;
    writer.finish()
}

/// Writes the PNG to `path`, atomically.
///
/// # Errors
/// Those of the file system.
pub fn save(
    path: impl AsRef<Path>,
    picture: &Picture,
    texts: &BTreeMap<&str, String>,
) -> io::Result<()> {
    atomic::write_file(path, &encode(picture, texts))
}

/// The picture in an 8-bit RGB PNG, and the texts attached to it.
///
/// # Errors
/// If it is no such PNG. The message is the reason, without the name of the file.
pub fn decode(bytes: &[u8]) -> io::Result<(Picture, BTreeMap<String, String>)> {
    let invalid = |reason: Cow<'static, str>| io::Error::new(io::ErrorKind::InvalidData, reason);
    let mut reader = png::Decoder::new(Cursor::new(bytes)).read_info()?;
    if reader.output_color_type() != (png::ColorType::Rgb, png::BitDepth::Eight) {
        return Err(invalid("it is not 8-bit RGB".into()));
    }
    let ([width, height], rgb) = pixels(&mut reader, bytes)?;
    reader.finish()?;
    let info = reader.info();
    let plain = info.uncompressed_latin1_text.iter().map(|t| (t.keyword.clone(), t.text.clone()));
    let mut texts: BTreeMap<String, String> = plain.collect();
    for text in &info.utf8_text {
        texts.insert(text.keyword.clone(), text.get_text()?);
    }
    Ok((Picture { width, height, rgb }, texts))
}

/// Width, height and pixels as 8-bit RGBA of any PNG of a size that is `allowed`, and what the file
/// says in Exif's format; of an animated one the first picture.
///
/// # Errors
/// If it is no PNG, or larger. The message is the reason, without the name of the file.
pub(crate) fn read_rgba(
    bytes: &[u8],
    allowed: impl Fn(usize, usize) -> bool,
) -> io::Result<InFile> {
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(Transformations::normalize_to_color8() | Transformations::ALPHA);
    let mut reader = decoder.read_info()?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    if !allowed(width, height) {
        return Err(size_error(width, height));
    }
    let gray = reader.output_color_type().0 == png::ColorType::GrayscaleAlpha;
    let (size, mut pixels) = pixels(&mut reader, bytes)?;
    if gray {
        let (pairs, _) = pixels.as_chunks();
        pixels = pairs.iter().flat_map(|&[gray, alpha]| [gray, gray, gray, alpha]).collect();
    }
    let exif = reader.info().exif_metadata.as_ref().map(|exif| exif.to_vec());
    Ok(InFile { size, rgba: pixels, exif })
}

/// The texts in a PNG by their keywords, compressed ones too if they unpack to 2 MiB at most. Its
/// pixels are not looked at, and damage after some of the texts leaves these.
///
/// # Errors
/// If it is no PNG. The message is the reason, without the name of the file.
pub(crate) fn texts(bytes: &[u8]) -> io::Result<Texts> {
    let mut reader = png::Decoder::new(Cursor::new(bytes)).read_info()?;
    // Texts may also follow the pixels.
    let _ = reader.finish();
    let info = reader.info();
    let mut texts = BTreeMap::new();
    for text in &info.uncompressed_latin1_text {
        texts.insert(text.keyword.clone(), text.text.clone());
    }
    for text in &info.compressed_latin1_text {
        texts.extend(text.get_text().ok().map(|value| (text.keyword.clone(), value)));
    }
    for text in &info.utf8_text {
        texts.extend(text.get_text().ok().map(|value| (text.keyword.clone(), value)));
    }
    let size = [info.width as usize, info.height as usize];
    Ok(Texts { size, texts, exif: info.exif_metadata.as_ref().map(|exif| exif.to_vec()) })
}

/// What a PNG says.
pub(crate) struct Texts {
    /// Width and height.
    pub size: [usize; 2],
    /// By keyword.
    pub texts: BTreeMap<String, String>,
    /// What it says in Exif's format.
    pub exif: Option<Vec<u8>>,
}

/// Width, height and the bytes of the pixels, as the reader is set to give them.
fn pixels(
    reader: &mut png::Reader<Cursor<&[u8]>>,
    bytes: &[u8],
) -> io::Result<([usize; 2], Vec<u8>)> {
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    // Deflate makes at most 1032 bytes of one, so a small file cannot ask for much memory.
    let raw = || reader.info().raw_bytes();
    let possible = |size: &usize| *size <= 1 << 30 && raw() / 1032 <= bytes.len();
    let size = reader.output_buffer_size().filter(possible);
    let mut pixels = vec![0; size.ok_or_else(|| size_error(width, height))?];
    reader.next_frame(&mut pixels)?;
    Ok(([width, height], pixels))
}

fn size_error(width: usize, height: usize) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("it is {width}x{height} pixels"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picture_and_texts_survive() {
        let rgb = (0..5 * 3 * 3).map(|i| (i * 7 % 256) as u8).collect();
        let picture = Picture { width: 5, height: 3, rgb };
        let texts = BTreeMap::from([
            ("parameters", "a café\nSteps: 50".to_owned()),
            ("aquatint", r#"{"prompt": "猫 \n 🐱"}"#.to_owned()),
        ]);
        let bytes = encode(&picture, &texts);
        let (read, read_texts) = decode(&bytes).expect("a PNG");
        assert_eq!(read, picture);
        for (keyword, text) in texts {
            assert_eq!(read_texts[keyword], text);
        }
        assert!(bytes.windows(4).any(|w| w == b"tEXt") && bytes.windows(4).any(|w| w == b"iTXt"));
    }

    #[test]
    fn damage_is_an_error() {
        let bytes = encode(&Picture::new(9, 9, [1, 2, 3]), &BTreeMap::new());
        for length in 0..bytes.len() - 12 {
            assert!(decode(&bytes[..length]).is_err(), "cut to {length} bytes");
        }
    }
}
