//! Finding the drawing of a manifest row in the packages.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::archive;
use super::iconify::{self, IconSet};
use super::manifest::Row;
use super::style::{STYLES, Source};

/// One drawing, as its package stores it.
#[derive(Clone, Copy, Debug)]
pub enum Drawing<'a> {
    /// An icon of a set, by the set's own name for it.
    Icon(&'a IconSet, &'a str),
    /// A WebP file.
    Webp(&'a [u8]),
}

/// Names tried first in sets without hexcodes. Their own names differ from everyone else's, or
/// the name that the others use means another drawing there: `keycap` is an empty key, and
/// `up-button` points upwards.
const EXCEPTIONS: &[(&str, &[&str])] = &[
    ("0023-20e3", &["keycap-pound"]),
    ("002a-20e3", &["keycap-asterisk"]),
    ("1f199", &["up-exclamation-button", "up-text-button"]),
    ("1f635", &["dizzy-face"]),
];

/// The drawings of all styles.
pub struct Drawings {
    /// Parallel to [`STYLES`].
    styles: Vec<Found>,
}

enum Found {
    /// A set, with its names by normal hexcode where it has them.
    Icons(IconSet, HashMap<String, String>),
    /// Files by normal hexcode.
    Webp(HashMap<String, Vec<u8>>),
}

impl Drawings {
    /// Reads the packages. `path_of` gives the tarball of the style with a given index.
    ///
    /// # Errors
    /// When a package cannot be read or is not built as its style says.
    pub fn read(path_of: impl Fn(usize) -> PathBuf) -> Result<Self> {
        let styles = STYLES.iter().enumerate().map(|(index, style)| {
            let path = path_of(index);
            let found = match style.source {
                Source::Webp => {
                    let files = archive::read(&path, |name| hexcode_of(name).is_some())?;
                    let by_hexcode = files
                        .into_iter()
                        .filter_map(|(name, bytes)| Some((hexcode_of(&name)?, bytes)));
                    Found::Webp(by_hexcode.collect())
                }
                source => {
                    let mut files =
                        archive::read(&path, |name| matches!(name, "icons.json" | "chars.json"))?;
                    let icons = files.remove("icons.json").context("no icons.json inside");
                    let set = icons.and_then(|json| IconSet::parse(&json));
                    let set = set.with_context(|| format!("package {}", path.display()))?;
                    let chars = match (source, files.get("chars.json")) {
                        (Source::IconifyByHexcode, Some(json)) => iconify::parse_chars(json)
                            .with_context(|| format!("package {}", path.display()))?,
                        (Source::IconifyByHexcode, None) => {
                            bail!("package {}: no chars.json inside", path.display())
                        }
                        _ => HashMap::new(),
                    };
                    Found::Icons(set, chars)
                }
            };
            Ok(found)
        });
        Ok(Self { styles: styles.collect::<Result<_>>()? })
    }

    /// The drawing of a row, or the names under which it was looked for in vain.
    pub fn find(&self, row: &Row<'_>) -> Result<Drawing<'_>, Vec<String>> {
        let hexcode = iconify::normal_hexcode(row.hexcode);
        match &self.styles[row.style] {
            Found::Webp(files) => match files.get(&hexcode) {
                Some(bytes) => Ok(Drawing::Webp(bytes)),
                None => Err(vec![format!("assets/{hexcode}.webp")]),
            },
            Found::Icons(set, chars) => {
                let names = match STYLES[row.style].source {
                    Source::IconifyByName => self.bridge(&hexcode, row.label),
                    _ => chars.get(&hexcode).cloned().into_iter().collect(),
                };
                match names.iter().find_map(|name| set.root(name)) {
                    Some(name) => Ok(Drawing::Icon(set, name)),
                    None => Err(names),
                }
            }
        }
    }

    /// Names to try in a set without hexcodes: exceptions, the label's slug, then what the sets
    /// with hexcodes call this one, aliases last.
    fn bridge(&self, hexcode: &str, label: &str) -> Vec<String> {
        let exceptions = EXCEPTIONS.iter().filter(|(key, _)| *key == hexcode);
        let mut names: Vec<String> =
            exceptions.flat_map(|(_, names)| names.iter().map(|name| name.to_string())).collect();
        names.push(slug(label));
        let others: Vec<(&IconSet, &str)> = self
            .styles
            .iter()
            .filter_map(|found| match found {
                Found::Icons(set, chars) => Some((set, chars.get(hexcode)?.as_str())),
                Found::Webp(_) => None,
            })
            .collect();
        names.extend(others.iter().map(|(_, name)| name.to_string()));
        for (set, name) in others {
            names.extend(set.aliases_of(name).into_iter().map(str::to_owned));
        }
        let mut seen = std::collections::HashSet::new();
        names.retain(|name| seen.insert(name.clone()));
        names
    }
}

/// `assets/2049-fe0f.webp` is the drawing of 2049.
fn hexcode_of(path: &str) -> Option<String> {
    let stem = path.strip_prefix("assets/")?.strip_suffix(".webp")?;
    Some(iconify::normal_hexcode(stem))
}

/// A label as icon sets write it: lower case, quotes dropped, all else between words a hyphen.
fn slug(label: &str) -> String {
    let plain: String = label
        .to_lowercase()
        .chars()
        .filter(|c| !matches!(c, '’' | '\'' | '“' | '”'))
        .map(|c| if c.is_ascii_alphanumeric() { c } else { ' ' })
        .collect();
    plain.split_whitespace().collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn icons(json: &str, chars: &str) -> Found {
        let chars = iconify::parse_chars(chars.as_bytes()).unwrap();
        Found::Icons(IconSet::parse(json.as_bytes()).unwrap(), chars)
    }

    /// Styles 0 (by hexcode), 1 (by name) and, at 5, WebP; the rest are empty.
    fn drawings() -> Drawings {
        let empty = || icons(r#"{"icons": {}}"#, "{}");
        let noto = icons(
            r#"{"icons": {"bullseye": {"body": ""}}, "aliases": {"direct-hit": {"parent": "bullseye"}}}"#,
            r#"{"1F3AF": "bullseye"}"#,
        );
        let blob = icons(
            r#"{"icons": {"direct-hit": {"body": ""}, "six-oclock": {"body": ""},
                          "keycap": {"body": ""}, "keycap-pound": {"body": ""}}}"#,
            "{}",
        );
        let webp = Found::Webp(HashMap::from([("2049".to_owned(), vec![1])]));
        Drawings { styles: vec![noto, blob, empty(), empty(), empty(), webp, empty()] }
    }

    fn row<'a>(style: usize, hexcode: &'a str, label: &'a str) -> Row<'a> {
        Row { hexcode, style, split: "train", group: 0, label, tags: Vec::new() }
    }

    fn found(style: usize, hexcode: &str, label: &str) -> Option<String> {
        match drawings().find(&row(style, hexcode, label)) {
            Ok(Drawing::Icon(_, name)) => Some(name.to_owned()),
            Ok(Drawing::Webp(_)) => Some("webp".to_owned()),
            Err(_) => None,
        }
    }

    #[test]
    fn hexcodes_lead_to_icons_and_files() {
        assert_eq!(found(0, "1f3af", "bullseye").as_deref(), Some("bullseye"));
        assert_eq!(found(5, "2049-fe0f", "exclamation question mark").as_deref(), Some("webp"));
    }

    #[test]
    fn names_bridge_to_sets_without_hexcodes() {
        // By the label's slug, by another set's alias, and by exception before the slug.
        assert_eq!(found(1, "1f555", "six o’clock").as_deref(), Some("six-oclock"));
        assert_eq!(found(1, "1f3af", "bullseye").as_deref(), Some("direct-hit"));
        assert_eq!(found(1, "0023-20e3", "keycap: #").as_deref(), Some("keycap-pound"));
    }

    #[test]
    fn what_is_missing_says_what_was_tried() {
        let drawings = drawings();
        assert_eq!(
            drawings.find(&row(1, "1f600", "grinning face")).unwrap_err(),
            ["grinning-face"]
        );
        assert_eq!(drawings.find(&row(5, "1f600", "x")).unwrap_err(), ["assets/1f600.webp"]);
    }

    #[test]
    fn slugs() {
        assert_eq!(slug("Japanese “free of charge” button"), "japanese-free-of-charge-button");
        assert_eq!(slug("family: man, boy"), "family-man-boy");
        assert_eq!(slug("Mrs. Claus"), "mrs-claus");
    }
}
