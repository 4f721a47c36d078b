//! WebP files.

use std::io::Cursor;

use image_webp::{ColorType, WebPDecoder, WebPEncoder};

use super::Picture;
use super::open::{InFile, MOST_PIXELS, allowed, sentence, too_large};

/// Size, pixels as RGBA, and what the file says in Exif's format; of an animation the first
/// picture.
pub(super) fn decode(bytes: &[u8]) -> Result<InFile, String> {
    let mut decoder = headers(bytes)?;
    let (width, height) = size(&decoder);
    if !allowed(width, height) {
        return Err(too_large(width, height));
    }
    check_frames(bytes)?;
    let length = decoder.output_buffer_size().ok_or_else(|| too_large(width, height))?;
    let mut pixels = vec![0; length];
    decoder.read_image(&mut pixels).map_err(|error| sentence(&error))?;
    let rgba = match decoder.has_alpha() {
        true => pixels,
        false => pixels.as_chunks().0.iter().flat_map(|&[r, g, b]| [r, g, b, 255]).collect(),
    };
    // A picture without a readable description is still a picture.
    let exif = decoder.exif_metadata().ok().flatten();
    Ok(InFile { size: [width, height], rgba, exif })
}

/// Size, and what the file says in Exif's format, without a look at the pixels.
pub(crate) fn description(bytes: &[u8]) -> Result<([usize; 2], Option<Vec<u8>>), String> {
    let mut decoder = headers(bytes)?;
    let (width, height) = size(&decoder);
    Ok(([width, height], decoder.exif_metadata().ok().flatten()))
}

fn headers(bytes: &[u8]) -> Result<WebPDecoder<Cursor<&[u8]>>, String> {
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(|error| sentence(&error))?;
    decoder.set_memory_limit(4 * MOST_PIXELS);
    Ok(decoder)
}

fn size(decoder: &WebPDecoder<Cursor<&[u8]>>) -> (usize, usize) {
    let (width, height) = decoder.dimensions();
    (width as usize, height as usize)
}

/// The decoder makes room for what a lossy picture says itself, before it compares that with the
/// size of the file.
fn check_frames(bytes: &[u8]) -> Result<(), String> {
    // Of each frame a tag of three bytes, these three, and sizes of 14 bits.
    for window in bytes.array_windows::<7>() {
        if let [0x9d, 0x01, 0x2a, w0, w1, h0, h1] = *window {
            let side = |low, high| usize::from(u16::from_le_bytes([low, high]) & 0x3fff);
            let (width, height) = (side(w0, w1), side(h0, h1));
            // Three bytes in a row that happen to be these are no frame; that is rare and then
            // costs nothing but memory for a larger picture.
            if !allowed(width, height) && bytes.len() < width * height / 1024 {
                return Err(too_large(width, height));
            }
        }
    }
    Ok(())
}

/// The bytes of a file, without loss.
pub(super) fn encode(picture: &Picture, exif: Vec<u8>) -> Result<Vec<u8>, String> {
    let side = |n: usize| match n {
        1..=16384 => Ok(n as u32),
        _ => Err("a WebP file is at most 16384 pixels wide"),
    };
    let (width, height) = (side(picture.width)?, side(picture.height)?);
    let mut bytes = Vec::new();
    let mut encoder = WebPEncoder::new(&mut bytes);
    encoder.set_exif_metadata(exif);
    encoder
        .encode(&picture.rgb, width, height, ColorType::Rgb8)
        .map_err(|error| sentence(&error))?;
    Ok(bytes)
}
