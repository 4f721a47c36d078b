//! What the network hears at each step besides the time.

use std::rc::Rc;

use aquatint_diffusion::{Condition, Schedule};
use aquatint_models::Context;
use aquatint_models::unet::UNetConditions;
use aquatint_tensor::Tensor;

use super::Pass;
use crate::model::Told;
use crate::prompt::{self, Contexts};

/// What the network hears in the course of one run.
pub(super) struct Heard<'a> {
    told: &'a Told,
    /// How many pictures are under each condition.
    rows: usize,
    /// Width and height of the pictures, in pixels.
    size: (usize, usize),
    /// How much noise was added to what the network sees beside the latents.
    noise_level: Option<usize>,
    /// The timestep of each step.
    timesteps: Vec<f32>,
    contexts: Option<Contexts<'a>>,
}

/// What the network hears at one step.
pub(super) struct Hearing {
    /// Names for what it hears under each condition.
    pub named: Vec<prompt::Told>,
    /// The words, if it hears words.
    pub context: Option<Rc<Context>>,
    /// All else.
    pub conditions: UNetConditions,
}

impl<'a> Heard<'a> {
    /// For `rows` pictures in a run along `sigmas`.
    pub(super) fn new(pass: &Pass<'a>, rows: usize, sigmas: &[f64], schedule: &Schedule) -> Self {
        let &Pass { told, size, noise_level, .. } = pass;
        let stops = &sigmas[..sigmas.len() - 1];
        let timesteps: Vec<f32> = stops.iter().map(|&sigma| schedule.t(sigma) as f32).collect();
        let contexts = match told {
            Told::Words(embeds) => Some(Contexts::new(embeds, rows, &timesteps, pass.words)),
            Told::Class { .. } | Told::Nothing => None,
        };
        Self { told, rows, size, noise_level, timesteps, contexts }
    }

    /// The timestep of each step.
    pub(super) fn timesteps(&self) -> &[f32] {
        &self.timesteps
    }

    /// How much each of the prompts that are joined counts.
    pub(super) fn weights(&self) -> &'a [f64] {
        match self.told {
            Told::Words(embeds) => &embeds.weights,
            Told::Class { .. } | Told::Nothing => &[],
        }
    }

    /// What it hears under the conditions `asked` at a timestep.
    pub(super) fn at(&self, asked: &[Condition], timestep: f32) -> Hearing {
        let alone = |conditions| {
            let named = asked.iter().map(|&condition| (condition, 0)).collect();
            Hearing { named, context: None, conditions }
        };
        match (self.told, &self.contexts) {
            (Told::Class { class, none }, _) => alone(self.labels(asked, *class, *none)),
            (_, None) => alone(UNetConditions::default()),
            (_, Some(contexts)) => {
                let (named, texts, context) = contexts.at(asked, timestep);
                let (width, height) = self.size;
                let mut conditions = prompt::conditions(&texts, self.rows, [height, width]);
                if let Some(level) = self.noise_level {
                    let n = asked.len() * self.rows;
                    conditions.class_labels = Some(Tensor::full(&[n], level as f32));
                }
                Hearing { named, context: Some(context), conditions }
            }
        }
    }

    /// Numbers of classes; whoever has none that stands for no class is not guided.
    fn labels(&self, asked: &[Condition], class: usize, none: Option<usize>) -> UNetConditions {
        let label = |condition: &Condition| match condition {
            Condition::NegativePrompt => none.unwrap_or(class),
            Condition::Prompt | Condition::Part(_) => class,
        };
        let labels: Vec<f32> =
            asked.iter().flat_map(|c| vec![label(c) as f32; self.rows]).collect();
        let n = labels.len();
        UNetConditions { class_labels: Some(Tensor::new(labels, &[n])), ..Default::default() }
    }
}
