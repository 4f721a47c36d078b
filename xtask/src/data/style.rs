//! The seven styles: their names in the manifest, in captions, and where their drawings come from.

use super::packages::{self, Package};

/// How a package stores the drawings of one style.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `icons.json` with `chars.json`, which maps hexcodes to icon names.
    IconifyByHexcode,
    /// `icons.json` only; a drawing is found by the names that other sets give to its hexcode.
    IconifyByName,
    /// `assets/{hexcode}.webp`.
    Webp,
}

/// One style of drawing.
#[derive(Debug)]
pub struct Style {
    /// Name in the manifest, and of the folder of images.
    pub name: &'static str,
    /// What captions call it.
    pub word: &'static str,
    /// The package that holds its drawings.
    pub package: &'static Package,
    /// How the package stores them.
    pub source: Source,
}

/// All styles, in the order in which the manifest lists them under a hexcode.
pub const STYLES: [Style; 7] = [
    Style {
        name: "noto",
        word: "noto",
        package: &packages::NOTO,
        source: Source::IconifyByHexcode,
    },
    Style {
        name: "noto-v1-blob",
        word: "blob",
        package: &packages::NOTO_V1,
        source: Source::IconifyByName,
    },
    Style {
        name: "twemoji",
        word: "twemoji",
        package: &packages::TWEMOJI,
        source: Source::IconifyByHexcode,
    },
    Style {
        name: "emojione2",
        word: "emojione",
        package: &packages::EMOJIONE,
        source: Source::IconifyByName,
    },
    Style {
        name: "fluent-flat",
        word: "flat",
        package: &packages::FLUENT_FLAT,
        source: Source::IconifyByHexcode,
    },
    Style {
        name: "fluent-3d",
        word: "glossy 3d",
        package: &packages::FLUENT_3D,
        source: Source::Webp,
    },
    Style {
        name: "fluent-hc",
        word: "black and white icon",
        package: &packages::FLUENT_HIGH_CONTRAST,
        source: Source::IconifyByHexcode,
    },
];

/// The index in [`STYLES`] of the style with this manifest name.
pub fn index_of(name: &str) -> Option<usize> {
    STYLES.iter().position(|style| style.name == name)
}
