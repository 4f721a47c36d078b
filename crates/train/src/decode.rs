//! From a file to a square of pixels.

use std::path::Path;

use image::imageops::{self, FilterType};
use image::{ImageReader, Limits};

use crate::error::TrainError;

/// The largest width and height that is decoded.
const LARGEST: u32 = 8192;

/// The picture in the file at `path` as size × size × 4 bytes of sRGB and alpha.
///
/// If it is not a square, its middle is taken; if it is not of this size, it is scaled.
pub fn read_square(path: &Path, size: usize) -> Result<Vec<u8>, TrainError> {
    let mut reader = ImageReader::open(path)
        .and_then(|reader| reader.with_guessed_format())
        .map_err(TrainError::io(path))?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(LARGEST);
    limits.max_image_height = Some(LARGEST);
    reader.limits(limits);
    let picture = reader
        .decode()
        .map_err(|error| TrainError::Data(format!("{}: {error}", path.display())))?
        .into_rgba8();
    let (width, height) = picture.dimensions();
    let size = size as u32;
    if (width, height) == (size, size) {
        return Ok(picture.into_raw());
    }
    let side = width.min(height);
    let square = imageops::crop_imm(&picture, (width - side) / 2, (height - side) / 2, side, side);
    Ok(imageops::resize(&square.to_image(), size, size, FilterType::Triangle).into_raw())
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgba, RgbaImage};

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
    fn not_a_picture() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text.png");
        std::fs::write(&path, "no picture").unwrap();
        assert!(read_square(&path, 4).unwrap_err().to_string().contains("text.png"));
    }
}
