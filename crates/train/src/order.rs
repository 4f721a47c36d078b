//! In which order the pictures come: a new shuffle for every round through the data.
//!
//! Pictures of different sizes cannot be in one mini-batch. Then the pictures of each size have an
//! order of their own, which goes on through rounds without an end, so that none is left out and
//! none is repeated to fill a mini-batch; and each mini-batch is of the size that is furthest behind
//! its share of all pictures.

use aquatint_tensor::Rng;

use crate::data::Dataset;

/// The order follows from the seed alone, so step n can be continued at without the steps before.
pub struct Order {
    decks: Vec<Deck>,
    /// Things in all decks.
    count: usize,
    /// What was dealt of each deck before this step: mini-batches.
    dealt: Vec<u64>,
    step: u64,
}

/// Keeps these streams apart from those of the steps.
const STREAM: u64 = 1 << 63;
/// A deck's number is above the number of the round.
const DECK: u32 = 44;

/// Things of one size.
struct Deck {
    /// Their indices.
    members: Vec<usize>,
    seed: u64,
    stream: u64,
    round: Option<u64>,
    shuffled: Vec<usize>,
}

impl Order {
    /// The order of `count` things.
    ///
    /// # Panics
    /// If there are none.
    pub fn new(count: usize, seed: u64) -> Self {
        Self::of_decks(vec![(0..count).collect()], seed)
    }

    /// The order of training pictures: a mini-batch is of one size.
    ///
    /// # Panics
    /// If there are none.
    pub fn of(data: &Dataset, seed: u64) -> Self {
        let mut decks = vec![Vec::new(); data.shapes.len()];
        for (i, drawing) in data.train.iter().enumerate() {
            decks[drawing.bucket].push(i);
        }
        Self::of_decks(decks, seed)
    }

    fn of_decks(decks: Vec<Vec<usize>>, seed: u64) -> Self {
        let count = decks.iter().map(Vec::len).sum();
        assert!(count > 0, "nothing to put in order");
        let deck = |(number, members): (usize, Vec<usize>)| {
            let stream = STREAM | (number as u64) << DECK;
            Deck { members, seed, stream, round: None, shuffled: Vec::new() }
        };
        let decks: Vec<Deck> = decks.into_iter().enumerate().map(deck).collect();
        Self { dealt: vec![0; decks.len()], decks, count, step: 0 }
    }

    /// The indices of the mini-batch of step number `step`.
    pub fn batch(&mut self, step: u64, batch_size: usize) -> Vec<usize> {
        if self.decks.len() == 1 {
            return self.decks[0].batch(step, batch_size);
        }
        if step < self.step {
            self.dealt.fill(0);
            self.step = 0;
        }
        while self.step < step {
            let next = self.behind();
            self.dealt[next] += 1;
            self.step += 1;
        }
        let next = self.behind();
        self.decks[next].batch(self.dealt[next], batch_size)
    }

    /// The deck that is furthest behind its share of the mini-batches, this one included.
    fn behind(&self) -> usize {
        let behind = |i: usize| {
            let due = self.decks[i].members.len() as i128 * (i128::from(self.step) + 1);
            due - i128::from(self.dealt[i]) * self.count as i128
        };
        let most = (0..self.decks.len()).map(|i| (behind(i), std::cmp::Reverse(i))).max();
        most.map_or(0, |(_, std::cmp::Reverse(i))| i)
    }
}

impl Deck {
    fn batch(&mut self, number: u64, batch_size: usize) -> Vec<usize> {
        let first = number * batch_size as u64;
        (first..first + batch_size as u64).map(|draw| self.at(draw)).collect()
    }

    fn at(&mut self, draw: u64) -> usize {
        let count = self.members.len() as u64;
        let round = draw / count;
        if self.round != Some(round) {
            self.shuffled.clone_from(&self.members);
            Rng::for_step(self.seed, self.stream | round).shuffle(&mut self.shuffled);
            self.round = Some(round);
        }
        self.shuffled[(draw % count) as usize]
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

    /// Sizes of buckets, mini-batches and seeds of all kinds.
    fn cases() -> impl Iterator<Item = (Vec<usize>, usize, u64)> {
        let mut rng = Rng::new(11);
        (0..60).map(move |seed| {
            let mut sizes: Vec<usize> = (0..1 + rng.below(5)).map(|_| rng.below(40)).collect();
            sizes[0] += 1;
            (sizes, 1 + rng.below(9), seed)
        })
    }

    fn of(sizes: &[usize], seed: u64) -> Order {
        let mut first = 0;
        let deck = |&size: &usize| {
            first += size;
            (first - size..first).collect()
        };
        Order::of_decks(sizes.iter().map(deck).collect(), seed)
    }

    /// A mini-batch is of one size, and the pictures of each size come in rounds in which each is
    /// there once.
    #[test]
    fn rounds_of_each_size_have_every_picture_once() {
        for (sizes, batch_size, seed) in cases() {
            let mut order = of(&sizes, seed);
            let total: usize = sizes.iter().sum();
            let deck = |i: usize| (0..sizes.len()).find(|&d| i < sizes[..=d].iter().sum()).unwrap();
            let mut seen = vec![Vec::new(); sizes.len()];
            let steps = 200u64;
            for step in 0..steps {
                let batch = order.batch(step, batch_size);
                let of = deck(batch[0]);
                assert!(batch.len() == batch_size && batch.iter().all(|&i| deck(i) == of));
                seen[of].extend(batch);
            }
            for (size, seen) in sizes.iter().zip(&seen) {
                for round in seen.chunks_exact((*size).max(1)) {
                    let mut sorted = round.to_vec();
                    sorted.sort_unstable();
                    sorted.dedup();
                    assert_eq!(sorted.len(), *size, "{sizes:?}, {batch_size}");
                }
                // Each has its share of the mini-batches, but for less than one for each other.
                let share = steps as f64 * *size as f64 / total as f64;
                let got = (seen.len() / batch_size) as f64;
                assert!((got - share).abs() < sizes.len() as f64, "{got} of {share}: {sizes:?}");
            }
        }
    }

    #[test]
    fn a_run_that_is_continued_sees_what_the_whole_one_saw() {
        for (sizes, batch_size, seed) in cases() {
            let mut whole = of(&sizes, seed);
            let batches: Vec<Vec<usize>> = (0..40).map(|s| whole.batch(s, batch_size)).collect();
            let mut again = of(&sizes, seed);
            for step in [17, 18, 3, 39] {
                assert_eq!(again.batch(step, batch_size), batches[step as usize], "{sizes:?}");
            }
        }
    }
}
