//! Moving pictures, as GIF files.

use std::borrow::Cow;

use gif::{Encoder, Frame, Repeat};

use crate::Picture;

/// How thoroughly the 256 colours of a picture are chosen, from 1, the best, to 30.
const SPEED: i32 = 10;

/// A GIF that is written picture by picture, and repeats for ever.
pub struct Animation {
    encoder: Encoder<Vec<u8>>,
    size: (usize, usize),
    /// Hundredths of a second.
    delay: u16,
}

impl Animation {
    /// Of pictures of this width and height, each of which is seen for so many hundredths of a
    /// second.
    ///
    /// # Errors
    /// A sentence, if the pictures are too large for the format.
    pub fn new(size: (usize, usize), delay: u16) -> Result<Self, String> {
        let side =
            |n: usize| u16::try_from(n).map_err(|_| "a GIF has at most 65535 pixels on a side");
        let mut encoder =
            Encoder::new(Vec::new(), side(size.0)?, side(size.1)?, &[]).map_err(sentence)?;
        encoder.set_repeat(Repeat::Infinite).map_err(sentence)?;
        Ok(Self { encoder, size, delay })
    }

    /// The next picture, in the 256 colours that suit it best.
    ///
    /// # Errors
    /// A sentence, if it cannot be written.
    ///
    /// # Panics
    /// If it has another size.
    #[track_caller]
    pub fn push(&mut self, picture: &Picture) -> Result<(), String> {
        let (width, height) = self.size;
        assert_eq!((picture.width, picture.height), self.size, "a picture of another size");
        let exact = exact(picture).map(|(palette, indices)| {
            let (width, height) = (width as u16, height as u16);
            Frame {
                width,
                height,
                buffer: Cow::Owned(indices),
                palette: Some(palette),
                ..Frame::default()
            }
        });
        let mut frame = exact.unwrap_or_else(|| {
            Frame::from_rgb_speed(width as u16, height as u16, &picture.rgb, SPEED)
        });
        frame.delay = self.delay;
        self.encoder.write_frame(&frame).map_err(sentence)
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// A sentence, if it cannot be ended.
    pub fn finish(self) -> Result<Vec<u8>, String> {
        self.encoder.into_inner().map_err(sentence)
    }
}

fn sentence(error: impl ToString) -> String {
    error.to_string()
}

/// The colours of a picture that has no more than 256, and the number of each pixel's.
fn exact(picture: &Picture) -> Option<(Vec<u8>, Vec<u8>)> {
    let pixels = picture.rgb.as_chunks::<3>().0;
    let mut colours: Vec<[u8; 3]> = Vec::new();
    for pixel in pixels {
        if let Err(at) = colours.binary_search(pixel) {
            if colours.len() == 256 {
                return None;
            }
            colours.insert(at, *pixel);
        }
    }
    let index = |pixel: &[u8; 3]| colours.binary_search(pixel).unwrap_or_default() as u8;
    let indices = pixels.iter().map(index).collect();
    Some((colours.into_flattened(), indices))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_come_back() {
        let few = Picture::new(5, 3, [200, 10, 30]);
        let rgb =
            (0..64 * 64).flat_map(|i| [(i % 64 * 4) as u8, (i / 64 * 4) as u8, 128]).collect();
        let many = Picture { width: 64, height: 64, rgb };
        for picture in [few, many] {
            let size = (picture.width, picture.height);
            let mut animation = Animation::new(size, 12).expect("a size");
            animation.push(&picture).expect("written");
            animation.push(&picture).expect("written");
            let bytes = animation.finish().expect("written");
            let mut options = gif::DecodeOptions::new();
            options.set_color_output(gif::ColorOutput::RGBA);
            let mut decoder = options.read_info(&bytes[..]).expect("a GIF");
            assert_eq!((decoder.width() as usize, decoder.height() as usize), size);
            let mut frames = 0;
            while let Some(frame) = decoder.read_next_frame().expect("a frame") {
                let pixels =
                    frame.buffer.as_chunks::<4>().0.iter().flat_map(|p| [p[0], p[1], p[2]]);
                let differences = pixels.zip(&picture.rgb).map(|(a, &b)| u64::from(a.abs_diff(b)));
                let mean = differences.sum::<u64>() as f64 / picture.rgb.len() as f64;
                let exact = picture.width < 64;
                assert!(mean <= if exact { 0.0 } else { 8.0 }, "{mean}");
                assert_eq!(frame.delay, 12);
                frames += 1;
            }
            assert_eq!((frames, decoder.repeat()), (2, Repeat::Infinite));
        }
        assert!(Animation::new((70_000, 3), 1).is_err());
    }
}
