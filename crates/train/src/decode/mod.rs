//! From the bytes of a file to the pixels that are trained on.

mod resize;

use aquatint_pipeline::Picture;

use resize::resize;

/// A picture as it is in its file, upright.
pub struct Whole {
    /// Width and height, at least 1.
    pub size: [usize; 2],
    /// sRGB and alpha.
    rgba: Vec<u8>,
}

impl Whole {
    /// The picture in the bytes of a PNG, JPEG or WebP file.
    ///
    /// # Errors
    /// The reason why there is none, for after the name of the file: "it ends too early".
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        if bytes.is_empty() {
            return Err("it is empty".into());
        }
        let (size, rgba) = Picture::decode_rgba(bytes)?;
        Ok(Self { size, rgba })
    }

    /// As height × width × 4 bytes: of a picture of another shape the middle is taken, and if that
    /// is not of this size, it is scaled.
    pub fn fitted(&self, [height, width]: [usize; 2]) -> Vec<u8> {
        let [across, down] = self.size;
        let part = |whole: usize, wanted: usize, of: usize| {
            let part = (whole as f64 * wanted as f64 / of as f64).round();
            (part as usize).clamp(1, usize::MAX)
        };
        let columns = across.min(part(down, width, height));
        let rows = down.min(part(across, height, width));
        let (left, top) = ((across - columns) / 2, (down - rows) / 2);
        let lines = self.rgba.chunks_exact(4 * across).skip(top).take(rows);
        let middle: Vec<u8> =
            lines.flat_map(|line| &line[4 * left..][..4 * columns]).copied().collect();
        match [rows, columns] == [height, width] {
            true => middle,
            false => resize(&middle, [rows, columns], [height, width]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{DynamicImage, Luma, LumaA, Rgb, Rgba, RgbaImage};
    use std::path::Path;

    /// The middle square of a file.
    fn read_square(path: &Path, size: usize) -> Result<Vec<u8>, String> {
        Ok(Whole::decode(&std::fs::read(path).unwrap())?.fitted([size, size]))
    }

    #[test]
    fn the_middle_of_a_wide_picture() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wide.png");
        let colour = |x| if (8..24).contains(&x) { [0, 200, 0, 255] } else { [200, 0, 0, 255] };
        RgbaImage::from_fn(32, 16, |x, _| Rgba(colour(x))).save(&path).unwrap();
        let pixels = read_square(&path, 4).unwrap();
        assert_eq!(pixels, [0, 200, 0, 255].repeat(16));
        assert_eq!(read_square(&path, 16).unwrap().len(), 16 * 16 * 4);
        let whole = Whole::decode(&std::fs::read(&path).unwrap()).unwrap();
        let wide = whole.fitted([4, 8]);
        assert_eq!((wide.len(), &wide[..4]), (4 * 8 * 4, &[200, 0, 0, 255][..]));
        assert!(whole.fitted([16, 8]).chunks(4).all(|pixel| pixel == [0, 200, 0, 255]));
    }

    /// The first bytes of a picture of each format are none, and neither is anything else.
    #[test]
    fn what_is_no_picture() {
        let refused = |bytes: &[u8]| Whole::decode(bytes).err().unwrap();
        assert_eq!(refused(b""), "it is empty");
        assert_eq!(refused(b"no picture"), "it is neither a PNG nor a JPEG nor a WebP file");
        let picture = RgbaImage::from_fn(16, 16, |x, y| Rgba([x as u8, y as u8, 7, 255]));
        for format in [image::ImageFormat::Png, image::ImageFormat::Jpeg, image::ImageFormat::WebP]
        {
            let mut whole = std::io::Cursor::new(Vec::new());
            DynamicImage::from(picture.clone()).into_rgb8().write_to(&mut whole, format).unwrap();
            let whole = whole.into_inner();
            assert_eq!(Whole::decode(&whole).unwrap().size, [16, 16], "{format:?}");
            for end in 0..whole.len() - 14 {
                assert!(Whole::decode(&whole[..end]).is_err(), "{format:?}: the first {end} bytes");
            }
        }
    }

    /// Headers of 65535 × 65535 pixels are refused before there is room for 17 GB.
    #[test]
    fn what_claims_to_be_huge() {
        let chunk = |kind: &[u8], data: &[u8]| {
            let sum = crc(&[kind, data].concat());
            let length = (data.len() as u32).to_be_bytes();
            [&length, kind, data, &sum.to_be_bytes()].concat()
        };
        let side = 65535u32.to_be_bytes();
        let header = [&side[..], &side, &[8, 6, 0, 0, 0]].concat();
        let png = [&b"\x89PNG\r\n\x1a\n"[..], &chunk(b"IHDR", &header), &chunk(b"IDAT", &[0; 9])];
        let sentence = Whole::decode(&png.concat()).err().unwrap();
        assert_eq!(sentence, "it is 65535x65535 pixels");
        let frame = [8, 0xff, 0xff, 0xff, 0xff, 1, 1, 0x11, 0];
        let jpeg = [&[0xff, 0xd8, 0xff, 0xc0, 0, 11][..], &frame, &[0xff, 0xda, 0, 8, 1, 1, 0, 0]];
        let sentence = Whole::decode(&[jpeg.concat(), vec![0; 64]].concat()).err().unwrap();
        assert!(sentence.starts_with("it is 65535x65535 pixels"), "{sentence}");
    }

    /// The sum at the end of each part of a PNG.
    fn crc(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |sum: u32, &byte| {
            (0..8).fold(sum ^ u32::from(byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 * (sum & 1)))
        })
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
