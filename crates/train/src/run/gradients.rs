//! The loss of a step and its gradient, from the parts of the mini-batch that are computed here
//! one after the other, and from those that other processes compute.

use std::collections::BTreeMap;

use aquatint_nn::{Module, ModuleExt};
use aquatint_tensor::{Grads, Rng, Tensor};

use super::Run;
use crate::error::TrainError;
use crate::part::Part;
use crate::ranks::{Buckets, Filled};
use crate::task::{Figures, StepLoss};

/// What a step found.
pub(super) struct Found {
    pub loss: f64,
    pub figures: Figures,
    pub grads: Grads,
}

impl Run<'_> {
    /// Means over all parts, the same for all processes.
    pub(super) fn gradients(&mut self) -> Result<Found, TrainError> {
        let here = self.settings.run.accumulate;
        let of = here * self.ranks.count();
        let mut found = Found { loss: 0.0, figures: Vec::new(), grads: Grads::default() };
        for i in 0..here {
            let part = Part { index: self.ranks.rank() * here + i, of };
            // All parts begin with the stream of the step, and each takes its own numbers of it.
            let mut rng = Rng::for_step(self.settings.run.seed, self.step);
            self.task.fetch(self.step, part)?;
            let StepLoss { loss, parts } = self.task.loss(self.step, part, &mut rng);
            found.add(f64::from(loss.item()), parts, of);
            let loss = if of == 1 { loss } else { loss.scale(1.0 / of as f32) };
            if i + 1 == here && self.ranks.count() > 1 {
                found.grads = self.summed(loss, std::mem::take(&mut found.grads));
            } else {
                found.grads.add(loss.backward());
            }
        }
        let mut numbers: Vec<f64> = found.figures.iter().map(|(_, figure)| *figure).collect();
        numbers.push(found.loss);
        self.ranks.sum(&mut numbers);
        found.loss = numbers.pop().expect("the loss was put there");
        found.figures.iter_mut().zip(numbers).for_each(|((_, figure), sum)| *figure = sum);
        Ok(found)
    }

    /// Adds the gradient of `loss` to `earlier` ones and those of all other processes, which are
    /// sent as they are found.
    fn summed(&mut self, loss: Tensor, mut earlier: Grads) -> Grads {
        let parameters = self.task.model().named_parameters();
        let leaves: Vec<&Tensor> = parameters.iter().map(|(_, param)| param.value()).collect();
        let indices: BTreeMap<u64, usize> =
            leaves.iter().enumerate().map(|(i, leaf)| (leaf.leaf_number(), i)).collect();
        // Which of them anyone has a gradient of: the others stay as they are.
        let mut there = vec![0.0; leaves.len()];
        let mut loss = Some(loss);
        let mut pass = |filled: &mut Filled<'_>| {
            let mut fill = |index: usize, grad: &Tensor| {
                there[index] = 1.0;
                filled(index, &grad.to_vec());
            };
            let mut whole = |number: u64, grad: &Tensor| {
                let Some(&index) = indices.get(&number) else { return };
                match earlier.take(leaves[index]) {
                    Some(before) => fill(index, &before.add(grad)),
                    None => fill(index, grad),
                }
            };
            let loss = loss.take().expect("there is one pass");
            loss.backward_telling(Some(&mut whole));
            for (index, leaf) in leaves.iter().enumerate() {
                if let Some(before) = earlier.take(leaf) {
                    fill(index, &before);
                }
            }
        };
        self.ranks.sum_during(&mut self.buckets, &mut pass);
        self.ranks.sum(&mut there);
        let mut grads = Grads::default();
        for (index, leaf) in leaves.iter().enumerate().filter(|(i, _)| there[*i] > 0.0) {
            grads.set(leaf, Tensor::new(self.buckets.vector(index).to_vec(), leaf.shape()));
        }
        // What stays in a bucket must not be taken for the next step's.
        self.buckets.contents.iter_mut().for_each(|bucket| bucket.fill(0.0));
        grads
    }
}

impl Found {
    fn add(&mut self, loss: f64, figures: Figures, of: usize) {
        self.loss += loss / of as f64;
        if self.figures.is_empty() {
            self.figures = figures.iter().map(|&(name, _)| (name, 0.0)).collect();
        }
        for ((_, sum), (_, figure)) in self.figures.iter_mut().zip(figures) {
            *sum += figure / of as f64;
        }
    }
}

/// Room for the gradients of all parameters.
pub(super) fn buckets(model: &dyn Module) -> Buckets {
    let parameters = model.named_parameters();
    let lengths: Vec<usize> =
        parameters.iter().map(|(_, param)| param.shape().iter().product()).collect();
    Buckets::new(&lengths)
}
