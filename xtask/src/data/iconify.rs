//! Icon sets in Iconify's JSON form: SVG bodies by name, aliases, default sizes.

use std::collections::HashMap;

use anyhow::{Context, Result};
use serde::Deserialize;

/// How many aliases may lead to one another before the set counts as broken.
const MAX_ALIAS_DEPTH: usize = 8;

/// An icon set: `icons.json`.
#[derive(Debug, Deserialize)]
pub struct IconSet {
    icons: HashMap<String, Icon>,
    #[serde(default)]
    aliases: HashMap<String, Alias>,
    #[serde(flatten)]
    defaults: Frame,
}

#[derive(Debug, Deserialize)]
struct Icon {
    body: String,
    #[serde(flatten)]
    frame: Frame,
}

#[derive(Debug, Deserialize)]
struct Alias {
    parent: String,
    #[serde(flatten)]
    frame: Frame,
}

/// Where the drawing lies and how it is turned. What is absent is taken from the parent.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Frame {
    left: Option<f64>,
    top: Option<f64>,
    width: Option<f64>,
    height: Option<f64>,
    h_flip: bool,
    v_flip: bool,
    rotate: i64,
}

impl Frame {
    /// This frame seen over its parent: sizes override, flips and quarter turns add up.
    fn over(self, parent: Frame) -> Frame {
        Frame {
            left: self.left.or(parent.left),
            top: self.top.or(parent.top),
            width: self.width.or(parent.width),
            height: self.height.or(parent.height),
            h_flip: self.h_flip ^ parent.h_flip,
            v_flip: self.v_flip ^ parent.v_flip,
            rotate: (self.rotate + parent.rotate).rem_euclid(4),
        }
    }
}

impl IconSet {
    /// Parses `icons.json`.
    ///
    /// # Errors
    /// When the text is not an icon set.
    pub fn parse(json: &[u8]) -> Result<Self> {
        serde_json::from_slice(json).context("not an Iconify icon set")
    }

    /// The name of the icon that `name` stands for: itself, or where its aliases end.
    pub fn root(&self, name: &str) -> Option<&str> {
        self.resolve(name).map(|(root, _)| root)
    }

    /// The other names of an icon, sorted.
    pub fn aliases_of(&self, root: &str) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .aliases
            .iter()
            .filter(|(_, alias)| alias.parent == root)
            .map(|(name, _)| name.as_str())
            .collect();
        names.sort_unstable();
        names
    }

    /// A whole SVG document of the icon called `name`, or `None` when the set has none.
    pub fn svg(&self, name: &str) -> Option<String> {
        let (root, frame) = self.resolve(name)?;
        // Iconify's defaults are 16×16 at the origin.
        let frame = frame.over(self.defaults);
        let (left, top) = (frame.left.unwrap_or(0.0), frame.top.unwrap_or(0.0));
        let (width, height) = (frame.width.unwrap_or(16.0), frame.height.unwrap_or(16.0));
        let (cx, cy) = (left + width / 2.0, top + height / 2.0);
        let (sx, sy) = (if frame.h_flip { -1 } else { 1 }, if frame.v_flip { -1 } else { 1 });
        let body = &self.icons.get(root)?.body;
        // Quarter turns happen about the centre; the box turns with the drawing.
        let turn = frame.rotate * 90;
        let (width, height) = if frame.rotate % 2 == 0 { (width, height) } else { (height, width) };
        let (left, top) = (cx - width / 2.0, cy - height / 2.0);
        let open = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="{width}" height="{height}" viewBox="{left} {top} {width} {height}">"#
        );
        if turn == 0 && sx == 1 && sy == 1 {
            return Some(format!("{open}{body}</svg>"));
        }
        let transform =
            format!("translate({cx} {cy}) rotate({turn}) scale({sx} {sy}) translate(-{cx} -{cy})");
        Some(format!(r#"{open}<g transform="{transform}">{body}</g></svg>"#))
    }

    /// Follows aliases from `name` to an icon, gathering frames on the way.
    fn resolve<'a>(&'a self, name: &str) -> Option<(&'a str, Frame)> {
        let (mut name, mut frame) = (name, Frame::default());
        for _ in 0..MAX_ALIAS_DEPTH {
            if let Some((name, icon)) = self.icons.get_key_value(name) {
                return Some((name, frame.over(icon.frame)));
            }
            let alias = self.aliases.get(name)?;
            frame = frame.over(alias.frame);
            name = &alias.parent;
        }
        None
    }
}

/// Parses `chars.json`, giving icon names by normal hexcode (see [`normal_hexcode`]).
///
/// # Errors
/// When the text is not an object of strings.
pub fn parse_chars(json: &[u8]) -> Result<HashMap<String, String>> {
    let chars: HashMap<String, String> =
        serde_json::from_slice(json).context("not a table of characters")?;
    Ok(chars.into_iter().map(|(hexcode, name)| (normal_hexcode(&hexcode), name)).collect())
}

/// A hexcode in lower case without variation selectors, which the sets write or omit at will.
pub fn normal_hexcode(hexcode: &str) -> String {
    let lower = hexcode.to_ascii_lowercase();
    lower.split('-').filter(|part| *part != "fe0f").collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> IconSet {
        IconSet::parse(
            br#"{"prefix": "t", "width": 32, "height": 32,
                "icons": {"left-hand": {"body": "<a/>"},
                          "tall": {"body": "<b/>", "height": 33, "left": -2, "top": 1}},
                "aliases": {"right-hand": {"parent": "left-hand", "hFlip": true},
                            "left-again": {"parent": "right-hand", "hFlip": true},
                            "turned": {"parent": "tall", "rotate": 1},
                            "loop": {"parent": "loop"}, "orphan": {"parent": "gone"}}}"#,
        )
        .unwrap()
    }

    #[test]
    fn default_size_and_own_size() {
        assert!(set().svg("left-hand").unwrap().ends_with(r#"viewBox="0 0 32 32"><a/></svg>"#));
        assert!(set().svg("tall").unwrap().ends_with(r#"viewBox="-2 1 32 33"><b/></svg>"#));
    }

    #[test]
    fn alias_mirrors_and_mirrors_back() {
        let mirrored = set().svg("right-hand").unwrap();
        assert!(mirrored.contains("scale(-1 1)"), "{mirrored}");
        assert_eq!(set().svg("left-again"), set().svg("left-hand"));
        assert_eq!(set().root("left-again"), Some("left-hand"));
        assert_eq!(set().aliases_of("left-hand"), ["right-hand"]);
    }

    #[test]
    fn quarter_turn_swaps_the_box_about_its_centre() {
        // Box -2,1 32×33 has its centre at 14,17.5; turned, it is 33×32.
        let turned = set().svg("turned").unwrap();
        assert!(turned.contains(r#"viewBox="-2.5 1.5 33 32""#), "{turned}");
        assert!(turned.contains("rotate(90)"), "{turned}");
    }

    #[test]
    fn broken_aliases_and_unknown_names_give_none() {
        for name in ["loop", "orphan", "unknown"] {
            assert_eq!(set().svg(name), None, "{name}");
        }
    }

    #[test]
    fn chars_forget_variation_selectors() {
        let chars = parse_chars(br#"{"2764-FE0F-200D-1F525": "heart-on-fire"}"#).unwrap();
        assert_eq!(chars["2764-200d-1f525"], "heart-on-fire");
    }
}
