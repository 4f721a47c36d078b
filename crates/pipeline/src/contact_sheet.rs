//! Many small pictures on one sheet.

use crate::Picture;

/// Pixels between neighbours and around the sheet.
const GUTTER: usize = 2;
const PAPER: [u8; 3] = [255, 255, 255];

/// The pictures in reading order, `columns` to a row, with a thin white gutter. Cells are as large
/// as the largest picture.
///
/// # Panics
/// If there is no picture, or no column.
#[track_caller]
pub fn contact_sheet(pictures: &[Picture], columns: usize) -> Picture {
    assert!(!pictures.is_empty() && columns > 0, "a sheet of {} pictures", pictures.len());
    let columns = columns.min(pictures.len());
    let cell_width = pictures.iter().map(|p| p.width).max().unwrap_or(0) + GUTTER;
    let cell_height = pictures.iter().map(|p| p.height).max().unwrap_or(0) + GUTTER;
    let rows = pictures.len().div_ceil(columns);
    let mut sheet = Picture::new(columns * cell_width + GUTTER, rows * cell_height + GUTTER, PAPER);
    for (i, picture) in pictures.iter().enumerate() {
        let left = i % columns * cell_width + GUTTER;
        let top = i / columns * cell_height + GUTTER;
        for (y, row) in picture.rgb.chunks_exact(3 * picture.width).enumerate() {
            let begin = 3 * ((top + y) * sheet.width + left);
            sheet.rgb[begin..begin + row.len()].copy_from_slice(row);
        }
    }
    sheet
}

/// The number of columns that makes a sheet of `count` square pictures about square.
pub fn square_columns(count: usize) -> usize {
    (count as f64).sqrt().ceil().max(1.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let colours = [[9, 0, 0], [0, 9, 0], [0, 0, 9]];
        let pictures = colours.map(|colour| Picture::new(3, 2, colour));
        let sheet = contact_sheet(&pictures, 2);
        assert_eq!((sheet.width, sheet.height), (2 * 5 + 2, 2 * 4 + 2));
        let at = |x: usize, y: usize| &sheet.rgb[3 * (y * sheet.width + x)..][..3];
        assert_eq!((at(2, 2), at(4, 3), at(5, 2)), (&[9, 0, 0][..], &[9, 0, 0][..], &PAPER[..]));
        assert_eq!((at(7, 2), at(2, 6), at(7, 6)), (&[0, 9, 0][..], &[0, 0, 9][..], &PAPER[..]));
        assert_eq!(contact_sheet(&pictures, 9).width, 3 * 5 + 2);
    }

    #[test]
    fn squares() {
        assert_eq!([0, 1, 2, 4, 5, 11].map(square_columns), [1, 1, 2, 2, 3, 4]);
    }
}
