//! From a file to a square of pixels.

mod resize;

use std::path::Path;

use aquatint_pipeline::png;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::error::TrainError;
use resize::resize;

/// The largest width and height that is decoded.
const LARGEST: usize = 8192;

/// The picture in the PNG or JPEG file at `path` as size × size × 4 bytes of sRGB and alpha.
///
/// If it is not a square, its middle is taken; if it is not of this size, it is scaled.
pub fn read_square(path: &Path, size: usize) -> Result<Vec<u8>, TrainError> {
    let bytes = std::fs::read(path).map_err(TrainError::io(path))?;
    let invalid = |reason: String| TrainError::Data(format!("{}: {reason}", path.display()));
    let ([width, height], pixels) = match &bytes[..] {
        [0xff, 0xd8, 0xff, ..] => jpeg(&bytes).map_err(invalid)?,
        [0x89, b'P', b'N', b'G', ..] => {
            png::decode_rgba(&bytes, LARGEST).map_err(|error| invalid(error.to_string()))?
        }
        _ => return Err(invalid("it is neither a PNG nor a JPEG".into())),
    };
    if width == 0 || height == 0 {
        return Err(invalid("it has no pixels".into()));
    }
    let side = width.min(height);
    let (left, top) = ((width - side) / 2, (height - side) / 2);
    let rows = pixels.chunks_exact(4 * width).skip(top).take(side);
    let square: Vec<u8> = rows.flat_map(|row| &row[4 * left..][..4 * side]).copied().collect();
    Ok(if side == size { square } else { resize(&square, side, size) })
}

/// Width, height and the pixels as RGBA.
fn jpeg(bytes: &[u8]) -> Result<([usize; 2], Vec<u8>), String> {
    // Readers everywhere accept files that end early.
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(LARGEST)
        .set_max_height(LARGEST);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| error.to_string())?;
    let wanted = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => ColorSpace::Luma,
        _ => ColorSpace::RGB,
    };
    decoder.set_options(decoder.options().jpeg_set_out_colorspace(wanted));
    let pixels = decoder.decode().map_err(|error| error.to_string())?;
    let (width, height) = decoder.dimensions().ok_or("it has no size")?;
    let rgba = match wanted {
        ColorSpace::Luma => pixels.iter().flat_map(|&gray| [gray, gray, gray, 255]).collect(),
        _ => pixels.as_chunks().0.iter().flat_map(|&[r, g, b]| [r, g, b, 255]).collect(),
    };
    Ok(([width, height], rgba))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{DynamicImage, Luma, LumaA, Rgb, Rgba, RgbaImage};

    #[test]
    fn the_middle_of_a_wide_picture() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wide.png");
        let colour = |x| if (8..24).contains(&x) { [0, 200, 0, 255] } else { [200, 0, 0, 255] };
        RgbaImage::from_fn(32, 16, |x, _| Rgba(colour(x))).save(&path).unwrap();
        let pixels = read_square(&path, 4).unwrap();
        assert_eq!(pixels, [0, 200, 0, 255].repeat(16));
        assert_eq!(read_square(&path, 16).unwrap().len(), 16 * 16 * 4);
    }

    #[test]
    fn what_is_no_picture_or_too_large() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text.png");
        let refused = || read_square(&path, 4).unwrap_err().to_string();
        std::fs::write(&path, "no picture").unwrap();
        assert!(refused().contains("text.png: it is neither a PNG nor a JPEG"));
        for (width, height) in [(8193, 1), (1, 8193)] {
            let wide = RgbaImage::new(width, height);
            wide.save(&path).unwrap();
            assert!(refused().contains("8193"), "{}", refused());
            DynamicImage::from(wide)
                .into_rgb8()
                .save_with_format(&path, image::ImageFormat::Jpeg)
                .unwrap();
            assert!(refused().contains("8193"), "{}", refused());
        }
        RgbaImage::new(9, 9).save(&path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for end in 0..whole.len() - 12 {
            std::fs::write(&path, &whole[..end]).unwrap();
            assert!(read_square(&path, 4).is_err(), "the first {end} bytes");
        }
    }

    /// Every kind of pixel, in both formats, is what the `image` crate makes of it.
    #[test]
    fn every_kind_of_pixel() {
        let folder = tempfile::tempdir().unwrap();
        let wave = |x: u32, y: u32| ((x * 13 + y * 7) % 256) as u8;
        let rgba = RgbaImage::from_fn(16, 16, |x, y| {
            Rgba([wave(x, y), wave(y, x), wave(x, x), wave(y, y)])
        });
        let whole = DynamicImage::from(rgba);
        let sixteen = |v: u8| u16::from(v) * 257;
        let pictures: [(&str, DynamicImage); 8] = [
            ("rgba.png", whole.clone()),
            ("rgb.png", whole.to_rgb8().into()),
            ("gray.png", whole.to_luma8().into()),
            ("gray-alpha.png", whole.to_luma_alpha8().into()),
            (
                "rgb16.png",
                image::ImageBuffer::<Rgb<u16>, _>::from_fn(16, 16, |x, y| {
                    Rgb([wave(x, y), wave(y, x), wave(x, x)].map(sixteen))
                })
                .into(),
            ),
            (
                "gray-alpha16.png",
                image::ImageBuffer::<LumaA<u16>, _>::from_fn(16, 16, |x, y| {
                    LumaA([wave(x, y), wave(y, x)].map(sixteen))
                })
                .into(),
            ),
            ("rgb.jpg", whole.to_rgb8().into()),
            ("gray.jpg", image::GrayImage::from_fn(16, 16, |x, y| Luma([wave(x, y)])).into()),
        ];
        for (name, picture) in pictures {
            let path = folder.path().join(name);
            picture.save(&path).unwrap();
            let expected = image::open(&path).unwrap().into_rgba8().into_raw();
            assert_eq!(read_square(&path, 16).unwrap(), expected, "{name}");
        }
    }
}
