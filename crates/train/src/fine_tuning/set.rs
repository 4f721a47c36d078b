//! Pictures to learn from: their latents, captions and order.

use aquatint_pipeline::Autoencoder;
use aquatint_tensor::{Rng, Tensor};

use crate::data::Dataset;
use crate::error::TrainError;
use crate::latents::Latents;
use crate::monitor::Monitor;
use crate::order::Order;
use crate::part::Part;
use crate::ranks::Ranks;

/// Some pictures, as the loss sees them.
pub struct Set {
    /// The pictures.
    pub data: Dataset,
    /// What the autoencoder makes of them on white.
    pub latents: Latents,
    order: Order,
}

impl Set {
    /// Encodes the pictures, or finds that done in the file at `path`.
    pub fn new(
        data: Dataset,
        path: &std::path::Path,
        vae: &Autoencoder<'_>,
        seed: u64,
        monitor: &mut dyn Monitor,
        ranks: &dyn Ranks,
    ) -> Result<Self, TrainError> {
        let latents = Latents::open(path, &data, 1, vae, monitor, ranks)?;
        let order = Order::of(&data, seed);
        Ok(Self { data, latents, order })
    }

    /// The part's latents `[N, h, w, C]` and captions of a step with `batch_size` pictures; a part
    /// `empty` of the captions is left empty.
    pub fn batch(
        &mut self,
        step: u64,
        batch_size: usize,
        empty: f64,
        part: Part,
        rng: &mut Rng,
    ) -> (Tensor, Vec<String>) {
        let chosen = self.order.batch(step, batch_size);
        let caption = |&i: &usize| match rng.uniform() < empty {
            true => String::new(),
            false => self.data.train[i].text.clone(),
        };
        let captions: Vec<String> = chosen.iter().map(caption).collect();
        let rows: Vec<(usize, usize)> = chosen.into_iter().map(|i| (i, 0)).collect();
        (self.latents.batch(&part.share(rows)), part.share(captions))
    }
}
