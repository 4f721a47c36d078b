//! What a request may say about pictures that are there already.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// By how many pixels a picture grows on each side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Extend {
    pub left: usize,
    pub right: usize,
    pub top: usize,
    pub bottom: usize,
}

/// "left=128,bottom=64".
impl FromStr for Extend {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut extend = Self::default();
        for part in text.split(',') {
            let side = part.split_once('=').map(|(name, pixels)| (name.trim(), pixels.trim()));
            let (pixels, place) = match side {
                Some(("left", pixels)) => (pixels, &mut extend.left),
                Some(("right", pixels)) => (pixels, &mut extend.right),
                Some(("top", pixels)) => (pixels, &mut extend.top),
                Some(("bottom", pixels)) => (pixels, &mut extend.bottom),
                _ => return Err(SIDES.into()),
            };
            *place = pixels.parse().map_err(|_| SIDES)?;
        }
        Ok(extend)
    }
}

const SIDES: &str = "it must be sides and pixels such as left=128,bottom=64";

impl fmt::Display for Extend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sides = [
            ("left", self.left),
            ("right", self.right),
            ("top", self.top),
            ("bottom", self.bottom),
        ];
        let grown = sides.iter().filter(|(_, pixels)| *pixels > 0);
        let sides: Vec<String> = grown.map(|(side, pixels)| format!("{side}={pixels}")).collect();
        f.write_str(&sides.join(","))
    }
}

/// A second pass over a larger picture (the web UI's "hires fix"): a picture that is begun at the
/// size that the model was trained on has one subject, and details are made at the larger one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hires {
    /// The finished size.
    pub size: HiresSize,
    /// How much of the first pass is made anew, 0 to 1.
    pub strength: f64,
    /// Sampling steps of the second pass, of which `strength` is taken; nothing means as many as
    /// in the first.
    pub steps: Option<usize>,
    /// How the first pass is enlarged.
    pub upscaler: HiresUpscaler,
}

impl Default for Hires {
    fn default() -> Self {
        let (size, upscaler) = (HiresSize::Scale(2.0), HiresUpscaler::default());
        Self { size, strength: 0.5, steps: None, upscaler }
    }
}

/// A finished size: how many times the first pass's, or pixels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HiresSize {
    /// How many times as wide and as high, rounded to what the model can do.
    Scale(f64),
    /// Width and height.
    Pixels(usize, usize),
}

/// "2", "1.5" or "1024x768".
impl FromStr for HiresSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let pixels = |(w, h): (&str, &str)| Some(Self::Pixels(w.parse().ok()?, h.parse().ok()?));
        let size = match text.split_once(['x', '×']) {
            Some(sides) => pixels(sides),
            None => text.parse().ok().map(Self::Scale),
        };
        size.ok_or_else(|| "it must be a factor such as 2 or a size such as 1024x768".into())
    }
}

/// How the first pass of two is enlarged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HiresUpscaler {
    /// The latents, with straight lines between their numbers: the web UI's "Latent".
    #[default]
    Latent,
    /// The latents, whose numbers repeat: the web UI's "Latent (nearest-exact)".
    LatentNearest,
    /// The pixels, which takes a decoder and an encoder as well: the web UI's "Lanczos".
    Picture,
}

impl HiresUpscaler {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Latent, Self::LatentNearest, Self::Picture];

    /// Its name here.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Latent => "latent",
            Self::LatentNearest => "latent-nearest",
            Self::Picture => "picture",
        }
    }

    /// Its name in the web UI.
    pub const fn web_ui(self) -> &'static str {
        match self {
            Self::Latent => "Latent",
            Self::LatentNearest => "Latent (nearest-exact)",
            Self::Picture => "Lanczos",
        }
    }
}

impl FromStr for HiresUpscaler {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|u| u.name() == name || u.web_ui() == name);
        let names = Self::ALL.map(Self::name).join(", ");
        found.ok_or_else(|| format!("there is no upscaler `{name}`: it is one of {names}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_typed() {
        let extend = Extend { left: 128, bottom: 64, ..Extend::default() };
        assert_eq!("left=128, bottom=64".parse(), Ok(extend));
        assert_eq!(extend.to_string(), "left=128,bottom=64");
        for wrong in ["", "left", "left=", "up=3", "left=-3", "left=1;top=2"] {
            assert_eq!(wrong.parse::<Extend>(), Err(SIDES.into()), "{wrong}");
        }
        assert_eq!("1.5".parse(), Ok(HiresSize::Scale(1.5)));
        assert_eq!("1024x768".parse(), Ok(HiresSize::Pixels(1024, 768)));
        assert!("1024x".parse::<HiresSize>().is_err() && "big".parse::<HiresSize>().is_err());
        assert_eq!("Latent".parse(), Ok(HiresUpscaler::Latent));
        assert_eq!("picture".parse(), Ok(HiresUpscaler::Picture));
        assert!("esrgan".parse::<HiresUpscaler>().is_err_and(|e| e.contains("latent-nearest")));
    }
}
