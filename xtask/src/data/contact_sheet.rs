//! A fixed random sample of the data set on one picture, for a person to look at.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use image::{Rgba, RgbaImage, imageops};
use sha2::{Digest, Sha256};

use super::manifest::Row;
use super::style::STYLES;
use super::{metadata, render};

/// Two columns for each style.
const COLUMNS: usize = 2 * STYLES.len();
/// Rows of the sheet.
const ROWS: usize = 10;

/// The rows on the sheet, in reading order: those with the smallest SHA-256 of their file name.
/// Each style owns two neighbouring columns.
pub fn sample<'a>(rows: &'a [Row<'a>]) -> Vec<Option<&'a Row<'a>>> {
    let mut cells = vec![None; COLUMNS * ROWS];
    for style in 0..STYLES.len() {
        let mut own: Vec<&Row<'_>> = rows.iter().filter(|row| row.style == style).collect();
        own.sort_by_cached_key(|row| Sha256::digest(metadata::file_name(row)).to_vec());
        for (index, row) in own.into_iter().take(2 * ROWS).enumerate() {
            cells[index / 2 * COLUMNS + 2 * style + index % 2] = Some(row);
        }
    }
    cells
}

/// Draws the sheet on white from the images in `folder`, `size` pixels a cell.
///
/// # Errors
/// When an image cannot be read.
pub fn draw(rows: &[Row<'_>], folder: &Path, size: u32) -> Result<RgbaImage> {
    let white = Rgba([255; 4]);
    let mut sheet = RgbaImage::from_pixel(COLUMNS as u32 * size, ROWS as u32 * size, white);
    for (index, row) in sample(rows).into_iter().enumerate() {
        let Some(row) = row else { continue };
        let path = folder.join(metadata::file_name(row));
        let image = fs::read(&path).map_err(Into::into).and_then(|bytes| render::read_png(&bytes));
        let image = image.with_context(|| format!("could not read {}", path.display()))?;
        let (x, y) = (index % COLUMNS, index / COLUMNS);
        imageops::overlay(&mut sheet, &image, x as i64 * size as i64, y as i64 * size as i64);
    }
    Ok(sheet)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::manifest;

    #[test]
    fn sample_is_full_distinct_and_sorted_by_style() {
        let rows = manifest::parse(manifest::SEVEN_STYLES).unwrap();
        let cells: Vec<&Row<'_>> = sample(&rows).into_iter().flatten().collect();
        assert_eq!(cells.len(), 140);
        for (index, row) in cells.iter().enumerate() {
            assert_eq!(row.style, index % COLUMNS / 2);
        }
        let names: std::collections::HashSet<_> =
            cells.iter().map(|row| metadata::file_name(row)).collect();
        assert_eq!(names.len(), 140);
    }
}
