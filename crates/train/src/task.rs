//! What the loop needs to know of a thing that can be trained.

use std::path::Path;

use aquatint_nn::{Module, ModuleExt};
use aquatint_pipeline::Picture;
use aquatint_tensor::{Rng, Tensor};

use crate::error::TrainError;
use crate::part::Part;

/// Named figures, in the order in which they are shown.
pub type Figures = Vec<(&'static str, f64)>;

/// The loss of one mini-batch.
pub struct StepLoss {
    /// One number, tracked back to the weights of the model.
    pub loss: Tensor,
    /// Its parts, for the metrics.
    pub parts: Figures,
}

/// A network that is trained against the one that the task is about.
pub struct Adversary<'a> {
    /// The network.
    pub model: &'a dyn Module,
    /// The first step, counted from 0, at which it learns.
    pub start: u64,
    /// Its highest learning rate, if it is another than the model's.
    pub learning_rate: Option<f64>,
}

/// A network with its data and its loss.
pub trait Task {
    /// "autoencoder", "clip" or "diffusion".
    fn name(&self) -> &'static str;

    /// What is trained.
    fn model(&self) -> &dyn Module;

    /// What is trained, to be changed.
    fn model_mut(&mut self) -> &mut dyn Module;

    /// Draws the first weights.
    fn init(&mut self, seed: u64) {
        self.model_mut().init(seed);
    }

    /// The folder of the weights that are there instead of drawn ones, if there is one.
    fn started_from(&self) -> Option<&Path> {
        None
    }

    /// The model folder with the parts that are used as they are, if it is another than the one
    /// that is exported to.
    fn parts_from(&self) -> Option<&Path> {
        None
    }

    /// What steps depend on besides the configuration: what it is, and a text that is another one
    /// when that has changed.
    fn built_on(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Reads what [`Task::loss`] of this part of step number `step` needs from files.
    fn fetch(&mut self, step: u64, part: Part) -> Result<(), TrainError> {
        let _ = (step, part);
        Ok(())
    }

    /// The loss of step number `step` (the first is 0) on a part of its mini-batch. All random
    /// numbers come from `rng`, and are the same for each part; nothing of earlier steps may
    /// matter but the weights. The mean over equal parts is the loss of the whole.
    fn loss(&mut self, step: u64, part: Part, rng: &mut Rng) -> StepLoss;

    /// Why the loss of a mini-batch is not the mean of those of `parts` parts, if it is not.
    fn cannot_be_cut(&self, parts: usize) -> Option<String> {
        let _ = parts;
        None
    }

    /// The network that is trained against [`Task::model`], if there is one. It is always the same.
    fn adversary(&self) -> Option<Adversary<'_>> {
        None
    }

    /// [`Task::model`] and the adversary, to be changed.
    fn networks_mut(&mut self) -> (&mut dyn Module, Option<&mut dyn Module>) {
        (self.model_mut(), None)
    }

    /// The loss of the adversary in the step that [`Task::loss`] was asked for last, tracked back
    /// to its weights only.
    fn adversary_loss(&mut self) -> Option<Tensor> {
        None
    }

    /// Puts weights back into their allowed range after a step.
    fn constrain(&mut self) {}

    /// Figures on pictures that were not trained on. The model holds the averaged weights.
    fn validate(&mut self) -> Figures {
        Vec::new()
    }

    /// A picture of what the model can do. The model holds the averaged weights.
    fn samples(&mut self) -> Option<Picture> {
        None
    }

    /// Writes the parts of the model into `folder`, in diffusers' layout. The model holds the
    /// averaged weights.
    fn export(&mut self, folder: &Path) -> Result<(), TrainError>;
}
