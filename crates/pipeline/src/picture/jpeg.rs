//! JPEG files.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::Picture;
use super::open::{InFile, allowed, sentence, too_large};

/// A code has at least one bit, and there is one for each 8×8 pixels.
const MOST_PIXELS_OF_A_BYTE: usize = 8 * 64;

/// Size, pixels as RGBA, and what the file says in Exif's format.
pub(super) fn decode(bytes: &[u8]) -> Result<InFile, String> {
    let mut decoder = headers(bytes)?;
    let (width, height) = decoder.dimensions().ok_or("it has no size")?;
    if !allowed(width, height) {
        return Err(too_large(width, height));
    }
    // The decoder fills up what is missing with grey.
    if width * height / MOST_PIXELS_OF_A_BYTE > bytes.len() || !ends(bytes) {
        return Err("it ends too early".into());
    }
    let exif = decoder.exif().cloned();
    let wanted = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => ColorSpace::Luma,
        _ => ColorSpace::RGB,
    };
    decoder.set_options(decoder.options().jpeg_set_out_colorspace(wanted));
    let pixels = decoder.decode().map_err(|error| sentence(&error))?;
    let rgba: Vec<u8> = match wanted {
        ColorSpace::Luma => pixels.iter().flat_map(|&grey| [grey, grey, grey, 255]).collect(),
        _ => pixels.as_chunks().0.iter().flat_map(|&[r, g, b]| [r, g, b, 255]).collect(),
    };
    if rgba.len() != 4 * width * height {
        return Err("it is damaged".into());
    }
    Ok(InFile { size: [width, height], rgba, exif })
}

/// Size, and what the file says in Exif's format, without a look at the pixels.
pub(crate) fn description(bytes: &[u8]) -> Result<([usize; 2], Option<Vec<u8>>), String> {
    let decoder = headers(bytes)?;
    let (width, height) = decoder.dimensions().ok_or("it has no size")?;
    Ok(([width, height], decoder.exif().cloned()))
}

fn headers(bytes: &[u8]) -> Result<JpegDecoder<ZCursor<&[u8]>>, String> {
    // Cameras write headers that are not quite right, and readers everywhere accept them.
    let most = usize::from(u16::MAX);
    let options =
        DecoderOptions::default().set_strict_mode(false).set_max_width(most).set_max_height(most);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| sentence(&error))?;
    Ok(decoder)
}

/// Whether the file's end comes after its pixels have begun; thumbnails in it have ends too.
fn ends(bytes: &[u8]) -> bool {
    let mut at = 2;
    // The segments before the first scan, each with its length.
    while let Some(&[0xff, marker, high, low]) = bytes.get(at..at + 4) {
        at += match marker {
            0xff => 1,
            _ => 2 + usize::from(u16::from_be_bytes([high, low])),
        };
        if marker == 0xda {
            break;
        }
    }
    bytes.get(at..).is_some_and(|scans| scans.array_windows().any(|&pair| pair == [0xff, 0xd9]))
}

/// The bytes of a file.
pub(super) fn encode(picture: &Picture, quality: u8, exif: &[u8]) -> Result<Vec<u8>, String> {
    let side = |n: usize| u16::try_from(n).map_err(|_| "a JPEG is at most 65535 pixels wide");
    let (width, height) = (side(picture.width)?, side(picture.height)?);
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, quality);
    // Drawings have edges in colour alone. From 90 on size is not what matters.
    encoder.set_sampling_factor(match quality {
        90.. => SamplingFactor::F_1_1,
        _ => SamplingFactor::F_2_2,
    });
    encoder.set_optimized_huffman_tables(true);
    if !exif.is_empty() {
        encoder.add_exif_metadata(exif).map_err(|_| {
            let length = exif.len();
            format!(
                "how the picture was made takes {length} bytes, of which a JPEG holds 65527: \
                     write a PNG or a WebP file"
            )
        })?;
    }
    encoder
        .encode(&picture.rgb, width, height, ColorType::Rgb)
        .map_err(|error| sentence(&error))?;
    Ok(bytes)
}
