//! The manifest: the committed list of which images exist, with label, tags and split.

use anyhow::{Context, Result, bail};

use super::style;

/// The manifest of `seven-styles`, tab-separated, one line of column names first.
pub const SEVEN_STYLES: &str = include_str!("../../data/manifest.tsv");

const HEADER: &str = "hexcode\tstyle\tsplit\tgroup\tlabel\ttags";

/// The parts of the data set, in the order of reports.
pub const SPLITS: [&str; 3] = ["train", "test_combo", "test_object"];

/// One image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// Unicode code points in lower-case hexadecimal, joined by `-`, without variation selectors.
    pub hexcode: &'a str,
    /// Index in [`style::STYLES`].
    pub style: usize,
    /// One of [`SPLITS`].
    pub split: &'a str,
    /// Emojibase's group, 0 (smileys) to 8 (symbols).
    pub group: u8,
    /// What is drawn, in words.
    pub label: &'a str,
    /// More words for it, sorted.
    pub tags: Vec<&'a str>,
}

/// Parses a manifest.
///
/// # Errors
/// When a line lacks columns or names an unknown style, split or group; the line is named.
pub fn parse(text: &str) -> Result<Vec<Row<'_>>> {
    let mut lines = text.lines();
    if lines.next() != Some(HEADER) {
        bail!("the manifest does not start with the columns {HEADER:?}");
    }
    let numbered = lines.enumerate();
    numbered
        .map(|(index, line)| {
            parse_row(line).with_context(|| format!("manifest, line {}", index + 2))
        })
        .collect()
}

fn parse_row(line: &str) -> Result<Row<'_>> {
    let columns: Vec<&str> = line.split('\t').collect();
    let &[hexcode, style, split, group, label, tags] = columns.as_slice() else {
        bail!("expected 6 columns, got {}", columns.len());
    };
    if !SPLITS.contains(&split) {
        bail!("unknown split {split:?}");
    }
    Ok(Row {
        hexcode,
        style: style::index_of(style).with_context(|| format!("unknown style {style:?}"))?,
        split,
        group: group.parse().with_context(|| format!("bad group {group:?}"))?,
        label,
        tags: tags.split('|').filter(|tag| !tag.is_empty()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn committed_manifest_has_the_published_counts() {
        let rows = parse(SEVEN_STYLES).unwrap();
        assert_eq!(rows.len(), 10_344);
        let count = |split| rows.iter().filter(|row| row.split == split).count();
        assert_eq!(SPLITS.map(count), [9_729, 264, 351]);
        let of_style = |index| rows.iter().filter(|row| row.style == index).count();
        let styles: Vec<usize> = (0..style::STYLES.len()).map(of_style).collect();
        assert_eq!(styles, [1_644, 1_217, 1_644, 1_105, 1_586, 1_562, 1_586]);
        let concepts: HashSet<&str> = rows.iter().map(|row| row.hexcode).collect();
        assert_eq!(concepts.len(), 1_644);
        let images: HashSet<_> = rows.iter().map(|row| (row.style, row.hexcode)).collect();
        assert_eq!(images.len(), rows.len(), "every image is listed once");
    }

    /// An object of `test_object` must not be seen in training in any style.
    #[test]
    fn test_objects_are_never_trained_on() {
        let rows = parse(SEVEN_STYLES).unwrap();
        let labels = |split: &str| -> HashSet<&str> {
            rows.iter().filter(|row| row.split == split).map(|row| row.label).collect()
        };
        assert!(labels("test_object").is_disjoint(&labels("train")));
        assert!(labels("test_combo").is_subset(&labels("train")));
    }

    #[test]
    fn bad_lines_are_named() {
        let text = format!(
            "{HEADER}\n1f600\tnoto\ttrain\t0\tgrinning face\tgrin|happy\n1f601\tcubist\ttrain\t0\tx\ty\n"
        );
        let message = format!("{:#}", parse(&text).unwrap_err());
        assert_eq!(message, "manifest, line 3: unknown style \"cubist\"");
        let message = format!("{:#}", parse(&format!("{HEADER}\n1f600\tnoto\n")).unwrap_err());
        assert_eq!(message, "manifest, line 2: expected 6 columns, got 2");
    }
}
