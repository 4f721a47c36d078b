//! Pictures to measure.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use aquatint_pipeline::request::MAX_COUNT;
use aquatint_pipeline::{
    GenerateRequest, LoadOptions, Model, Picture, Watch, contact_sheet, encode_picture,
    text_to_image,
};
use aquatint_tensor::Precision;

use super::{go_on, write};
use crate::failure::Failure;
use crate::train::Shown;

/// Ends a picture when somebody wants no more.
pub struct Until<'a>(pub &'a AtomicBool);

impl Watch for Until<'_> {
    fn cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// How models compute: as they were trained.
pub fn load_options() -> LoadOptions {
    LoadOptions { precision: Precision::Bf16, ..Default::default() }
}

/// `count` pictures of a model that is told nothing, and the seconds that they took, without those
/// for loading.
///
/// # Errors
/// If the model cannot do that, or somebody wants no more.
pub fn pictures(
    model: &dyn Model,
    count: usize,
    seed: u64,
    steps: u64,
    shown: &mut Shown,
) -> Result<(Vec<Picture>, f64), Failure> {
    let stop = shown.stop.clone();
    let what = format!("drawing in {steps} steps");
    let began = Instant::now();
    let mut pictures = Vec::with_capacity(count);
    // Few enough that progress is seen.
    let at_once = MAX_COUNT.min(64);
    while pictures.len() < count {
        go_on(shown)?;
        let request = GenerateRequest {
            steps: steps as usize,
            guidance_scale: 1.0,
            seed: seed + pictures.len() as u64,
            count: at_once.min(count - pictures.len()),
            ..Default::default()
        };
        pictures.extend(text_to_image(model, &request, &mut Until(&stop))?);
        shown.show(&what, pictures.len() as u64, count as u64, "");
    }
    Ok((pictures, began.elapsed().as_secs_f64()))
}

/// Writes the first pictures as one.
///
/// # Errors
/// If the file cannot be written.
pub fn sheet(
    path: &Path,
    pictures: &[Picture],
    columns: usize,
    rows: usize,
) -> Result<(), Failure> {
    let shown = &pictures[..pictures.len().min(columns * rows)];
    let sheet = contact_sheet(shown, columns.min(shown.len()));
    let png = encode_picture(&sheet, &Default::default(), Default::default());
    let png = png.map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
    write(path, &png)
}
