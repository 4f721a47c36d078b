//! Pictures as people see them, and as networks do.

pub(crate) mod exif;
mod fit;
mod format;
pub(crate) mod jpeg;
mod mask;
pub(crate) mod open;
pub(crate) mod webp;

use aquatint_tensor::Tensor;

pub use self::fit::{Fit, UnknownFit, fit, resize, resize_bicubic};
pub use self::format::{Encoding, PictureFormat, UnknownFormat, encode_picture, save_picture};
pub use self::mask::Mask;
pub use self::open::PictureError;

/// An RGB picture of 8 bits a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Red, green, blue of every pixel, row by row from the top left.
    pub rgb: Vec<u8>,
}

impl Picture {
    /// A picture of one colour.
    pub fn new(width: usize, height: usize, colour: [u8; 3]) -> Self {
        Self { width, height, rgb: colour.repeat(width * height) }
    }

    /// Decoded images `[N, H, W, 3]` in [−1, 1] as pictures; what is outside is clipped.
    #[track_caller]
    pub fn from_images(images: &Tensor) -> Vec<Self> {
        let &[_, height, width, 3] = images.shape() else {
            panic!("pictures have three channels, not {:?}", images.shape())
        };
        let numbers = images.to_vec();
        let pictures = numbers.chunks_exact((height * width * 3).max(1));
        pictures
            .map(|x| Self { width, height, rgb: x.iter().copied().map(byte).collect() })
            .collect()
    }

    /// Pictures of one size as images `[N, H, W, 3]` in [−1, 1].
    ///
    /// # Panics
    /// If there are none, or of different sizes.
    #[track_caller]
    pub fn to_images(pictures: &[Self]) -> Tensor {
        let (width, height) = (pictures[0].width, pictures[0].height);
        assert!(
            pictures.iter().all(|p| (p.width, p.height) == (width, height)),
            "a batch needs pictures of one size"
        );
        let bytes = pictures.iter().flat_map(|p| &p.rgb);
        let numbers = bytes.map(|&byte| f32::from(byte) / 127.5 - 1.0).collect();
        Tensor::new(numbers, &[pictures.len(), height, width, 3])
    }
}

/// [−1, 1] → 0…255, rounded.
fn byte(x: f32) -> u8 {
    ((x / 2.0 + 0.5).clamp(0.0, 1.0) * 255.0).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        let x = [-1.0, 1.0, 0.0, -7.0, 7.0, f32::NAN];
        let pictures = Picture::from_images(&Tensor::new(x.to_vec(), &[2, 1, 1, 3]));
        assert_eq!(pictures[0].rgb, [0, 255, 128]);
        assert_eq!(pictures[1].rgb, [0, 255, 0]);
    }

    #[test]
    fn every_byte_survives_a_round_trip() {
        let rgb: Vec<u8> = (0..=255).flat_map(|v| [v, 255 - v, v / 2]).collect();
        let picture = Picture { width: 16, height: 16, rgb };
        let images = Picture::to_images(&[picture.clone(), picture.clone()]);
        assert_eq!(images.shape(), [2, 16, 16, 3]);
        assert_eq!(Picture::from_images(&images), [picture.clone(), picture]);
    }
}
