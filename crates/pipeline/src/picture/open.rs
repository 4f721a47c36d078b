//! From any picture file to pixels.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::{Picture, PictureFormat, exif, jpeg, webp};
use crate::png;

/// The most pixels that are decoded: 64 Mi, such as 8192×8192.
pub const MOST_PIXELS: usize = 1 << 26;
/// The longest file that is read: 512 MiB, more than so many pixels take in any of the formats.
const MOST_BYTES: u64 = 1 << 29;

/// Why a file is no picture: one sentence.
#[derive(Debug, thiserror::Error)]
#[error("{file} {reason}")]
pub struct PictureError {
    /// The file.
    pub file: String,
    /// "is no picture: …", "cannot be read: …".
    pub reason: String,
}

/// What is in a file.
pub(crate) struct InFile {
    /// Width and height.
    pub size: [usize; 2],
    /// Red, green, blue, opacity of every pixel.
    pub rgba: Vec<u8>,
    /// What it says in Exif's format.
    pub exif: Option<Vec<u8>>,
}

/// Pixels, already upright.
pub(crate) struct Pixels {
    pub width: usize,
    pub height: usize,
    /// Red, green, blue, opacity of every pixel.
    pub rgba: Vec<u8>,
}

impl Picture {
    /// The picture in a PNG, JPEG or WebP file, turned as its Exif orientation says; of an animated
    /// one the first. What is transparent becomes white.
    ///
    /// # Errors
    /// If there is no such picture, or one of more than 64 Mi pixels.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, PictureError> {
        open_as(path.as_ref(), Self::decode_opaque)
    }

    /// [`Picture::open`] of the bytes of a file.
    ///
    /// # Errors
    /// The reason why they are no picture, for after the name of a file: "it ends too early".
    pub fn decode_opaque(bytes: &[u8]) -> Result<Self, String> {
        let (mut picture, alpha) = Self::decode(bytes)?;
        for (rgb, alpha) in
            picture.rgb.as_chunks_mut::<3>().0.iter_mut().zip(alpha.iter().flatten())
        {
            let alpha = u32::from(*alpha);
            *rgb = rgb.map(|v| ((u32::from(v) * alpha + 255 * (255 - alpha) + 127) / 255) as u8);
        }
        Ok(picture)
    }

    /// The picture and, if the file has transparent pixels, how opaque each is: 0 to 255. Colours
    /// are as in the file.
    ///
    /// # Errors
    /// As for [`Picture::open`].
    pub fn open_with_alpha(
        path: impl AsRef<Path>,
    ) -> Result<(Self, Option<Vec<u8>>), PictureError> {
        open_as(path.as_ref(), Self::decode)
    }

    /// [`Picture::open_with_alpha`] of the bytes of a file.
    ///
    /// # Errors
    /// The reason why they are no picture, for after the name of a file: "it ends too early".
    pub fn decode(bytes: &[u8]) -> Result<(Self, Option<Vec<u8>>), String> {
        let ([width, height], rgba) = Self::decode_rgba(bytes)?;
        let (rgba, _) = rgba.as_chunks::<4>();
        let opaque = rgba.iter().all(|&[_, _, _, alpha]| alpha == 255);
        let alpha = (!opaque).then(|| rgba.iter().map(|&[_, _, _, alpha]| alpha).collect());
        let rgb = rgba.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
        Ok((Self { width, height, rgb }, alpha))
    }

    /// Width, height, and red, green, blue and opacity of every pixel, of the picture in the bytes
    /// of a file.
    ///
    /// # Errors
    /// As for [`Picture::decode`].
    pub fn decode_rgba(bytes: &[u8]) -> Result<([usize; 2], Vec<u8>), String> {
        let Pixels { width, height, rgba } = pixels(bytes)?;
        Ok(([width, height], rgba))
    }
}

/// What `decode` makes of the bytes of the file.
pub(crate) fn open_as<T>(
    path: &Path,
    decode: impl FnOnce(&[u8]) -> Result<T, String>,
) -> Result<T, PictureError> {
    let error = |reason| PictureError { file: path.display().to_string(), reason };
    let bytes = read(path).map_err(|cause| error(format!("cannot be read: {cause}")))?;
    decode(&bytes).map_err(|reason| error(format!("cannot be used as a picture: {reason}")))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 512 MiB"));
    }
    Ok(bytes)
}

fn pixels(bytes: &[u8]) -> Result<Pixels, String> {
    let format =
        PictureFormat::of_bytes(bytes).ok_or("it is neither a PNG nor a JPEG nor a WebP file")?;
    let InFile { size, rgba, exif } = match format {
        PictureFormat::Png => png::read_rgba(bytes, allowed).map_err(|error| sentence(&error))?,
        PictureFormat::Jpeg => jpeg::decode(bytes)?,
        PictureFormat::Webp => webp::decode(bytes)?,
    };
    let [width, height] = size;
    if width * height == 0 {
        return Err("it has no pixels".into());
    }
    let orientation = exif.and_then(|exif| exif::orientation(&exif)).unwrap_or(1);
    Ok(exif::upright(Pixels { width, height, rgba }, orientation))
}

/// Whether pictures of this size are decoded.
pub(crate) fn allowed(width: usize, height: usize) -> bool {
    width.checked_mul(height).is_some_and(|pixels| pixels <= MOST_PIXELS)
}

/// What is said of others.
pub(crate) fn too_large(width: usize, height: usize) -> String {
    format!("it is {width}x{height} pixels, of which at most 64 million are read")
}

/// An error of a decoder as the middle of a sentence.
pub(crate) fn sentence(error: &dyn std::fmt::Display) -> String {
    let text = error.to_string();
    let line = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>();
    let line = line.join(" ");
    if line.is_empty() { "it is damaged".into() } else { line.trim_end_matches('.').into() }
}
