//! What a picture to begin with comes to: its size, its mask, and what is put where something new
//! is to be.

use std::sync::Mutex;

use aquatint_pipeline::request::MAX_BLUR;
use aquatint_pipeline::{Fit, GenerateRequest, Mask, Picture, fit, png};
use serde_json::Value;

use super::super::fields::Fields;
use super::fill::filled;
use super::paint::{Paste, around, cut};
use crate::engine::{Known, from_base64, lock, open_picture};
use crate::{Limits, Refusal};

/// One after the other, so that many at once take no more memory than one.
pub(in crate::routes) static ONE: Mutex<()> = Mutex::new(());

/// The pictures of a job, as the bytes of files.
pub(super) struct Begun {
    pub init: Vec<u8>,
    pub mask: Option<Vec<u8>>,
    /// Where the result is put, if it is only a part.
    pub paste: Option<Paste>,
}

/// Reads the pictures, and says in the request what is made of them.
pub(super) fn begin(
    fields: &Fields,
    request: &mut GenerateRequest,
    known: &Known,
    limits: &Limits,
) -> Result<Begun, Refusal> {
    let init = match fields.list("init_images") {
        [Value::String(init)] => from_base64("init_images", init)?,
        [] => return Err(Refusal::invalid("`init_images` has the picture to begin with")),
        _ => return Err(Refusal::invalid("`init_images` has one picture in base64")),
    };
    let mask = fields.text("mask")?.filter(|mask| !mask.is_empty());
    let mask = mask.map(|mask| from_base64("mask", mask)).transpose()?;
    request.strength = Some(fields.number("denoising_strength")?.unwrap_or(0.75));
    let usual = known.outline.as_ref().map_or((512, 512), |outline| outline.default_size);
    let size = (request.width.unwrap_or(usual.0), request.height.unwrap_or(usual.1));
    (request.width, request.height) = (Some(size.0), Some(size.1));
    limits.check_pixels(size.0, size.1)?;
    let _one = lock(&ONE);
    let (mut picture, alpha) = open_picture("init_images", &init, limits)?;
    if alpha.is_some() {
        picture = Picture::decode_opaque(&init).map_err(Refusal::invalid)?;
    }
    let mode = fields.count("resize_mode")?.unwrap_or(0);
    if let Some(mask) = mask {
        let mask = read_mask(&mask, fields, limits)?;
        return masked(fields, request, (picture, init), mask, (size, mode), limits);
    }
    let (picture, _) = resized(picture, None, size, mode)?;
    Ok(Begun { init: png::encode(&picture, &Default::default()), mask: None, paste: None })
}

/// White is new, and what is opaque where there is transparency, as there.
fn read_mask(bytes: &[u8], fields: &Fields, limits: &Limits) -> Result<Mask, Refusal> {
    let (picture, alpha) = open_picture("mask", bytes, limits)?;
    let mut mask = Mask::from_picture(&picture);
    if let Some(alpha) = alpha {
        mask.values = alpha.into_iter().map(|alpha| if alpha > 128 { 255 } else { 0 }).collect();
    }
    if fields.count("inpainting_mask_invert")?.unwrap_or(0) != 0 {
        mask.values.iter_mut().for_each(|value| *value = 255 - *value);
    }
    Ok(mask)
}

/// A picture of which a part is made anew.
fn masked(
    fields: &Fields,
    request: &mut GenerateRequest,
    (mut picture, bytes): (Picture, Vec<u8>),
    mut mask: Mask,
    (size, mode): ((usize, usize), usize),
    limits: &Limits,
) -> Result<Begun, Refusal> {
    let blur = match fields.number("mask_blur")? {
        Some(blur) => blur,
        None => fields.number("mask_blur_x")?.unwrap_or(4.0),
    };
    if !(0.0..=MAX_BLUR).contains(&blur) {
        return Err(Refusal::invalid(format!("`mask_blur` is from 0 to {MAX_BLUR}")));
    }
    request.mask_blur = Some(blur);
    let filling = fields.count("inpainting_fill")?.unwrap_or(0);
    let all_new = request.strength.is_some_and(|strength| strength >= 1.0);
    if filling > 3 || (filling > 1 && !all_new) {
        return Err(Refusal::invalid(
            "`inpainting_fill` is 0 or 1 here: what 2 and 3 put into the latents matters only at a \
             `denoising_strength` of 1",
        ));
    }
    if (mask.width, mask.height) != (picture.width, picture.height) {
        mask = mask.fit(picture.width, picture.height, Fit::Stretch);
    }
    // True by habit, and a number in some programs.
    let part_only = match fields.0.get("inpaint_full_res") {
        None => true,
        Some(value) => value.as_bool().or(value.as_i64().map(|n| n != 0)).unwrap_or(true),
    };
    let padding = fields.count("inpaint_full_res_padding")?.unwrap_or(0);
    let mut paste = None;
    if part_only && let Some(cropped) = around(&mask, blur, padding, size) {
        let cut_mask = cut(&mask, cropped);
        let scale = size.0 as f64 / cropped.width() as f64;
        request.mask_blur = Some((blur * scale).min(MAX_BLUR));
        picture = cropped.picture(&picture);
        limits.check_input(picture.width, picture.height)?;
        paste = Some(Paste { original: bytes, mask: cut_mask.clone(), place: cropped, blur });
        mask = cut_mask;
    }
    let mode = if paste.is_some() { 0 } else { mode };
    let (mut picture, mask) = resized(picture, Some(mask), size, mode)?;
    let Some(mask) = mask else { unreachable!("there was one") };
    if filling == 0 {
        picture = filled(&picture, &mask);
    }
    let rgb = mask.values.iter().flat_map(|&value| [value; 3]).collect();
    let mask = Picture { width: mask.width, height: mask.height, rgb };
    let encoded = |picture: &Picture| png::encode(picture, &Default::default());
    Ok(Begun { init: encoded(&picture), mask: Some(encoded(&mask)), paste })
}

/// Picture and mask in the size of the result, by the web UI's number of a rule.
fn resized(
    picture: Picture,
    mask: Option<Mask>,
    (width, height): (usize, usize),
    mode: usize,
) -> Result<(Picture, Option<Mask>), Refusal> {
    if (picture.width, picture.height) == (width, height) {
        return Ok((picture, mask));
    }
    let how = match mode {
        0 => Fit::Stretch,
        1 => Fit::Cover,
        2 => Fit::Contain,
        _ => {
            return Err(Refusal::invalid(
                "`resize_mode` is 0, 1 or 2 here: latents are not resized, so send the picture in \
                 the size of the result",
            ));
        }
    };
    let bars = Mask::new(picture.width, picture.height, 0).fit(width, height, how);
    let mut resized = fit(&picture, width, height, how);
    if how == Fit::Contain {
        resized = filled(&resized, &bars);
    }
    Ok((resized, mask.map(|mask| mask.fit(width, height, how))))
}
