//! How good pictures are, by a network that looks at them and at held-out ones.

use std::path::Path;

use aquatint_eval::distances::{KernelOptions, frechet_distance, kernel_distance, manifolds};
use aquatint_eval::{Features, Moments, Resizing, Statistics, Watch, open_features};
use aquatint_pipeline::Picture;
use serde_json::{Value, json};

use crate::failure::Failure;

/// Pictures that are looked at together.
const BATCH: usize = 16;
/// To which neighbour the balls of precision and recall reach.
const NEIGHBOURS: usize = 5;
/// How the kernel distance is estimated.
const KERNEL: KernelOptions = KernelOptions { subsets: 20, size: 1000, seed: 2020 };

/// The network in a file of weights.
///
/// # Errors
/// If there is none that measures pictures.
pub fn network(file: &Path) -> Result<Box<dyn Features>, Failure> {
    Ok(open_features(file, Resizing::default())?)
}

/// A network and what it says of the reference.
pub struct Looker {
    network: Box<dyn Features>,
    /// `[N, dims]`
    reference: Vec<f32>,
    statistics: Statistics,
}

impl Looker {
    /// Looks at the reference.
    ///
    /// # Errors
    /// If somebody wants no more.
    pub fn new(
        network: Box<dyn Features>,
        reference: &[Picture],
        watch: &mut dyn Watch,
    ) -> Result<Self, Failure> {
        let (reference, statistics) = looked(&*network, reference, "looking at held-out", watch)?;
        Ok(Self { network, reference, statistics })
    }

    /// The network.
    pub fn network(&self) -> &dyn Features {
        &*self.network
    }

    /// What it is called, and what the distances of its features are.
    pub fn names(&self) -> Value {
        let [fd, kd] = self.network.distance_names();
        json!({ "network": self.network.name(), "fd": fd, "kd": kd })
    }

    /// The Fréchet distance and the kernel distance to the reference, precision, recall, density
    /// and coverage.
    ///
    /// # Errors
    /// If somebody wants no more.
    pub fn quality(&self, pictures: &[Picture], watch: &mut dyn Watch) -> Result<Value, Failure> {
        let n = self.network.dims();
        let (features, statistics) = looked(&*self.network, pictures, "looking", watch)?;
        let kd = kernel_distance(&features, &self.reference, n, KERNEL);
        let neighbours = NEIGHBOURS.min(pictures.len() - 1).min(self.reference.len() / n - 1);
        let found = manifolds(&features, &self.reference, n, neighbours);
        Ok(json!({
            "pictures": pictures.len(),
            "fd": frechet_distance(&statistics, &self.statistics),
            "kd": kd.mean,
            "precision": found.precision,
            "recall": found.recall,
            "density": found.density,
            "coverage": found.coverage,
        }))
    }
}

fn looked(
    network: &dyn Features,
    pictures: &[Picture],
    what: &str,
    watch: &mut dyn Watch,
) -> Result<(Vec<f32>, Statistics), Failure> {
    let mut moments = Moments::new(network.dims());
    let mut features = Vec::with_capacity(pictures.len() * network.dims());
    for (i, some) in pictures.chunks(BATCH).enumerate() {
        if watch.stop_requested() {
            return Err(Failure::interrupted());
        }
        let found = network.look(some).features;
        moments.add(&found);
        features.extend(found);
        watch.progress(what, i * BATCH + some.len(), Some(pictures.len()));
    }
    Ok((features, moments.finish()))
}
