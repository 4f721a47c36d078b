//! Sixels, the graphics of DEC's terminals: stripes of six rows of pixels, one colour after the
//! other.

use std::fmt::Write;

use aquatint_pipeline::{Picture, resize};

/// Pixels of a character, at least: a picture that is too small is better than one over the text
/// below.
const CHARACTER: [usize; 2] = [8, 16];
/// Steps of red, green and blue in the palette of 252 colours.
const LEVELS: [usize; 3] = [6, 7, 6];
/// Where a pixel of a square of 4 × 4 is rounded up (Bayer 1973).
const THRESHOLDS: [[usize; 4]; 4] = [[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]];

/// The picture over so many characters.
pub fn draw(picture: &Picture, columns: usize, rows: usize) -> String {
    // Whole stripes: half of one would be as high as one.
    let height = (CHARACTER[1] * rows / 6).max(1) * 6;
    let small = resize(picture, CHARACTER[0] * columns, height);
    let width = small.width;
    let colours: Vec<u8> = (0..width * height)
        .map(|i| {
            let rgb = [0, 1, 2].map(|channel| small.rgb[3 * i + channel]);
            colour(rgb, THRESHOLDS[i / width % 4][i % width % 4])
        })
        .collect();
    let mut text = format!("\x1bPq\"1;1;{width};{height}");
    palette(&mut text, &colours);
    for (i, stripe) in colours.chunks_exact(6 * width).enumerate() {
        if i > 0 {
            text.push('-');
        }
        draw_stripe(&mut text, stripe, width);
    }
    text + "\x1b\\"
}

/// The colour of the palette for a pixel that is rounded up from `threshold` sixteenths on.
fn colour(rgb: [u8; 3], threshold: usize) -> u8 {
    let level = |v: u8, levels: usize| (usize::from(v) * (levels - 1) + threshold * 255 / 16) / 255;
    let [r, g, b] = [0, 1, 2].map(|i| level(rgb[i], LEVELS[i]).min(LEVELS[i] - 1));
    ((r * LEVELS[1] + g) * LEVELS[2] + b) as u8
}

/// Says what each colour is that is used, in hundredths.
fn palette(text: &mut String, colours: &[u8]) {
    let mut used = [false; 256];
    colours.iter().for_each(|&colour| used[usize::from(colour)] = true);
    for i in (0..used.len()).filter(|&i| used[i]) {
        let levels = [i / LEVELS[2] / LEVELS[1], i / LEVELS[2] % LEVELS[1], i % LEVELS[2]];
        let [r, g, b] = [0, 1, 2].map(|c| 100 * levels[c] / (LEVELS[c] - 1));
        // Writing to a string cannot fail.
        let _ = write!(text, "#{i};2;{r};{g};{b}");
    }
}

/// Six rows: for each colour in it a bit for each pixel, from the left again.
fn draw_stripe(text: &mut String, stripe: &[u8], width: usize) {
    let mut bits = vec![[0u8; 256]; width];
    let mut used = [false; 256];
    for (i, &colour) in stripe.iter().enumerate() {
        bits[i % width][usize::from(colour)] |= 1 << (i / width);
        used[usize::from(colour)] = true;
    }
    for (n, colour) in (0..256).filter(|&colour| used[colour]).enumerate() {
        if n > 0 {
            text.push('$');
        }
        let _ = write!(text, "#{colour}");
        let mut x = 0;
        while x < width {
            let same = bits[x..].iter().take_while(|b| b[colour] == bits[x][colour]).count();
            let character = char::from(b'?' + bits[x][colour]);
            let _ = match same {
                1..=3 => write!(text, "{}", character.to_string().repeat(same)),
                _ => write!(text, "!{same}{character}"),
            };
            x += same;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_colour() {
        let text = draw(&Picture::new(3, 3, [255, 0, 0]), 1, 1);
        let red = 5 * 7 * 6;
        let stripes = format!("#{red}!8~-#{red}!8~");
        assert_eq!(text, format!("\x1bPq\"1;1;8;12#{red};2;100;0;0{stripes}\x1b\\"));
    }

    #[test]
    fn what_is_between_colours_is_both() {
        let text = draw(&Picture::new(8, 8, [128; 3]), 4, 2);
        assert!(text.matches(";2;").count() >= 2, "{text}");
        let black_and_white = [[0; 3], [255; 3]].map(|rgb| (colour(rgb, 0), colour(rgb, 15)));
        assert_eq!(black_and_white, [(0, 0), (251, 251)]);
    }
}
