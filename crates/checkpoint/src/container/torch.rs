//! What `torch.save` writes since version 1.6: a zip archive of `NAME/data.pkl`, a pickle that
//! describes the tensors, and of `NAME/data/0`, `NAME/data/1`, …, which hold their numbers.

use super::zip::Archive;
use super::{Container, Problem, views};
use crate::Manifest;
use crate::encoding::Encoding;
use crate::pickle::{budget, run};
use crate::source::Source;

/// Longer pickles are refused. That of SDXL has half a megabyte.
pub(super) const LONGEST_PICKLE: usize = 32 << 20;

/// The manifest of such an archive.
pub(super) fn read(source: &Source) -> Result<Manifest, Problem> {
    let archive = Archive::open(source)?;
    let pickles = archive.names().filter_map(|name| name.strip_suffix("data.pkl"));
    let is_top = |folder: &&str| folder.matches('/').count() <= 1;
    let Some(folder) = pickles.filter(is_top).min_by_key(|folder| folder.len()).map(str::to_owned)
    else {
        return Err(Problem::NotAModel(
            "is a zip archive without the `data.pkl` of a PyTorch file".into(),
        ));
    };
    let find = |name: &str| archive.find(source, &format!("{folder}{name}"));
    if find("constants.pkl")?.is_some() {
        return Err(Problem::Unusable(
            "it is a TorchScript program; save the model's `state_dict()` instead".into(),
        ));
    }
    if let Some(range) = find("byteorder")?
        && range.len() < 16
        && *source.read(range)? == *b"big"
    {
        return Err(Problem::Unusable(
            "it was written on a big-endian machine; save it again on another".into(),
        ));
    }
    let range = find("data.pkl")?.unwrap_or_default();
    if range.len() > LONGEST_PICKLE {
        return Problem::damaged(format!(
            "its pickle of {} bytes describes no weights",
            range.len()
        ));
    }
    let bytes = source.read(range)?;
    let mut pickle = run(&bytes, 0, budget(source.len()))?;
    views::manifest(&mut pickle, Container::TorchZip, source.len(), |heap, storage| {
        let key = heap.text(storage.key).unwrap_or_default();
        let size = storage.count.saturating_mul(Encoding::size(storage.dtype));
        match archive.find(source, &format!("{folder}data/{key}"))? {
            Some(range) if range.len() >= size => Ok(range),
            Some(range) => Problem::damaged(format!(
                "its storage `{key}` should have {size} bytes and has {}",
                range.len()
            )),
            None => Problem::damaged(format!("its storage `{key}` is not in it")),
        }
    })
}
