//! PyTorch's CPU generator, draw for draw.
//!
//! The draws follow PyTorch in everything that can be seen: the Mersenne Twister, how its words
//! become numbers, and that `randn` pairs its uniforms in another way from 16 numbers on. What can
//! differ is the last bit of a logarithm or a cosine, since PyTorch's depend on the instruction
//! set it finds.

use std::f64::consts::TAU;

use super::mt19937::Mt19937;
use crate::Tensor;
use crate::pool::Buffer;

/// From this many numbers on, `randn` fills blocks; below, it draws one number after another.
const BLOCK: usize = 16;

/// A stream of random numbers. Whoever draws gets it as an argument; there is no global one.
#[derive(Clone)]
pub struct Rng {
    words: Mt19937,
    /// Normals come in pairs: the second of the last pair, if it was not asked for yet.
    second_normal: Option<f64>,
}

impl Rng {
    /// The stream after `torch.manual_seed(seed)`, which reads only the low 32 bits.
    pub fn new(seed: u64) -> Self {
        Self { words: Mt19937::new(seed as u32), second_normal: None }
    }

    /// The stream of one step of a run: another one for every pair of `seed` and `step`, so that
    /// a run continued at a step draws what it would have drawn without the interruption.
    pub fn for_step(seed: u64, step: u64) -> Self {
        let key = [seed as u32, (seed >> 32) as u32, step as u32, (step >> 32) as u32];
        Self { words: Mt19937::from_key(&key), second_normal: None }
    }

    /// Uniform in [0, 1) with 53 bits, as `torch.rand` draws a double.
    pub fn uniform(&mut self) -> f64 {
        let bits = self.next_u64() & ((1 << 53) - 1);
        bits as f64 * 2f64.powi(-53)
    }

    /// Uniform in 0..n, as `torch.randint` draws it for n below 2²⁸.
    ///
    /// # Panics
    /// If `n` is 0.
    #[track_caller]
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "there is no number below 0");
        if n < 1 << 28 {
            self.words.next_u32() as usize % n
        } else {
            (self.next_u64() % n as u64) as usize
        }
    }

    /// Puts the items in an order drawn uniformly from all orders (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// Independent standard normals: the numbers of `torch.randn(shape)`.
    pub fn randn(&mut self, shape: &[usize]) -> Tensor {
        let mut data = Buffer::stale(shape.iter().product());
        self.fill_normal(&mut data);
        Tensor::from_buffer(data, shape)
    }

    /// One call of `torch.randn`.
    pub(super) fn fill_normal(&mut self, data: &mut [f32]) {
        if data.len() < BLOCK {
            data.fill_with(|| self.normal() as f32);
        } else {
            self.fill_blocks(data);
        }
    }

    /// One standard normal from 53-bit uniforms: Box and Muller, 1958, both halves used.
    pub fn normal(&mut self) -> f64 {
        if let Some(second) = self.second_normal.take() {
            return second;
        }
        let (u1, u2) = (self.uniform(), self.uniform());
        let radius = (-2.0 * (-u2).ln_1p()).sqrt();
        let (sin, cos) = (TAU * u1).sin_cos();
        self.second_normal = Some(radius * sin);
        radius * cos
    }

    /// Fills 16 or more numbers: uniforms everywhere, then Box–Muller in blocks of 16. What is
    /// left over is not a short block but a full one, drawn anew, that ends where the data ends.
    fn fill_blocks(&mut self, data: &mut [f32]) {
        self.fill_uniform(data);
        let (blocks, rest) = data.as_chunks_mut::<BLOCK>();
        blocks.iter_mut().for_each(box_muller);
        if !rest.is_empty() {
            let last = data.last_chunk_mut::<BLOCK>().expect("there are 16 numbers or more");
            self.fill_uniform(last);
            box_muller(last);
        }
    }

    /// Uniforms in [0, 1) with 24 bits, as `torch.rand` draws floats.
    pub(super) fn fill_uniform(&mut self, data: &mut [f32]) {
        data.fill_with(|| (self.words.next_u32() & ((1 << 24) - 1)) as f32 * 2f32.powi(-24));
    }

    /// The earlier word is the higher half.
    fn next_u64(&mut self) -> u64 {
        let high = self.words.next_u32() as u64;
        high << 32 | self.words.next_u32() as u64
    }
}

/// Makes 16 uniforms 16 normals: numbers j and j + 8 are a radius and an angle.
fn box_muller(block: &mut [f32; BLOCK]) {
    let (radii, angles) = block.split_at_mut(BLOCK / 2);
    for (u1, u2) in radii.iter_mut().zip(angles) {
        // The uniform may be 0 but is never 1, and the logarithm needs it the other way round.
        let radius = (-2.0 * (1.0 - *u1).ln()).sqrt();
        let (sin, cos) = (std::f32::consts::TAU * *u2).sin_cos();
        (*u1, *u2) = (radius * cos, radius * sin);
    }
}
