//! What pictures say about how they were made.

use std::collections::BTreeMap;
use std::path::Path;

use aquatint_pipeline::attached::{Attached, tell};
use aquatint_pipeline::request::PictureSeed;
use aquatint_pipeline::{
    Encoding, GenerateRequest, Picture, PictureFormat, encode_picture, metadata, save_picture,
};
use clap::ValueEnum;

use super::VERSION;
use crate::args::{DrawArgs, MachineArgs};
use crate::failure::Failure;
use crate::names::unwritable;
use crate::{embedded, stop};

/// Texts of a picture by their keywords.
pub type Texts = BTreeMap<&'static str, String>;

/// With what pictures are made, besides the request.
pub struct Origin {
    model: String,
    dtype: String,
    attached: Vec<Attached>,
}

impl Origin {
    pub fn new(draw: &DrawArgs, machine: &MachineArgs, attached: Vec<Attached>) -> Self {
        let dtype = machine.dtype.to_possible_value();
        let dtype = dtype.as_ref().map_or("f32", |value| value.get_name()).to_owned();
        Self { model: model_name(draw.model.as_deref()), dtype, attached }
    }

    /// Of a picture of the first pass's `size`.
    pub fn texts(
        &self,
        request: &GenerateRequest,
        seed: PictureSeed,
        size: (usize, usize),
    ) -> Texts {
        let Self { model, dtype, attached } = self;
        let origin = metadata::Origin { model, version: VERSION, dtype };
        let mut texts = metadata::texts(request, seed, size, &origin);
        tell(&mut texts, attached);
        texts
    }
}

/// What the model is called in pictures.
pub fn model_name(model: Option<&Path>) -> String {
    match model {
        None => embedded::NAME.into(),
        Some(folder) => folder.file_name().unwrap_or_default().to_string_lossy().into(),
    }
}

/// Whether the format has room for how a picture was made. It is better to know before the work.
pub fn check_room(path: &Path, texts: &Texts) -> Result<(), Failure> {
    let format = PictureFormat::of_path(path).unwrap_or_default();
    let small = Picture::new(8, 8, [0; 3]);
    encode_picture(&small, texts, Encoding { format, ..Default::default() })
        .map(drop)
        .map_err(|error| unwritable(path, &error))
}

/// Writes a picture with its texts.
pub fn write(path: &Path, picture: &Picture, texts: &Texts, quality: u8) -> Result<(), Failure> {
    if stop::requested() {
        return Err(Failure::interrupted());
    }
    let format = PictureFormat::of_path(path).unwrap_or_default();
    stop::whole(|| save_picture(path, picture, texts, Encoding { format, quality }))
        .map_err(|error| unwritable(path, &error))
}
