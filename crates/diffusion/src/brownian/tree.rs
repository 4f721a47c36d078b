//! A Brownian path that a seed stands for: torchsde's `BrownianTree`, as k-diffusion asks for it.

use aquatint_tensor::rng::Stream;
use aquatint_tensor::{RngKind, Tensor};

use super::BrownianMotion;
use super::seed_sequence::seeds;

/// Words that torchsde mixes seeds in.
const POOL: usize = 24;
/// Levels are on a grid of 10⁻⁶: torchsde's `tol`.
const DIGITS: usize = 6;

/// One path W(σ) from σ_min to σ_max for each picture of a batch, by its seed.
///
/// W(σ_max) is drawn first, then the middle between the ends given both, then the middles of both
/// halves, as deep as is asked for, each from a seed made of the picture's and its place in the
/// tree. So what is drawn between two levels depends on the seed and the ends alone: neither on
/// the other levels nor on the other pictures.
pub struct Tree {
    kind: RngKind,
    seeds: Vec<u64>,
    low: f64,
    high: f64,
}

/// A part of one picture's path.
struct Node {
    low: f64,
    high: f64,
    /// W(high) − W(low).
    increment: Tensor,
    /// Its place: `key` of the 2^`depth` parts, counted from below.
    key: u64,
    depth: u64,
}

impl Tree {
    /// Paths between two levels, by seeds, in the random numbers of this kind. Levels count with
    /// the precision that they have in the programs whose trees these are, single.
    pub fn new(kind: RngKind, seeds: &[u64], sigma_min: f64, sigma_max: f64) -> Self {
        let [low, high] = [sigma_min, sigma_max].map(|sigma| f64::from(sigma as f32));
        Self { kind, seeds: seeds.to_vec(), low, high }
    }

    /// W(`high`) − W(`low`) of the picture with this seed, of `shape` in its stream's layout.
    fn increment_of(&self, seed: u64, shape: &[usize], low: f64, high: f64) -> Tensor {
        let [seed_w, ..] = seeds::<POOL, 3>(seed, &[]);
        let whole = self.randn(seed_w, shape).scale((self.high - self.low).sqrt() as f32);
        let (start, end) = (on_grid(self.low), on_grid(self.high));
        let [low, high] = [low, high].map(|sigma| on_grid(f64::from(sigma as f32)));
        let [low, high] = [low, high].map(|sigma| sigma.clamp(start, end));
        let root = Node { low: start, high: end, increment: whole, key: 0, depth: 0 };
        self.within(root, seed, low, high).unwrap_or_else(|| Tensor::zeros(shape))
    }

    /// What the path does between two levels of a node; nothing if that is no way at all.
    fn within(&self, node: Node, seed: u64, low: f64, high: f64) -> Option<Tensor> {
        if low >= high {
            return None;
        }
        if (low, high) == (node.low, node.high) {
            return Some(node.increment);
        }
        let middle = on_grid(0.5 * (node.high + node.low));
        let (below, above) = (middle - node.low, node.high - middle);
        let whole = node.high - node.low;
        // The bridge: given both ends, the middle lies between them, give or take.
        let [seed_w, ..] = seeds::<POOL, 4>(seed, &[node.key, node.depth]);
        let noise = self.randn(seed_w, node.increment.shape());
        let spread = (below * above / whole).sqrt();
        let lower = node.increment.scale((below / whole) as f32).add(&noise.scale(spread as f32));
        let upper = node.increment.sub(&lower);
        let (key, depth) = (2 * node.key, node.depth + 1);
        let child = |low, high, increment, key| Node { low, high, increment, key, depth };
        let lower = child(node.low, middle, lower, key);
        let upper = child(middle, node.high, upper, key + 1);
        let lower = self.within(lower, seed, low, high.min(middle));
        let upper = self.within(upper, seed, low.max(middle), high);
        match (lower, upper) {
            (Some(lower), Some(upper)) => Some(lower.add(&upper)),
            (lower, upper) => lower.or(upper),
        }
    }

    fn randn(&self, seed: u32, shape: &[usize]) -> Tensor {
        let stream = Stream::new(self.kind, u64::from(seed));
        stream.expect("every kind has seeds of 32 bits").randn(shape)
    }
}

impl BrownianMotion for Tree {
    /// # Panics
    /// If `shape` is not `[N, H, W, C]` with as many pictures as there are seeds.
    fn increment(&mut self, shape: &[usize], low: f64, high: f64) -> Tensor {
        let &[n, h, w, c] = shape else { panic!("noise for pictures of shape {shape:?}") };
        assert_eq!(n, self.seeds.len(), "noise of {shape:?} from {} seeds", self.seeds.len());
        let draw = |picture: &[usize]| {
            let each = |&seed: &u64| self.increment_of(seed, picture, low, high).to_vec();
            self.seeds.iter().flat_map(each).collect()
        };
        // The layouts of `Noise`.
        match self.kind {
            RngKind::Numpy => Tensor::new(draw(&[h, w, c]), shape),
            _ => Tensor::new(draw(&[c, h, w]), &[n, c, h, w]).from_nchw(),
        }
    }
}

/// The level rounded as Python's `round(sigma, 6)` does: the nearest decimal, exactly.
fn on_grid(sigma: f64) -> f64 {
    format!("{sigma:.DIGITS$}").parse().expect("digits are a number")
}
