//! The family of a U-Net, from a handful of shapes.

use crate::family::Family;
use crate::naming::{Naming, Shapes};

/// What a U-Net's shapes say.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Facts {
    pub naming: Naming,
    pub in_channels: usize,
    pub width: usize,
    /// Channels of the context, if it attends to one.
    pub context: Option<usize>,
    label: Label,
    /// Whether the guidance scale is an input.
    takes_guidance: bool,
    /// Whether some attention has ten blocks.
    ten_deep: bool,
    /// Whether it has layers over time.
    video: bool,
}

/// What is added to the time embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Label {
    Nothing,
    /// One of so many vectors.
    Class(usize),
    /// A projection of a vector of this length.
    Vector(usize),
}

use Label::{Class, Nothing, Vector};

/// Family, channels in, width, context, label.
type Row = (Family, usize, usize, Option<usize>, Label);

const FAMILIES: [Row; 16] = [
    (Family::Sd15, 4, 320, Some(768), Nothing),
    (Family::Sd15Inpainting, 9, 320, Some(768), Nothing),
    (Family::Sd2, 4, 320, Some(1024), Nothing),
    (Family::Sd2Inpainting, 9, 320, Some(1024), Nothing),
    (Family::Sdxl, 4, 320, Some(2048), Vector(2816)),
    (Family::SdxlInpainting, 9, 320, Some(2048), Vector(2816)),
    (Family::SdxlRefiner, 4, 384, Some(1280), Vector(2560)),
    (Family::X4Upscaler, 7, 256, Some(1024), Class(1000)),
    (Family::Text2ImgLarge, 4, 320, Some(1280), Nothing),
    (Family::Cin256, 4, 256, Some(512), Nothing),
    (Family::Cin256V2, 3, 192, Some(512), Nothing),
    (Family::CelebaHq, 3, 224, None, Nothing),
    (Family::LsunChurches, 4, 192, None, Nothing),
    (Family::BsrSr, 6, 160, None, Nothing),
    (Family::LdmInpainting, 7, 256, None, Nothing),
    // The same as 2.x but for the depth map beside the latents; here only to be named.
    (Family::Sd2, 5, 320, Some(1024), Nothing),
];

impl Facts {
    /// The U-Net in a file, by any of the names that it may have.
    pub(super) fn of(file: &Shapes) -> Option<Self> {
        use Naming::{Diffusers, Ldm};
        let places = [
            (Ldm, "model.diffusion_model.", "input_blocks.0.0.weight", "time_embed.0.weight"),
            (Ldm, "", "input_blocks.0.0.weight", "time_embed.0.weight"),
            (Diffusers, "unet.", "conv_in.weight", "time_embedding.linear_1.weight"),
            (Diffusers, "", "conv_in.weight", "time_embedding.linear_1.weight"),
        ];
        let (naming, prefix, first) = places.iter().find_map(|(naming, prefix, first, time)| {
            let first = file.get(format!("{prefix}{first}").as_str())?;
            file.contains_key(format!("{prefix}{time}").as_str())
                .then_some((*naming, *prefix, first))
        })?;
        let &[width, in_channels, ..] = *first else { return None };
        let inside = || file.range(prefix..).take_while(|(name, _)| name.starts_with(prefix));
        let size = |name: &str, axis: usize| {
            file.get(format!("{prefix}{name}").as_str()).and_then(|shape| shape.get(axis)).copied()
        };
        let by_class = size("label_emb.weight", 0).or(size("class_embedding.weight", 0));
        let by_vector =
            size("label_emb.0.0.weight", 1).or(size("add_embedding.linear_1.weight", 1));
        let keys = inside().find(|(name, _)| name.ends_with("attn2.to_k.weight"));
        Some(Self {
            naming,
            in_channels,
            width,
            context: keys.and_then(|(_, shape)| shape.get(1)).copied(),
            label: by_class.map(Class).or(by_vector.map(Vector)).unwrap_or(Nothing),
            takes_guidance: inside().any(|(name, _)| name.ends_with("cond_proj.weight")),
            ten_deep: inside().any(|(name, _)| name.contains(".transformer_blocks.9.")),
            video: inside()
                .any(|(name, _)| name.contains("time_stack") || name.contains("temporal")),
        })
    }

    /// Its family; or the name of what it is instead, if it has one.
    pub(super) fn family(&self) -> Result<Family, Option<&'static str>> {
        if self.video {
            return Err(Some("a video model (Stable Video Diffusion or alike)"));
        }
        let alike = |row: &&Row| (row.2, row.3, row.4) == (self.width, self.context, self.label);
        let with_channels = |row: &&Row| alike(row) && row.1 == self.in_channels;
        let Some(&(family, ..)) = FAMILIES.iter().find(with_channels) else {
            return Err(self.relative(FAMILIES.iter().any(|row| alike(&row))));
        };
        match family {
            _ if self.in_channels == 5 => Err(Some("a depth-to-image model")),
            Family::Sdxl if !self.ten_deep => Err(Some("a smaller kin of SDXL (SSD-1B or Vega)")),
            Family::Sdxl if self.takes_guidance => Ok(Family::SdxlLcm),
            Family::Sd15 if self.takes_guidance => Ok(Family::Sd15Lcm),
            family => Ok(family),
        }
    }

    /// Kin that differ in what goes in or what is added.
    fn relative(&self, but_for_channels: bool) -> Option<&'static str> {
        match (self.in_channels, self.label) {
            (8, _) if but_for_channels => Some("an InstructPix2Pix model, edited by instructions"),
            (4, Vector(_)) if self.context == Some(1024) => Some("a Stable unCLIP model"),
            _ => None,
        }
    }
}
