//! What the U-Net is told at each step: most often the same at all of them.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use aquatint_diffusion::{Condition, step_of};
use aquatint_models::{Context, WordMaps};
use aquatint_tensor::Tensor;

use super::embeds::{Encoded, PromptEmbeds};

/// A condition, and which of the texts that it has in the course of a run.
pub(crate) type Told = (Condition, usize);

/// The contexts of one run, each made once.
pub(crate) struct Contexts<'a> {
    embeds: &'a PromptEmbeds,
    /// How many pictures are under each condition.
    rows: usize,
    /// The timestep of each step.
    timesteps: Vec<f32>,
    /// Who hears where the first picture looks under its prompt.
    maps: Option<&'a Arc<WordMaps>>,
    made: RefCell<Vec<(Vec<Told>, Rc<Context>)>>,
}

impl<'a> Contexts<'a> {
    /// For `rows` pictures in a run whose steps are at `timesteps`.
    pub(crate) fn new(
        embeds: &'a PromptEmbeds,
        rows: usize,
        timesteps: &[f32],
        maps: Option<&'a Arc<WordMaps>>,
    ) -> Self {
        Self { embeds, rows, timesteps: timesteps.to_vec(), maps, made: RefCell::default() }
    }

    /// What the U-Net is told under the conditions `asked` at a timestep: names for it, the texts,
    /// and their words for all pictures.
    pub(crate) fn at(
        &self,
        asked: &[Condition],
        timestep: f32,
    ) -> (Vec<Told>, Vec<&'a Encoded>, Rc<Context>) {
        let step = step_of(timestep, &self.timesteps);
        let told: Vec<Told> = asked.iter().map(|&c| (c, self.embeds.version(c, step))).collect();
        let texts: Vec<&Encoded> = asked.iter().map(|&c| self.embeds.at(c, step)).collect();
        let known = self.made.borrow().iter().find(|(t, _)| *t == told).map(|(_, c)| c.clone());
        let context = known.unwrap_or_else(|| {
            let context = self.context(&texts);
            let prompt = asked.iter().position(|condition| *condition == Condition::Prompt);
            let made = Rc::new(match self.maps.zip(prompt) {
                Some((maps, at)) => context.heard_by(at * self.rows, maps.clone()),
                None => context,
            });
            self.made.borrow_mut().push((told.clone(), made.clone()));
            made
        });
        (told, texts, context)
    }

    fn context(&self, texts: &[&Encoded]) -> Context {
        let words = texts.iter().flat_map(|text| Encoded::for_each(&text.context, self.rows));
        let [_, tokens, channels] = *texts[0].context.shape() else { unreachable!("[N, T, D]") };
        let shape = [texts.len() * self.rows, tokens, channels];
        Context::new(Tensor::new(words.collect(), &shape))
    }
}
