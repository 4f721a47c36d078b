//! Where samplers get their noise from.

mod first;
mod rule;
mod variation;

use aquatint_tensor::rng::{SeedTooLarge, Stream};
use aquatint_tensor::{Rng, RngKind, Tensor};

pub use self::first::Start;
pub use self::rule::{NoiseRule, UnknownRng};
pub use self::variation::Variation;
use self::variation::slerp;
use crate::brownian::{BrownianMotion, Tree};

/// Gives standard normal noise of a shape `[N, ..]`, new at every call. An [`Rng`] is a source,
/// and so is a closure; [`Noise`] is the one for pictures.
pub trait NoiseSource {
    /// Noise of this shape.
    fn noise(&mut self, shape: &[usize]) -> Tensor;

    /// The Brownian motion between two noise levels that samplers of stochastic equations follow.
    /// A source need not have one: then it is made of draws of [`NoiseSource::noise`], new ones
    /// for every level.
    fn brownian(&mut self, sigma_min: f64, sigma_max: f64) -> Option<Box<dyn BrownianMotion>> {
        let _ = (sigma_min, sigma_max);
        None
    }
}

impl NoiseSource for Rng {
    fn noise(&mut self, shape: &[usize]) -> Tensor {
        self.randn(shape)
    }
}

impl<F: FnMut(&[usize]) -> Tensor> NoiseSource for F {
    fn noise(&mut self, shape: &[usize]) -> Tensor {
        self(shape)
    }
}

/// Noise for a batch in which every picture has a seed, so that a picture is the same alone and
/// in any company.
pub struct Noise {
    rule: NoiseRule,
    seeds: Vec<u64>,
    pictures: Vec<Picture>,
    variation: Option<Variation>,
    begun: bool,
}

/// Where one picture's noise comes from.
struct Picture {
    first: Stream,
    /// Where the noise on the way comes from, if not from the same.
    later: Option<Stream>,
}

impl Noise {
    /// The source of as many pictures as there are seeds.
    ///
    /// # Errors
    /// If there is no stream of that kind for a seed; see [`RngKind::check_seed`].
    pub fn new(rule: impl Into<NoiseRule>, seeds: &[u64]) -> Result<Self, SeedTooLarge> {
        let rule = rule.into();
        let (pictures, seeds) = (streams(rule, seeds, 0)?, seeds.to_vec());
        Ok(Self { rule, seeds, pictures, variation: None, begun: false })
    }

    /// The same with noise on the way from seeds that are higher by `seed_delta`: the web UI's
    /// "eta noise seed delta" (ENSD). 0 is as without.
    ///
    /// # Errors
    /// As [`Noise::new`].
    pub fn with_seed_delta(self, seed_delta: u64) -> Result<Self, SeedTooLarge> {
        Ok(Self { pictures: streams(self.rule, &self.seeds, seed_delta)?, ..self })
    }

    /// The same with a variation of the noise that pictures begin with.
    ///
    /// # Errors
    /// If there is no stream for a subseed.
    ///
    /// # Panics
    /// If there are not as many subseeds as pictures.
    #[track_caller]
    pub fn with_variation(self, variation: Variation) -> Result<Self, SeedTooLarge> {
        let (seeds, subseeds) = (self.seeds.len(), variation.subseeds.len());
        assert_eq!(seeds, subseeds, "{subseeds} subseeds for {seeds} pictures");
        let kind = self.rule.first();
        variation.subseeds.iter().try_for_each(|&subseed| kind.check_seed(subseed))?;
        Ok(Self { variation: Some(variation), ..self })
    }

    /// Noise `[N, H, W, C]` for pictures of shape `[H, W, C]`: first that which pictures begin
    /// with, then that which samplers add on the way.
    ///
    /// The numbers are drawn in the order of the layout that the latents have in the program whose
    /// stream it is: this is what makes a seed name the same picture here as there. With PyTorch
    /// that is `[C, H, W]`, in diffusers, the web UI and ComfyUI. With NumPy it is `[H, W, C]`,
    /// since that is how DiffusionBee asks: `np.random.RandomState(seed).normal(size=(1, h, w, 4))`.
    /// For noise on the way DiffusionBee makes a new stream at every step; here the first one goes
    /// on.
    #[track_caller]
    pub fn randn(&mut self, picture: &[usize]) -> Tensor {
        let first = !std::mem::replace(&mut self.begun, true);
        let variation = self.variation.take_if(|v| first && v.strength != 0.0);
        let kind = if first { self.rule.first() } else { self.rule.later() };
        let shape = drawn_as(kind, picture);
        let mut drawn = Vec::with_capacity(self.pictures.len());
        for (n, Picture { first: stream, later }) in self.pictures.iter_mut().enumerate() {
            let stream = if first { stream } else { later.as_mut().unwrap_or(stream) };
            let noise = stream.randn(&shape);
            drawn.push(match &variation {
                None => noise,
                Some(Variation { subseeds, strength }) => {
                    let other = Stream::new(kind, subseeds[n]).expect("the subseed was checked");
                    slerp(*strength, &noise, &{ other }.randn(&shape))
                }
            });
        }
        channels_last(kind, &drawn)
    }

    /// A draw for latents that a picture is encoded as. In diffusers it comes from the generator of
    /// the first noise, before it or after it, and so it does here; it is never that noise itself.
    #[track_caller]
    pub fn posterior(&mut self, picture: &[usize]) -> Tensor {
        let kind = self.rule.first();
        let shape = drawn_as(kind, picture);
        let drawn: Vec<Tensor> =
            self.pictures.iter_mut().map(|picture| picture.first.randn(&shape)).collect();
        channels_last(kind, &drawn)
    }
}

fn streams(rule: NoiseRule, seeds: &[u64], seed_delta: u64) -> Result<Vec<Picture>, SeedTooLarge> {
    let picture = |&seed: &u64| {
        let first = Stream::new(rule.first(), seed)?;
        Ok(Picture { first, later: rule.later_stream(seed, seed_delta)? })
    };
    seeds.iter().map(picture).collect()
}

/// The layout in which a program draws a picture's noise.
#[track_caller]
fn drawn_as(kind: RngKind, picture: &[usize]) -> [usize; 3] {
    let &[h, w, c] = picture else { panic!("noise for pictures of shape {picture:?}") };
    match kind {
        RngKind::TorchCpu | RngKind::TorchCuda => [c, h, w],
        RngKind::Numpy => [h, w, c],
    }
}

/// Pictures as they were drawn to `[N, H, W, C]`.
fn channels_last(kind: RngKind, drawn: &[Tensor]) -> Tensor {
    let data = drawn.iter().flat_map(Tensor::to_vec).collect();
    let &[a, b, c] = drawn[0].shape() else { unreachable!("drawn with three axes") };
    let pictures = Tensor::new(data, &[drawn.len(), a, b, c]);
    match kind {
        RngKind::TorchCpu | RngKind::TorchCuda => pictures.from_nchw(),
        RngKind::Numpy => pictures,
    }
}

impl NoiseSource for Noise {
    /// # Panics
    /// If `shape` is not `[N, H, W, C]` with as many pictures as there are seeds.
    fn noise(&mut self, shape: &[usize]) -> Tensor {
        let seeds = self.pictures.len();
        assert_eq!(shape.first(), Some(&seeds), "noise of {shape:?} from {seeds} seeds");
        self.randn(&shape[1..])
    }

    /// The path that the seed of each picture stands for, in PyTorch's numbers that of k-diffusion
    /// and the web UI. Nothing is drawn from the pictures' streams.
    fn brownian(&mut self, sigma_min: f64, sigma_max: f64) -> Option<Box<dyn BrownianMotion>> {
        Some(Box::new(Tree::new(self.rule.first(), &self.seeds, sigma_min, sigma_max)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(rule: impl Into<NoiseRule>, seeds: &[u64]) -> Noise {
        Noise::new(rule, seeds).expect("short seeds")
    }

    #[test]
    fn a_picture_does_not_depend_on_its_batch() {
        for kind in NoiseRule::ALL {
            let made = |seeds: &[u64], subseeds: &[u64]| {
                let variation = Variation { subseeds: subseeds.to_vec(), strength: 0.5 };
                let varied = noise(kind, seeds).with_variation(variation);
                varied.and_then(|noise| noise.with_seed_delta(31337)).expect("short seeds")
            };
            let (mut batch, mut alone) = (made(&[5, 6], &[1, 2]), made(&[6], &[2]));
            for _ in 0..2 {
                let batch = batch.noise(&[2, 3, 4, 2]);
                assert_eq!(
                    batch.narrow_rows(1, 1).to_vec(),
                    alone.noise(&[1, 3, 4, 2]).to_vec(),
                    "{kind}: the second of two is the same alone, at every draw"
                );
            }
        }
    }

    /// torch.manual_seed(42); torch.randn(1, 4, 2, 2)[0, :, 0, 0] and [0, :, 0, 1].
    #[test]
    fn drawn_channels_first_with_pytorch() {
        let x = noise(RngKind::TorchCpu, &[42]).randn(&[2, 2, 4]).to_vec();
        let expected = [1.926_915_3, 0.678_418_46, -0.752_135_3, -0.727_881_3];
        let next = [1.487_284_1, -1.234_544_9, 1.648_723, -0.559_430_2];
        for (x, e) in x.iter().zip(expected.into_iter().chain(next)) {
            assert!((x - e).abs() < 1e-6, "{x} is not {e}");
        }
    }

    /// np.random.RandomState(42).normal(size=(1, 2, 2, 4)).astype(np.float32)[0, 0].ravel().
    #[test]
    fn drawn_channels_last_with_numpy() {
        let x = noise(RngKind::Numpy, &[42]).randn(&[2, 2, 4]).to_vec();
        let expected = [
            0.496_714_14,
            -0.138_264_3,
            0.647_688_57,
            1.523_029_8,
            -0.234_153_38,
            -0.234_136_95,
            1.579_212_8,
            0.767_434_7,
        ];
        assert_eq!(x[..8], expected);
    }

    /// generator = torch.manual_seed(seed); x = torch.randn(1, 4, 2, 2), and what comes after it:
    /// more of the same; ENSD 31337; ComfyUI's on a GPU and on a CPU.
    #[test]
    fn noise_on_the_way() {
        let kind = RngKind::TorchCpu;
        let draws = |rule: NoiseRule, delta: u64| {
            let mut noise = noise(rule, &[42]).with_seed_delta(delta).expect("short seeds");
            [(); 2].map(|()| noise.randn(&[2, 2, 4]).to_vec())
        };
        let alone = |kind: RngKind, seed: u64| noise(kind, &[seed]).randn(&[2, 2, 4]).to_vec();
        let [first, second] = draws(kind.into(), 0);
        assert_eq!(first, alone(kind, 42));
        let mut goes_on = Stream::new(kind, 42).expect("a short seed");
        goes_on.randn(&[16]);
        let next = goes_on.randn(&[1, 4, 2, 2]).from_nchw().to_vec();
        assert_eq!(second, next);
        assert_eq!(draws(kind.into(), 31337), [first.clone(), alone(kind, 42 + 31337)]);
        let on_gpu = alone(RngKind::TorchCuda, 42);
        assert_eq!(draws(NoiseRule::ComfyUi, 0), [first.clone(), on_gpu]);
        assert_eq!(draws(NoiseRule::ComfyUiCpu, 0), [first, alone(kind, 43)]);
    }

    #[test]
    fn a_draw_for_an_encoder_moves_the_stream_on() {
        let mut stream = noise(RngKind::TorchCpu, &[42]);
        let mut twice = noise(RngKind::TorchCpu, &[42]);
        let first = twice.randn(&[2, 2, 4]).to_vec();
        assert_eq!(stream.posterior(&[2, 2, 4]).to_vec(), first);
        assert_eq!(stream.randn(&[2, 2, 4]).to_vec(), twice.randn(&[2, 2, 4]).to_vec());
    }

    #[test]
    fn a_variation_is_of_the_first_noise_only() {
        let variation = Variation { subseeds: vec![7], strength: 1.0 };
        let mut varied = noise(RngKind::TorchCpu, &[42]).with_variation(variation).expect("short");
        let mut plain = noise(RngKind::TorchCpu, &[42]);
        let other = noise(RngKind::TorchCpu, &[7]).randn(&[2, 2, 4]);
        assert!(varied.randn(&[2, 2, 4]).sub(&other).max_abs() < 1e-5);
        plain.randn(&[2, 2, 4]);
        assert_eq!(varied.randn(&[2, 2, 4]).to_vec(), plain.randn(&[2, 2, 4]).to_vec());
    }

    #[test]
    fn a_seed_that_numpy_refuses() {
        let error = Noise::new(RngKind::Numpy, &[1, 1 << 32]).err();
        assert_eq!(error, Some(SeedTooLarge { seed: 1 << 32 }));
    }

    #[test]
    #[should_panic(expected = "noise of [2, 1, 1, 1] from 1 seeds")]
    fn more_pictures_than_seeds() {
        noise(RngKind::TorchCpu, &[1]).noise(&[2, 1, 1, 1]);
    }
}
