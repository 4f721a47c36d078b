//! What an autoencoder can do, in figures and in pictures.

use std::collections::BTreeSet;

use aquatint_pipeline::{Picture, contact_sheet};

use super::loss::psnr;
use super::network::Network;
use super::{AT_ONCE, Autoencoder, on_every_colour};
use crate::pictures::View;
use crate::task::Figures;

/// Columns of the sample grid.
const COLUMNS: usize = 8;

impl Autoencoder {
    /// What is validated on: held-out pictures, each colour behind one after the other.
    fn validation(&self) -> Vec<View<'_>> {
        let pictures = self.data.validation.iter().take(self.stage.task.validation_pictures);
        on_every_colour(pictures).collect()
    }

    /// Figures on held-out pictures, the means of those of each picture.
    pub(super) fn figures(&self) -> Figures {
        let views = self.validation();
        if views.is_empty() {
            return Vec::new();
        }
        let (mut absolute, mut decibels, mut apart) = (0.0, 0.0, 0.0);
        let mut used = BTreeSet::new();
        for views in views.chunks(AT_ONCE) {
            let image = self.whole(views);
            let (again, indices) = self.again(&image);
            used.extend(indices);
            if let Some(network) = &self.stage.perceptual {
                apart += f64::from(network.distance(&image, &again).sum().item());
            }
            let error = again.sub(&image);
            absolute += f64::from(error.abs().mean().item()) * views.len() as f64;
            // The mean of the pictures' figures, as it is usually given.
            let values = error.to_vec();
            for picture in values.chunks_exact(values.len() / views.len()) {
                let squared: f64 = picture.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
                decibels += psnr(squared / picture.len() as f64);
            }
        }
        let count = views.len() as f64;
        let mut figures = vec![("psnr", decibels / count), ("absolute", absolute / count)];
        figures.extend(self.stage.perceptual.as_ref().map(|by| (by.name(), apart / count)));
        if let Network::Vq(model) = &self.stage.network {
            // The part of the codebook that these pictures need.
            let all = model.config().num_vq_embeddings;
            figures.push(("codebook_usage", used.len() as f64 / all as f64));
        }
        figures
    }

    /// Held-out pictures in rows, what became of each below it.
    pub(super) fn grid(&self) -> Option<Picture> {
        let drawings = self.data.shown(2 * COLUMNS);
        let views: Vec<View<'_>> = on_every_colour(drawings.iter()).collect();
        let mut rows = Vec::new();
        for views in views.chunks(COLUMNS) {
            let image = self.whole(views);
            let (again, _) = self.again(&image);
            rows.extend(Picture::from_images(&image));
            rows.extend(Picture::from_images(&again));
        }
        (!rows.is_empty()).then(|| contact_sheet(&rows, COLUMNS.min(views.len())))
    }
}
