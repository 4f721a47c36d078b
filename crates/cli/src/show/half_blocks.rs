//! Pictures of characters: the upper half of each in one colour, the lower half behind it in
//! another.

use std::fmt::Write;

use aquatint_pipeline::{Picture, resize};

/// The picture in so many characters, each row with its line feed.
pub fn draw(picture: &Picture, columns: usize, rows: usize, all_colours: bool) -> String {
    let small = resize(picture, columns, 2 * rows);
    let (pixels, _) = small.rgb.as_chunks::<3>();
    let mut text = String::with_capacity(columns * rows * 40);
    for pair in pixels.chunks_exact(2 * columns) {
        let (upper, lower) = pair.split_at(columns);
        let mut before = None;
        for colours in upper.iter().zip(lower) {
            if before != Some(colours) {
                colour(&mut text, 38, *colours.0, all_colours);
                colour(&mut text, 48, *colours.1, all_colours);
                before = Some(colours);
            }
            text.push('▀');
        }
        text.push_str("\x1b[0m\x1b[K\n");
    }
    text
}

/// What says the colour of the characters (38) or of what is behind them (48).
fn colour(text: &mut String, which: u8, rgb: [u8; 3], all_colours: bool) {
    let [r, g, b] = rgb;
    // Writing to a string cannot fail.
    let _ = match all_colours {
        true => write!(text, "\x1b[{which};2;{r};{g};{b}m"),
        false => write!(text, "\x1b[{which};5;{}m", one_of_256(rgb)),
    };
}

/// The nearest of the cube of 6 × 6 × 6 colours and of the 24 greys.
fn one_of_256(rgb: [u8; 3]) -> u8 {
    const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let far = |colour: [u8; 3]| -> u32 {
        rgb.iter().zip(colour).map(|(&a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
    };
    let level = |v: u8| (0..6).min_by_key(|&i| LEVELS[i].abs_diff(v)).unwrap_or(0);
    let cube = rgb.map(level);
    let mean = rgb.iter().map(|&v| u32::from(v)).sum::<u32>() / 3;
    let grey = (mean.saturating_sub(3) / 10).min(23) as u8;
    if far([8 + 10 * grey; 3]) < far(cube.map(|i| LEVELS[i])) {
        232 + grey
    } else {
        16 + (36 * cube[0] + 6 * cube[1] + cube[2]) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_pixels_a_character() {
        let rgb = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]].concat();
        let picture = Picture { width: 2, height: 2, rgb };
        let text = draw(&picture, 2, 1, true);
        let expected = "\x1b[38;2;255;0;0m\x1b[48;2;0;0;255m▀\x1b[38;2;0;255;0m\x1b[48;2;9;9;9m▀\
                        \x1b[0m\x1b[K\n";
        assert_eq!(text, expected);
        let few = draw(&picture, 2, 1, false);
        assert!(few.starts_with("\x1b[38;5;196m\x1b[48;5;21m▀"), "{few:?}");
    }

    #[test]
    fn one_colour_is_said_once() {
        let text = draw(&Picture::new(8, 8, [1, 2, 3]), 8, 4, true);
        assert_eq!(text.matches("48;2").count(), 4);
        assert_eq!((text.matches('▀').count(), text.matches('\n').count()), (32, 4));
    }

    #[test]
    fn the_nearest_colours() {
        assert_eq!(one_of_256([0; 3]), 16);
        assert_eq!(one_of_256([255; 3]), 231);
        assert_eq!(one_of_256([128; 3]), 244);
        assert_eq!(one_of_256([255, 95, 0]), 202);
    }
}
