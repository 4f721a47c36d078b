//! What a person is told about a file.

use super::{Detected, Kind};
use crate::family::Family;
use crate::naming::Naming;

impl Detected {
    /// What it is and what to do with it, in one sentence without a full stop.
    pub fn sentence(&self) -> String {
        let title = self.family.map_or("an unknown family", Family::title);
        let kin = self.family.map(kin);
        match &self.kind {
            Kind::Model => {
                let naming = self.naming.map_or("unknown", Naming::name);
                let mut said = format!("{title} in the {naming} naming");
                if !self.missing.is_empty() {
                    let flags: Vec<String> = self.missing.iter().map(|part| flag(part)).collect();
                    said += &format!(" without {}", flags.join(" and "));
                }
                if let Some(others) = self.others() {
                    said += &format!("; {others} look the same, so say --family if it is one");
                }
                said
            }
            Kind::UNet => format!(
                "the U-Net of {} alone; give a whole model with -m and this file with --unet",
                kin.unwrap_or(title)
            ),
            Kind::Autoencoder => {
                "an autoencoder alone; give a whole model with -m and this file with --vae".into()
            }
            Kind::TextEncoder => "a text encoder alone; give a whole model with -m and this file \
                                  with --text-encoder"
                .into(),
            Kind::Addition(addition) => {
                addition.sentence(&kin.map_or(String::new(), |kin| format!(" for {kin}")))
            }
            Kind::Other(name) if name.contains("upscaler") => {
                format!("{name}, which draws nothing; give it to `aquatint upscale` with -m")
            }
            Kind::Other(name) => format!(
                "{name}, which is no latent diffusion model that we can run; give one of Stable \
                 Diffusion 1.x, 2.x or XL"
            ),
            Kind::UnknownUNet { in_channels, width, context } => {
                let context = context.map_or("no context".into(), |n| format!("a context of {n}"));
                format!(
                    "a U-Net with {in_channels} input channels, {width} channels and {context}, of \
                     no family we know; give it as a diffusers folder with its config.json files"
                )
            }
            Kind::Unknown => match &self.example {
                Some(name) => format!(
                    "no model that we know (it holds `{name}`); give a Stable Diffusion model, as a \
                     single file or a diffusers folder"
                ),
                None => "a file without any tensor; copy or download it again".into(),
            },
        }
    }

    /// The families that this may be instead.
    fn others(&self) -> Option<String> {
        let family = self.family?;
        let others = family.look_alikes().iter().filter(|&&other| other != family);
        let ids: Vec<&str> = others.map(|other| other.id()).collect();
        (!ids.is_empty()).then(|| ids.join(" and "))
    }
}

/// A missing part, and how to give it.
fn flag(part: &str) -> String {
    match part {
        "vae" | "vqvae" => "its autoencoder (give one with --vae)".into(),
        "unet" => "its U-Net (give one with --unet)".into(),
        "text_encoder" => "its text encoder (give one with --text-encoder)".into(),
        other => format!("its {other}"),
    }
}

/// What a person calls the family of something that fits all its look-alikes.
fn kin(family: Family) -> &'static str {
    match family {
        Family::Sd2 | Family::Sd2Base | Family::SdTurbo => "Stable Diffusion 2.x",
        other => other.title(),
    }
}
