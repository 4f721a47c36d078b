//! In which order the pictures come: a new shuffle for every round through the data.

use aquatint_tensor::Rng;

/// The order follows from the seed alone, so step n can be continued at without the steps before.
pub struct Order {
    count: usize,
    seed: u64,
    round: Option<u64>,
    shuffled: Vec<usize>,
}

/// Keeps these streams apart from those of the steps.
const STREAM: u64 = 1 << 63;

impl Order {
    /// The order of `count` things.
    ///
    /// # Panics
    /// If there are none.
    pub fn new(count: usize, seed: u64) -> Self {
        assert!(count > 0, "nothing to put in order");
        Self { count, seed, round: None, shuffled: Vec::new() }
    }

    /// The indices of the mini-batch of step number `step`.
    pub fn batch(&mut self, step: u64, batch_size: usize) -> Vec<usize> {
        let first = step * batch_size as u64;
        (first..first + batch_size as u64).map(|draw| self.at(draw)).collect()
    }

    fn at(&mut self, draw: u64) -> usize {
        let round = draw / self.count as u64;
        if self.round != Some(round) {
            self.shuffled = (0..self.count).collect();
            Rng::for_step(self.seed, STREAM | round).shuffle(&mut self.shuffled);
            self.round = Some(round);
        }
        self.shuffled[(draw % self.count as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_has_every_index_once_in_another_order() {
        let mut order = Order::new(10, 3);
        let rounds: Vec<Vec<usize>> = (0..2).map(|step| order.batch(step, 10)).collect();
        for round in &rounds {
            let mut sorted = round.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..10).collect::<Vec<_>>());
        }
        assert_ne!(rounds[0], rounds[1]);
    }

    #[test]
    fn a_step_does_not_depend_on_the_steps_before() {
        let mut whole = Order::new(7, 3);
        let batches: Vec<Vec<usize>> = (0..5).map(|step| whole.batch(step, 4)).collect();
        assert_eq!(Order::new(7, 3).batch(4, 4), batches[4]);
        assert_ne!(Order::new(7, 4).batch(4, 4), batches[4]);
    }
}
