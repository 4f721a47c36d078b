//! The pictures that a request is about.

use std::path::Path;

use crate::{Mask, Picture, PictureError};

/// Pictures that go with a [`GenerateRequest`](crate::GenerateRequest), which is only data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// What to begin with, in any size.
    pub init: Option<Picture>,
    /// Which part of it is made anew, in its size.
    pub mask: Option<Mask>,
}

impl Inputs {
    /// No pictures.
    pub const NONE: Self = Self { init: None, mask: None };

    /// The pictures in these files. Without a file for the mask, what is transparent in the
    /// picture is made anew.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn open(init: Option<&Path>, mask: Option<&Path>) -> Result<Self, PictureError> {
        let Some(init) = init else {
            return Ok(Self { init: None, mask: mask.map(Mask::open).transpose()? });
        };
        let (mut picture, alpha) = Picture::open_with_alpha(init)?;
        let mask = match (mask, alpha) {
            (Some(mask), alpha) => {
                // Colours below transparency are nobody's wish.
                if alpha.is_some() {
                    picture = Picture::open(init)?;
                }
                Some(Mask::open(mask)?)
            }
            (None, Some(alpha)) => Some(Mask::from_alpha(picture.width, picture.height, &alpha)),
            (None, None) => None,
        };
        Ok(Self { init: Some(picture), mask })
    }
}
