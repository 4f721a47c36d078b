//! Drawings to square RGBA images.
//!
//! Everything between decoding and encoding works on premultiplied alpha, so that the colour of
//! transparent pixels never bleeds into the edges.

use std::io::Cursor;

use anyhow::{Context, Result, bail};
use image::codecs::png::{CompressionType, FilterType as PngFilter, PngEncoder};
use image::imageops::{self, FilterType};
use image::{ExtendedColorType, ImageEncoder, ImageFormat, Rgba, Rgba32FImage, RgbaImage};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg;

use super::drawings::Drawing;

/// Draws at `size`×`size`, aspect kept, centred, as straight-alpha RGBA.
///
/// # Errors
/// When the drawing cannot be parsed or shows nothing at all.
pub fn render(drawing: Drawing<'_>, size: u32) -> Result<RgbaImage> {
    let image = match drawing {
        Drawing::Icon(set, name) => {
            svg(&set.svg(name).with_context(|| format!("no icon {name:?}"))?, size)?
        }
        Drawing::Webp(bytes) => webp(bytes, size)?,
    };
    if image.pixels().all(|pixel| pixel[3] == 0) {
        bail!("the drawing is blank");
    }
    Ok(image)
}

/// Rasterises an SVG document; `currentColor` is black.
fn svg(text: &str, size: u32) -> Result<RgbaImage> {
    let tree = usvg::Tree::from_str(text, &usvg::Options::default()).context("bad SVG")?;
    let (width, height) = (tree.size().width(), tree.size().height());
    let scale = size as f32 / width.max(height);
    let (left, top) = ((size as f32 - width * scale) / 2.0, (size as f32 - height * scale) / 2.0);
    let mut pixmap = Pixmap::new(size, size).context("bad image size")?;
    let transform = Transform::from_row(scale, 0.0, 0.0, scale, left, top);
    resvg::render(&tree, transform, &mut pixmap.as_mut());
    let straight = pixmap.pixels().iter().map(|pixel| {
        let pixel = pixel.demultiply();
        [pixel.red(), pixel.green(), pixel.blue(), pixel.alpha()]
    });
    RgbaImage::from_raw(size, size, straight.flatten().collect()).context("bad image size")
}

/// Decodes a WebP file and resizes it with a Lanczos-3 filter.
fn webp(bytes: &[u8], size: u32) -> Result<RgbaImage> {
    let source =
        image::load_from_memory_with_format(bytes, ImageFormat::WebP).context("bad WebP")?;
    let mut source: Rgba32FImage = source.into_rgba32f();
    for Rgba([r, g, b, a]) in source.pixels_mut() {
        (*r, *g, *b) = (*r * *a, *g * *a, *b * *a);
    }
    let scale = size as f32 / source.width().max(source.height()) as f32;
    let fit = |side: u32| ((side as f32 * scale).round() as u32).clamp(1, size);
    let (width, height) = (fit(source.width()), fit(source.height()));
    let small = imageops::resize(&source, width, height, FilterType::Lanczos3);
    let mut image = RgbaImage::new(size, size);
    let (left, top) = ((size - width) / 2, (size - height) / 2);
    for (x, y, &Rgba([r, g, b, a])) in small.enumerate_pixels() {
        // The filter overshoots; colour may not exceed the alpha that carries it.
        let alpha = a.clamp(0.0, 1.0);
        let byte = |value: f32| (value * 255.0).round() as u8;
        let straight = |value: f32| byte((value.clamp(0.0, alpha) / alpha).min(1.0));
        if byte(alpha) > 0 {
            let pixel = Rgba([straight(r), straight(g), straight(b), byte(alpha)]);
            image.put_pixel(left + x, top + y, pixel);
        }
    }
    Ok(image)
}

/// Encodes as PNG.
///
/// # Errors
/// Only for sizes that PNG cannot say.
pub fn png(image: &RgbaImage) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, PngFilter::Adaptive)
        .write_image(image, image.width(), image.height(), ExtendedColorType::Rgba8)?;
    Ok(bytes)
}

/// Reads a PNG back as RGBA.
///
/// # Errors
/// When the bytes are not a PNG image.
pub fn read_png(bytes: &[u8]) -> Result<RgbaImage> {
    let reader = image::ImageReader::with_format(Cursor::new(bytes), ImageFormat::Png);
    Ok(reader.decode().context("bad PNG")?.into_rgba8())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::iconify::IconSet;

    fn icon(json: &str) -> Result<RgbaImage> {
        let set = IconSet::parse(json.as_bytes()).unwrap();
        render(Drawing::Icon(&set, "x"), 8)
    }

    #[test]
    fn square_fills_the_left_half() {
        let image = icon(
            r##"{"width": 4, "height": 4, "icons": {"x": {"body":
                "<path fill='#ff8000' d='M0 0h2v4H0z'/>"}}}"##,
        )
        .unwrap();
        assert_eq!(image.dimensions(), (8, 8));
        assert_eq!(image.get_pixel(1, 6).0, [255, 128, 0, 255]);
        assert_eq!(image.get_pixel(6, 1).0, [0, 0, 0, 0]);
    }

    #[test]
    fn wide_drawing_is_centred_and_current_color_is_black() {
        let image = icon(
            r#"{"width": 4, "height": 2, "icons": {"x": {"body":
                "<path fill='currentColor' d='M0 0h4v2H0z'/>"}}}"#,
        )
        .unwrap();
        let rows: Vec<u8> = (0..8).map(|y| image.get_pixel(4, y)[3]).collect();
        assert_eq!(rows, [0, 0, 255, 255, 255, 255, 0, 0]);
        assert_eq!(image.get_pixel(0, 3).0, [0, 0, 0, 255]);
    }

    #[test]
    fn half_transparent_colour_comes_back_straight() {
        let image = icon(
            r##"{"width": 1, "height": 1, "icons": {"x": {"body":
                "<path fill='#c80000' opacity='.5' d='M0 0h1v1H0z'/>"}}}"##,
        )
        .unwrap();
        let [r, g, b, a] = image.get_pixel(3, 3).0;
        assert!(
            r.abs_diff(200) <= 1 && a.abs_diff(128) <= 1 && g == 0 && b == 0,
            "{r} {g} {b} {a}"
        );
    }

    #[test]
    fn blank_and_broken_drawings_are_errors() {
        let blank = icon(r#"{"icons": {"x": {"body": ""}}}"#).unwrap_err();
        assert_eq!(blank.to_string(), "the drawing is blank");
        assert!(icon(r#"{"icons": {"x": {"body": "<path"}}}"#).is_err());
        assert!(render(Drawing::Webp(b"RIFF"), 8).is_err());
    }

    /// Transparent green around a red square: premultiplied filtering leaves no green.
    #[test]
    fn webp_is_resized_without_bleeding() {
        let source = RgbaImage::from_fn(32, 16, |x, _| {
            if x < 15 { Rgba([200, 0, 0, 255]) } else { Rgba([0, 255, 0, 0]) }
        });
        let mut bytes = Vec::new();
        image::codecs::webp::WebPEncoder::new_lossless(&mut bytes)
            .write_image(&source, 32, 16, ExtendedColorType::Rgba8)
            .unwrap();
        let image = render(Drawing::Webp(&bytes), 8).unwrap();
        assert_eq!(image.get_pixel(0, 4).0, [200, 0, 0, 255]);
        assert_eq!(image.get_pixel(1, 1)[3], 0, "a 2:1 picture leaves a band above");
        assert!(image.pixels().all(|pixel| pixel[1] == 0), "green bled in");
        let edge = image.get_pixel(3, 4).0;
        assert!((150..255).contains(&edge[3]) && edge[0].abs_diff(200) <= 2, "{edge:?}");
    }

    #[test]
    fn png_round_trip() {
        let image = RgbaImage::from_fn(5, 3, |x, y| Rgba([x as u8, y as u8, 7, 99]));
        assert_eq!(read_png(&png(&image).unwrap()).unwrap(), image);
        assert!(read_png(b"no").is_err());
    }
}
