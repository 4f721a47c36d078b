//! What a wish comes to, looked at before it is taken: everything that can be wrong is said then.

use std::path::PathBuf;
use std::sync::Mutex;

use aquatint_pipeline::lora::{LoraSpec, find};
use aquatint_pipeline::metadata::Description;
use aquatint_pipeline::{GenerateRequest, Inputs, Mask, Picture, Plan, batches, take_loras};

use super::events::lock;
use super::models::{Catalogue, Known};
use super::{Settings, Wish};
use crate::limits::{Limits, cost, enlarging_cost};
use crate::{Kind, Refusal};

/// A wish that can be fulfilled.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// The model's number.
    pub model: usize,
    /// The pictures that go with it.
    pub inputs: Inputs,
    /// What it comes to, unless it is for a network that enlarges.
    pub plan: Option<Plan>,
    /// LoRAs that the prompt names.
    pub loras: Vec<LoraSpec>,
    /// Steps for all pictures together.
    pub steps: usize,
    /// See [`crate::limits`].
    pub cost: u64,
}

/// Looks at a wish.
pub(crate) fn admit(
    wish: &Wish,
    catalogue: &Catalogue,
    settings: &Settings,
) -> Result<Admitted, Refusal> {
    let limits = &settings.limits;
    limits.check(&wish.request)?;
    let model = catalogue.find(wish.model.as_deref(), wish.upscale)?;
    let known = &catalogue.all()[model];
    if wish.upscale && known.scale.is_none() {
        let name = &known.entry.name;
        return Err(Refusal::invalid(format!(
            "the model `{name}` does not enlarge pictures: leave out `model`, or `upscale`"
        )));
    }
    let inputs = decode(wish, limits)?;
    let Some(outline) = &known.outline else { return enlarging(model, known, inputs, limits) };
    let loras = loras(&wish.request, known, &settings.lora_folders)?;
    let plan = wish.request.plan(outline, &inputs);
    let plan = plan.map_err(|error| Refusal::invalid(error.to_string()))?;
    limits.check_pixels(plan.size.0, plan.size.1)?;
    let cost = cost(&wish.request, &plan, outline.guided());
    limits.check_cost(cost)?;
    let (width, height) = plan.size;
    let batches = batches(outline, width, height, &wish.request.seeds()).len();
    let steps = plan.steps * batches;
    Ok(Admitted { model, inputs, plan: Some(plan), loras, steps, cost })
}

fn enlarging(
    model: usize,
    known: &Known,
    inputs: Inputs,
    limits: &Limits,
) -> Result<Admitted, Refusal> {
    let Some(init) = &inputs.init else {
        let name = &known.entry.name;
        return Err(Refusal::invalid(format!(
            "the model `{name}` enlarges pictures: send one as `init`, or ask for another model"
        )));
    };
    limits.check_pixels(init.width, init.height)?;
    let scale = known.scale.unwrap_or(1);
    let cost = enlarging_cost(init.width, init.height, scale);
    limits.check_cost(cost)?;
    Ok(Admitted { model, inputs, plan: None, loras: Vec::new(), steps: 0, cost })
}

/// The pictures that go with a wish. Their size is looked at before they are decoded, one after the
/// other, so that many at once take no more memory than one.
fn decode(wish: &Wish, limits: &Limits) -> Result<Inputs, Refusal> {
    static ONE: Mutex<()> = Mutex::new(());
    let Wish { init, mask, .. } = wish;
    if init.is_none() && mask.is_none() {
        return Ok(Inputs::NONE);
    }
    let _one = lock(&ONE);
    let mask = mask.as_deref().map(|bytes| picture("mask", bytes, limits)).transpose()?;
    let mask = mask.map(|(picture, alpha)| match alpha {
        Some(alpha) => Mask::from_alpha(picture.width, picture.height, &alpha),
        None => Mask::from_picture(&picture),
    });
    let Some(bytes) = init else { return Ok(Inputs { init: None, mask }) };
    let (mut picture, alpha) = picture("init", bytes, limits)?;
    let mask = match (mask, alpha) {
        (None, Some(alpha)) if !wish.upscale => {
            Some(Mask::from_alpha(picture.width, picture.height, &alpha))
        }
        (mask, Some(_)) => {
            // Colours below transparency are nobody's wish.
            picture = Picture::decode_opaque(bytes).map_err(Refusal::invalid)?;
            mask
        }
        (mask, None) => mask,
    };
    Ok(Inputs { init: Some(picture), mask })
}

pub(crate) fn picture(
    name: &str,
    bytes: &[u8],
    limits: &Limits,
) -> Result<(Picture, Option<Vec<u8>>), Refusal> {
    let not = |reason: String| {
        Refusal::invalid(format!("`{name}` cannot be used as a picture: {reason}")).about(name)
    };
    let Description { width, height, .. } = Description::read(bytes).map_err(not)?;
    limits.check_input(width, height)?;
    Picture::decode(bytes).map_err(not)
}

/// The files of the LoRAs that a prompt names: only those of the folders that the operator gave.
fn loras(
    request: &GenerateRequest,
    known: &Known,
    folders: &[PathBuf],
) -> Result<Vec<LoraSpec>, Refusal> {
    let (_, asked) = take_loras(&request.prompt);
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    if folders.is_empty() {
        return Err(Refusal::invalid(
            "the prompt asks for a LoRA, but this server has none: it is started with \
             --lora-folder where it should",
        ));
    }
    if known.kind() != "text" && known.kind() != "inpainting" {
        return Err(Refusal::invalid("this model takes no LoRAs: leave them out of the prompt"));
    }
    let named = asked.into_iter().map(|lora| {
        let file = find(&lora.name, folders).map_err(|error| {
            let nearest = error.nearest.map(|name| format!(" (the nearest is `{name}`)"));
            let (name, nearest) = (error.name, nearest.unwrap_or_default());
            Refusal::invalid(format!("this server has no LoRA `{name}`{nearest}"))
        })?;
        Ok(LoraSpec { file, unet: lora.weight, text_encoder: lora.text_encoder_weight })
    });
    named.collect()
}

/// Says that too much waits already.
pub(crate) fn busy(waiting: usize, seconds: u64) -> Refusal {
    let message =
        format!("{waiting} requests wait already, which is all there is room for: try later");
    Refusal::new(Kind::Busy, message).retry_after(seconds)
}
