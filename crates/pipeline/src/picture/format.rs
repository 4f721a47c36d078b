//! The formats that pictures are written in.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::io;
use std::path::Path;
use std::str::FromStr;

use aquatint_checkpoint::atomic;
use serde::{Deserialize, Serialize};

use super::{Picture, exif, jpeg, webp};
use crate::png;

/// A format of picture files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PictureFormat {
    /// Without loss; texts are where all programs look for them.
    #[default]
    Png,
    /// With loss.
    Jpeg,
    /// Without loss, smaller than PNG.
    Webp,
}

impl PictureFormat {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Png, Self::Jpeg, Self::Webp];

    /// How files of this format usually end, without the dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::Webp => "webp",
        }
    }

    /// What the end of the name says.
    pub fn of_path(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_lowercase();
        extension.parse().ok()
    }

    /// What the beginning of a file says.
    pub fn of_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x89, b'P', b'N', b'G', ..] => Some(Self::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::Webp),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpeg",
            Self::Webp => "webp",
        }
    }
}

/// A name that is none of a format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no picture format `{0}`: it is png, jpeg or webp")]
pub struct UnknownFormat(String);

impl FromStr for PictureFormat {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let found = Self::ALL.into_iter().find(|f| f.name() == name || f.extension() == name);
        found.ok_or_else(|| UnknownFormat(name.into()))
    }
}

impl Display for PictureFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How to write a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// In which format.
    pub format: PictureFormat,
    /// Of a JPEG, 1 to 100. The others are without loss.
    pub quality: u8,
}

impl Default for Encoding {
    fn default() -> Self {
        Self { format: PictureFormat::default(), quality: 90 }
    }
}

/// The picture as the bytes of a file, with texts attached: in a PNG under their keywords, in the
/// others in Exif's format, which has room for `parameters` and `aquatint`.
///
/// Equal pictures and texts give equal bytes: there is no time stamp.
///
/// # Errors
/// If picture or texts are too large for the format.
pub fn encode_picture(
    picture: &Picture,
    texts: &BTreeMap<&str, String>,
    encoding: Encoding,
) -> io::Result<Vec<u8>> {
    let exif = || exif::of_texts(texts);
    let bytes = match encoding.format {
        PictureFormat::Png => Ok(png::encode(picture, texts)),
        PictureFormat::Jpeg => {
            exif().and_then(|exif| jpeg::encode(picture, encoding.quality.clamp(1, 100), &exif))
        }
        PictureFormat::Webp => exif().and_then(|exif| webp::encode(picture, exif)),
    };
    bytes.map_err(|reason| io::Error::new(io::ErrorKind::InvalidInput, reason))
}

/// Writes the picture to `path`, atomically.
///
/// # Errors
/// Those of [`encode_picture`] and of the file system.
pub fn save_picture(
    path: impl AsRef<Path>,
    picture: &Picture,
    texts: &BTreeMap<&str, String>,
    encoding: Encoding,
) -> io::Result<()> {
    atomic::write_file(path, &encode_picture(picture, texts, encoding)?)
}
