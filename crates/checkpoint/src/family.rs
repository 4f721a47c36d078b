//! The families of models that we know.

use std::fmt;
use std::str::FromStr;

use crate::nearest;

/// Models that share a configuration. Each has a preset, a file named by [`Family::id`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Stable Diffusion 1.1 to 1.5 and what was made of them.
    Sd15,
    /// The same for in-painting: 9 channels, of which 5 are the mask and the masked picture.
    Sd15Inpainting,
    /// The same as a latent consistency model, which takes the guidance scale as an input.
    Sd15Lcm,
    /// Stable Diffusion 2.0 and 2.1 for 768 pixels, which predict v.
    Sd2,
    /// Stable Diffusion 2.0 and 2.1 for 512 pixels, which predict ε.
    Sd2Base,
    /// Stable Diffusion 2.0 for in-painting.
    Sd2Inpainting,
    /// SD Turbo: Stable Diffusion 2.1 in one to four steps.
    SdTurbo,
    /// Stable Diffusion XL.
    Sdxl,
    /// The same for in-painting.
    SdxlInpainting,
    /// SDXL Turbo: one to four steps.
    SdxlTurbo,
    /// SDXL as a latent consistency model.
    SdxlLcm,
    /// The second half of SDXL's steps.
    SdxlRefiner,
    /// Stable Diffusion's upscaler by four.
    X4Upscaler,
    /// The text-to-image model of the paper, with 1.45 billion weights and a BERT.
    Text2ImgLarge,
    /// ImageNet's classes, f = 8, VQ.
    Cin256,
    /// ImageNet's classes, f = 4, VQ, with a class for none.
    Cin256V2,
    /// Faces or bedrooms without any text: CelebA-HQ, FFHQ and LSUN-Bedrooms are built alike.
    CelebaHq,
    /// Churches without any text.
    LsunChurches,
    /// Super-resolution by four.
    BsrSr,
    /// The paper's in-painting: 7 channels.
    LdmInpainting,
}

use Family::{
    BsrSr, CelebaHq, Cin256, Cin256V2, LdmInpainting, LsunChurches, Sd2, Sd2Base, Sd2Inpainting,
    Sd15, Sd15Inpainting, Sd15Lcm, SdTurbo, Sdxl, SdxlInpainting, SdxlLcm, SdxlRefiner, SdxlTurbo,
    Text2ImgLarge, X4Upscaler,
};

/// Family, id, other spellings, what a person calls it.
type Row = (Family, &'static str, &'static [&'static str], &'static str);

const FAMILIES: [Row; 20] = [
    (Sd15, "sd15", &["sd1", "sd1.5", "sd-1.5", "sd14", "sd1.4"], "Stable Diffusion 1.x"),
    (Sd15Inpainting, "sd15-inpainting", &["sd1-inpainting"], "Stable Diffusion 1.x in-painting"),
    (Sd15Lcm, "sd15-lcm", &["lcm", "sd1-lcm"], "Stable Diffusion 1.x, latent consistency"),
    (
        Sd2,
        "sd2",
        &["sd2-v", "sd20-v", "sd21", "sd21-v", "sd2.1", "sd2.1-v"],
        "Stable Diffusion 2.x for 768 pixels, v-prediction",
    ),
    (
        Sd2Base,
        "sd2-base",
        &["sd20-base", "sd21-base", "sd2.1-base"],
        "Stable Diffusion 2.x for 512 pixels, ε-prediction",
    ),
    (Sd2Inpainting, "sd2-inpainting", &["sd20-inpainting"], "Stable Diffusion 2.x in-painting"),
    (SdTurbo, "sd-turbo", &["sd2-turbo", "sd21-turbo"], "SD Turbo"),
    (Sdxl, "sdxl", &["sdxl-base", "xl"], "Stable Diffusion XL"),
    (SdxlInpainting, "sdxl-inpainting", &["xl-inpainting"], "Stable Diffusion XL in-painting"),
    (SdxlTurbo, "sdxl-turbo", &["xl-turbo"], "SDXL Turbo"),
    (SdxlLcm, "sdxl-lcm", &["lcm-sdxl"], "Stable Diffusion XL, latent consistency"),
    (SdxlRefiner, "sdxl-refiner", &["xl-refiner"], "Stable Diffusion XL's refiner"),
    (X4Upscaler, "x4-upscaler", &["sd-x4-upscaler", "upscaler"], "Stable Diffusion's x4 upscaler"),
    (
        Text2ImgLarge,
        "text2img-large",
        &["txt2img-1p4b", "ldm-text2im-large-256"],
        "latent diffusion's text-to-image model",
    ),
    (Cin256, "cin256", &["cin-ldm-vq-f8"], "latent diffusion for ImageNet's classes, f = 8"),
    (Cin256V2, "cin256-v2", &[], "latent diffusion for ImageNet's classes, f = 4"),
    (
        CelebaHq,
        "celebahq",
        &["celeba", "celeba256", "ffhq", "ffhq256", "lsun-bedrooms", "lsun-beds"],
        "unconditional latent diffusion (CelebA-HQ, FFHQ or LSUN-Bedrooms)",
    ),
    (
        LsunChurches,
        "lsun-churches",
        &["churches"],
        "unconditional latent diffusion (LSUN-Churches)",
    ),
    (BsrSr, "bsr-sr", &["bsr_sr", "ldm-super-resolution"], "latent diffusion's super-resolution"),
    (LdmInpainting, "ldm-inpainting", &["inpainting-big"], "latent diffusion's in-painting"),
];

impl Family {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        FAMILIES.iter().map(|row| row.0)
    }

    /// The word on the command line and the name of its preset.
    pub fn id(self) -> &'static str {
        self.row().1
    }

    /// What a person calls it.
    pub fn title(self) -> &'static str {
        self.row().3
    }

    /// Families whose weights have the same names and shapes, this one included; the first is the
    /// one that a file is taken for if nothing else speaks.
    pub fn look_alikes(self) -> &'static [Self] {
        match self {
            Sd2 | Sd2Base | SdTurbo => &[Sd2, Sd2Base, SdTurbo],
            Sdxl | SdxlTurbo => &[Sdxl, SdxlTurbo],
            other => std::slice::from_ref(&FAMILIES[other as usize].0),
        }
    }

    fn row(self) -> &'static Row {
        &FAMILIES[self as usize]
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl FromStr for Family {
    type Err = String;

    /// Reads an id or one of its other spellings.
    ///
    /// # Errors
    /// A sentence with the nearest one, or all of them.
    fn from_str(word: &str) -> Result<Self, String> {
        let lower = word.to_lowercase();
        let named = |row: &&Row| row.1 == lower || row.2.contains(&lower.as_str());
        if let Some(row) = FAMILIES.iter().find(named) {
            return Ok(row.0);
        }
        let ids = FAMILIES.map(|row| row.1);
        Err(match nearest(&lower, ids.into_iter()) {
            Some(near) => format!("there is no family `{word}`; did you mean `{near}`?"),
            None => format!("there is no family `{word}`; there are {}", ids.join(", ")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum_and_words_are_found() {
        for (i, row) in FAMILIES.iter().enumerate() {
            assert_eq!(row.0 as usize, i, "{}", row.1);
            for word in row.2.iter().chain([&row.1]) {
                assert_eq!(word.to_uppercase().parse::<Family>().as_ref(), Ok(&row.0));
            }
            assert!(row.0.look_alikes().contains(&row.0));
        }
        let error = "sdxl-turob".parse::<Family>().unwrap_err();
        assert_eq!(error, "there is no family `sdxl-turob`; did you mean `sdxl-turbo`?");
    }
}
