//! Which pixels are to be made anew.

use std::path::Path;

use super::Picture;
use super::fit::{Fit, fit_plane};
use super::open::{PictureError, open_as};

/// For each pixel of a picture whether it is to be made anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// 255 (white) for pixels that are made anew, 0 (black) for those that are kept, row by row
    /// from the top left.
    pub values: Vec<u8>,
}

impl Mask {
    /// The same for every pixel.
    pub fn new(width: usize, height: usize, value: u8) -> Self {
        Self { width, height, values: vec![value; width * height] }
    }

    /// The mask in a picture file, turned as its Exif orientation says. In a file with
    /// transparency, what is transparent is made anew; otherwise what is white.
    ///
    /// # Errors
    /// As for [`Picture::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, PictureError> {
        open_as(path.as_ref(), |bytes| {
            let (picture, alpha) = Picture::decode(bytes)?;
            Ok(match alpha {
                Some(alpha) => Self::from_alpha(picture.width, picture.height, &alpha),
                None => Self::from_picture(&picture),
            })
        })
    }

    /// What is transparent is made anew.
    ///
    /// # Panics
    /// If there are not `width` × `height` values.
    #[track_caller]
    pub fn from_alpha(width: usize, height: usize, alpha: &[u8]) -> Self {
        assert_eq!(alpha.len(), width * height, "values of a mask of {width}x{height}");
        Self { width, height, values: alpha.iter().map(|&opaque| 255 - opaque).collect() }
    }

    /// What is white is made anew: the luma of ITU-R BT.601.
    pub fn from_picture(picture: &Picture) -> Self {
        let luma = |&[r, g, b]: &[u8; 3]| {
            let sum = 299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b);
            ((sum + 500) / 1000) as u8
        };
        let values = picture.rgb.as_chunks().0.iter().map(luma).collect();
        Self { width: picture.width, height: picture.height, values }
    }

    /// The mask in another size, as [`fit`](super::fit()) does it with its picture. Bars beside it
    /// are made anew.
    ///
    /// # Panics
    /// If there are no pixels.
    #[track_caller]
    pub fn fit(&self, width: usize, height: usize, fit: Fit) -> Self {
        let size = [self.width, self.height];
        let values = fit_plane::<1>(&self.values, size, [width, height], fit, 255);
        Self { width, height, values }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::png;

    #[test]
    fn white_or_transparent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mask.png");
        let rgb = vec![0, 0, 0, 255, 255, 255, 255, 0, 0];
        let picture = Picture { width: 3, height: 1, rgb };
        std::fs::write(&path, png::encode(&picture, &BTreeMap::new())).unwrap();
        let mask = Mask::open(&path).unwrap();
        assert_eq!((mask.width, mask.height, mask.values), (3, 1, vec![0, 255, 76]));
        assert_eq!(Mask::from_alpha(2, 1, &[0, 200]).values, [255, 55]);
        assert!(Mask::open(folder.path()).is_err());
    }

    #[test]
    fn bars_are_made_anew() {
        let mask = Mask::new(16, 8, 0).fit(16, 16, Fit::Contain);
        assert_eq!(mask.values[..16], [255; 16]);
        assert_eq!(mask.values[16 * 8..16 * 9], [0; 16]);
    }
}
