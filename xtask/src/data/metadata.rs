//! Captions and `metadata.jsonl`, as Hugging Face's `imagefolder` reads it.

use std::collections::HashMap;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::iconify::normal_hexcode;
use super::manifest::Row;
use super::style::STYLES;

/// One line of `metadata.jsonl`.
#[derive(Serialize)]
struct Line<'a> {
    file_name: String,
    text: String,
    style: &'a str,
    style_word: &'a str,
    label: &'a str,
    tags: &'a [&'a str],
    hexcode: &'a str,
    group: u8,
    split: &'a str,
}

/// Where a row's image lies below the data set's folder; always with `/`.
pub fn file_name(row: &Row<'_>) -> String {
    format!("{}/{}.png", STYLES[row.style].name, row.hexcode)
}

/// The row's plain caption. Other backgrounds, tags and omissions are drawn at load time.
pub fn caption(row: &Row<'_>) -> String {
    format!("{} emoji of {}, white background", STYLES[row.style].word, row.label)
}

/// The text of `metadata.jsonl` for these rows, one line each, in their order.
pub fn lines<'a>(rows: impl IntoIterator<Item = &'a Row<'a>>) -> Result<String> {
    let mut text = String::new();
    for row in rows {
        let line = Line {
            file_name: file_name(row),
            text: caption(row),
            style: STYLES[row.style].name,
            style_word: STYLES[row.style].word,
            label: row.label,
            tags: &row.tags,
            hexcode: row.hexcode,
            group: row.group,
            split: row.split,
        };
        text += &serde_json::to_string(&line)?;
        text.push('\n');
    }
    Ok(text)
}

/// What Emojibase says of one emoji; the fields that the manifest copies.
#[derive(Deserialize)]
struct Emoji {
    hexcode: String,
    label: String,
    #[serde(default)]
    tags: Vec<String>,
    group: Option<u8>,
}

/// Fails unless labels, tags and groups of the manifest are those of Emojibase's `data.json`.
pub fn check_against_emojibase(rows: &[Row<'_>], data: &[u8]) -> Result<()> {
    let emoji: Vec<Emoji> = serde_json::from_slice(data).context("bad Emojibase data")?;
    let by_hexcode: HashMap<String, Emoji> =
        emoji.into_iter().map(|emoji| (normal_hexcode(&emoji.hexcode), emoji)).collect();
    for row in rows {
        let Some(emoji) = by_hexcode.get(&normal_hexcode(row.hexcode)) else {
            bail!("Emojibase has no {} ({})", row.hexcode, row.label);
        };
        let mut tags: Vec<&str> = emoji.tags.iter().map(String::as_str).collect();
        tags.sort_unstable();
        if emoji.label != row.label || tags != row.tags || emoji.group != Some(row.group) {
            bail!("Emojibase describes {} differently: {:?}", row.hexcode, emoji.label);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::manifest;

    fn row() -> Row<'static> {
        Row {
            hexcode: "1f600",
            style: 0,
            split: "train",
            group: 0,
            label: "grinning face",
            tags: vec!["face", "grin"],
        }
    }

    #[test]
    fn one_line_as_the_trainer_reads_it() {
        assert_eq!(
            lines([&row()]).unwrap(),
            concat!(
                r#"{"file_name":"noto/1f600.png","#,
                r#""text":"noto emoji of grinning face, white background","#,
                r#""style":"noto","style_word":"noto","label":"grinning face","#,
                r#""tags":["face","grin"],"hexcode":"1f600","group":0,"split":"train"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn captions_of_the_whole_manifest_are_distinct() {
        let rows = manifest::parse(manifest::SEVEN_STYLES).unwrap();
        let captions: std::collections::HashSet<String> = rows.iter().map(caption).collect();
        assert_eq!(captions.len(), rows.len());
    }

    #[test]
    fn emojibase_must_agree() {
        let good =
            br#"[{"hexcode":"1F600","label":"grinning face","tags":["grin","face"],"group":0}]"#;
        check_against_emojibase(&[row()], good).unwrap();
        let other = br#"[{"hexcode":"1F600","label":"happy","tags":["grin","face"],"group":0}]"#;
        let message = check_against_emojibase(&[row()], other).unwrap_err().to_string();
        assert_eq!(message, "Emojibase describes 1f600 differently: \"happy\"");
        assert!(check_against_emojibase(&[row()], b"[]").is_err());
    }
}
