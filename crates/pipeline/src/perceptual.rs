//! The networks that tell how different pictures look, from the files that people have.

use std::path::Path;

use aquatint_checkpoint::Weights;
use aquatint_models::Perceptual;
use aquatint_models::perceptual::{EfficientNetLite0, Folded, Vgg16};
use aquatint_nn::ModuleExt;
use aquatint_tensor::Tensor;

use crate::ModelError;

/// What a file is known by: torchvision's VGG16, the `lpips` package's, EfficientNet-Lite0.
const SIGNS: [&str; 3] = ["features.0.weight", "net.slice1.0.weight", "_conv_stem.weight"];
/// In which of lpips's slices a layer of VGG16 is: each begins with this number.
const SLICES: [usize; 5] = [0, 4, 9, 16, 23];

/// Reads a network of perceptual distances, of whichever kind `file` holds: VGG16 as torchvision
/// names it, or as the `lpips` package does (also within the loss of a training checkpoint), or
/// EfficientNet-Lite0. The learned weights of LPIPS (`lin0.model.1.weight`, …) may be in the same
/// file or in `heads`; without any, VGG16's channels all weigh the same.
///
/// # Errors
/// If a file cannot be read, or is of no such network.
pub fn load_perceptual(file: &Path, heads: Option<&Path>) -> Result<Perceptual, ModelError> {
    let weights = Weights::open(file)?;
    let (kind, prefix) = kind(&weights)?;
    if kind == 2 {
        if let Some(heads) = heads {
            let reason = "belongs to VGG16, and the network is EfficientNet-Lite0: leave it out";
            return wrong(&heads.display().to_string(), reason);
        }
        return Ok(Perceptual::EfficientNetLite0(Box::new(efficientnet(&weights, &prefix)?)));
    }
    let first = format!("{prefix}{}", SIGNS[kind]);
    let width = weights.shape(&first).and_then(|shape| shape.first()).copied().unwrap_or(0);
    if !(1..=4096).contains(&width) {
        return wrong(weights.file(), "is of no network that we know: its first layer is too wide");
    }
    let mut network = Vgg16::new(width);
    fill(&mut network, &weights, |name| match (kind, number(name)) {
        (1, Some(number)) => {
            let slice = SLICES.iter().filter(|&&first| first <= number).count();
            format!("{prefix}net.slice{slice}{}", &name["features".len()..])
        }
        _ => format!("{prefix}{name}"),
    })?;
    let heads = match heads {
        Some(path) => Some(read_heads(&Weights::open(path)?, "", width)?),
        None if weights.shape(&format!("{prefix}lin0.model.1.weight")).is_some() => {
            Some(read_heads(&weights, &prefix, width)?)
        }
        None => None,
    };
    Ok(Perceptual::Vgg16 { network: Box::new(network), heads })
}

/// Reads EfficientNet-Lite0, whose features sets of pictures are compared by.
///
/// # Errors
/// If the file cannot be read, or is of another network.
pub fn load_efficientnet_lite0(file: &Path) -> Result<Folded, ModelError> {
    let weights = Weights::open(file)?;
    match kind(&weights)? {
        (2, prefix) => efficientnet(&weights, &prefix),
        _ => wrong(weights.file(), "is of VGG16, not of EfficientNet-Lite0"),
    }
}

fn wrong<T>(file: &str, reason: &str) -> Result<T, ModelError> {
    Err(ModelError::NoModel { file: file.into(), reason: reason.into() })
}

/// Which of [`SIGNS`] a file has, and what stands before it.
fn kind(weights: &Weights) -> Result<(usize, String), ModelError> {
    for (kind, sign) in SIGNS.iter().enumerate().rev() {
        let prefix = weights.names().find_map(|name| name.strip_suffix(sign));
        if let Some(prefix) = prefix.filter(|prefix| prefix.is_empty() || prefix.ends_with('.')) {
            return Ok((kind, prefix.to_owned()));
        }
    }
    let reason = "is neither VGG16 (torchvision's, or the lpips package's) nor EfficientNet-Lite0";
    wrong(weights.file(), reason)
}

/// The number in `features.12.weight`.
fn number(name: &str) -> Option<usize> {
    name.split('.').nth(1)?.parse().ok()
}

fn efficientnet(weights: &Weights, prefix: &str) -> Result<Folded, ModelError> {
    let mut network = EfficientNetLite0::new();
    fill(&mut network, weights, |name| format!("{prefix}{name}"))?;
    Ok(network.folded())
}

/// Fills a network from a file that may hold more.
fn fill(
    network: &mut impl aquatint_nn::Module,
    weights: &Weights,
    name_in_file: impl Fn(&str) -> String,
) -> Result<(), ModelError> {
    for (name, param) in network.named_parameters_mut() {
        let value = read(weights, &name_in_file(&name), param.shape())?;
        param.set(value);
    }
    Ok(())
}

fn read(weights: &Weights, name: &str, shape: &[usize]) -> Result<Tensor, ModelError> {
    match weights.shape(name) {
        Some(there) if there == shape => Ok(weights.get(name)?),
        Some(there) => {
            wrong(weights.file(), &format!("has a `{name}` of shape {there:?}, not {shape:?}"))
        }
        None => wrong(weights.file(), &format!("has no `{name}`")),
    }
}

fn read_heads(weights: &Weights, prefix: &str, width: usize) -> Result<[Tensor; 5], ModelError> {
    let mut heads = Vec::new();
    for (i, channels) in Vgg16::channels(width).into_iter().enumerate() {
        let name = format!("{prefix}lin{i}.model.1.weight");
        heads.push(read(weights, &name, &[1, channels, 1, 1])?);
    }
    Ok(heads.try_into().expect("one for each of the five maps"))
}
