//! A white sheet with lines and small letters: all that a loss curve needs, and no font file.

use std::collections::BTreeMap;
use std::path::Path;

use aquatint_pipeline::{Picture, png};

use crate::error::TrainError;

/// Width of a letter with its gap, in dots.
const ADVANCE: usize = 4;
/// Height of a letter in dots.
const HEIGHT: usize = 5;

/// The letters that axes need, five rows of three dots from the top, each row an octal digit.
const LETTERS: [(char, u32); 26] = [
    ('0', 0o75557),
    ('1', 0o26227),
    ('2', 0o71747),
    ('3', 0o71717),
    ('4', 0o55711),
    ('5', 0o74717),
    ('6', 0o74757),
    ('7', 0o71244),
    ('8', 0o75757),
    ('9', 0o75717),
    ('.', 0o00002),
    ('-', 0o00700),
    ('e', 0o07747),
    ('k', 0o45655),
    ('l', 0o62227),
    ('o', 0o07557),
    ('s', 0o07627),
    ('t', 0o27223),
    ('p', 0o07574),
    ('r', 0o07444),
    ('a', 0o07757),
    ('n', 0o06555),
    ('i', 0o20222),
    ('g', 0o07717),
    ('v', 0o05552),
    ('d', 0o11757),
];

/// Dots on white.
pub struct Canvas {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

impl Canvas {
    /// A white sheet.
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, rgb: vec![255; width * height * 3] }
    }

    fn dot(&mut self, x: i64, y: i64, colour: [u8; 3]) {
        if (0..self.width as i64).contains(&x) && (0..self.height as i64).contains(&y) {
            let at = (y as usize * self.width + x as usize) * 3;
            self.rgb[at..at + 3].copy_from_slice(&colour);
        }
    }

    /// A straight line, `thick` dots wide.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), thick: i64, colour: [u8; 3]) {
        let steps = (to.0 - from.0).abs().max((to.1 - from.1).abs()).ceil().max(1.0);
        for i in 0..=steps as usize {
            let part = i as f64 / steps;
            let x = (from.0 + part * (to.0 - from.0)).round() as i64;
            let y = (from.1 + part * (to.1 - from.1)).round() as i64;
            for (dx, dy) in (0..thick * thick).map(|i| (i % thick, i / thick)) {
                self.dot(x + dx, y + dy, colour);
            }
        }
    }

    /// Text whose left upper corner is at `(x, y)`, every dot of a letter `scale` dots wide.
    pub fn text(&mut self, text: &str, x: usize, y: usize, scale: usize, colour: [u8; 3]) {
        for (i, letter) in text.chars().enumerate() {
            let known = LETTERS.iter().find(|(known, _)| *known == letter);
            let Some((_, rows)) = known else { continue };
            for at in 0..HEIGHT * 3 {
                let (row, column) = (at / 3, at % 3);
                if rows >> (3 * (HEIGHT - 1 - row) + 2 - column) & 1 == 0 {
                    continue;
                }
                for part in 0..scale * scale {
                    let dx = (i * ADVANCE + column) * scale + part % scale;
                    let dy = row * scale + part / scale;
                    self.dot((x + dx) as i64, (y + dy) as i64, colour);
                }
            }
        }
    }

    /// How wide [`Canvas::text`] will be.
    pub fn text_width(text: &str, scale: usize) -> usize {
        (text.chars().count() * ADVANCE).saturating_sub(1) * scale
    }

    /// Writes the sheet as PNG.
    pub fn write(self, path: &Path) -> Result<(), TrainError> {
        let picture = Picture { width: self.width, height: self.height, rgb: self.rgb };
        png::save(path, &picture, &BTreeMap::new()).map_err(TrainError::io(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_drawn_upright() {
        let mut canvas = Canvas::new(5, 7);
        canvas.text("7", 1, 1, 1, [0; 3]);
        let rows: Vec<String> = canvas
            .rgb
            .chunks(15)
            .map(|row| row.chunks(3).map(|p| if p[0] == 0 { '#' } else { '.' }).collect())
            .collect();
        assert_eq!(rows, [".....", ".###.", "...#.", "..#..", ".#...", ".#...", "....."]);
    }

    #[test]
    fn lines_may_leave_the_sheet() {
        let mut canvas = Canvas::new(3, 3);
        canvas.line((-5.0, 1.0), (5.0, 1.0), 1, [0; 3]);
        let black = canvas.rgb.chunks(3).filter(|p| p[0] == 0).count();
        assert_eq!(black, 3);
    }
}
