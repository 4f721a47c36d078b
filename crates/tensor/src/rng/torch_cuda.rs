//! PyTorch's CUDA generator: what `torch.randn(shape, device="cuda")` draws.
//!
//! PyTorch starts a thread for every number and gives each the cuRAND stream of its own index.
//! A thread draws four normals (`curand_normal4`) and keeps the first, and every call of `randn`
//! moves all the streams on by one block of four. So number i of call k is the first normal of the
//! Philox block (k, 0, i, 0), and the seed, all 64 bits of it, is the key.
//!
//! A GPU that cannot run as many threads as there are numbers goes round again with the other
//! three normals, so that its later numbers depend on the model of the GPU: above 40,960 numbers on
//! a Tesla T4, 125,952 on an RTX 3090. Here every GPU is large enough, as in the "NV" source of
//! the Stable Diffusion web UI. Latents of 512×512 pixels are 16,384 numbers, of 1024×1024 65,536.
//!
//! A GPU looks sines up in a table of its own, which nobody has published, so a number here can
//! be off by some 5·10⁻⁷.

use std::f32::consts::TAU;

use super::philox;

/// The stream after `torch.manual_seed(seed)`, on the GPU.
#[derive(Clone)]
pub struct TorchCuda {
    key: [u32; 2],
    /// How often numbers were drawn.
    calls: u64,
}

impl TorchCuda {
    pub fn new(seed: u64) -> Self {
        Self { key: [seed as u32, (seed >> 32) as u32], calls: 0 }
    }

    /// One call of `randn`.
    pub fn fill_normal(&mut self, data: &mut [f32]) {
        // PyTorch starts no thread and moves no stream for an empty tensor.
        if data.is_empty() {
            return;
        }
        let (low, high) = (self.calls as u32, (self.calls >> 32) as u32);
        for (i, x) in data.iter_mut().enumerate() {
            let [a, b, _, _] = philox::block([low, high, i as u32, (i >> 32) as u32], self.key);
            *x = box_muller(a, b);
        }
        self.calls += 1;
    }
}

/// The first normal of two words, as cuRAND makes it: Box and Muller, 1958, in f32, with the
/// uniforms in the middle of their intervals so that none is 0.
fn box_muller(a: u32, b: u32) -> f32 {
    const SCALE: f32 = 1.0 / 4_294_967_296.0;
    let u = (a as f32).mul_add(SCALE, SCALE / 2.0);
    let angle = (b as f32).mul_add(SCALE * TAU, SCALE * TAU / 2.0);
    (-2.0 * u.ln()).sqrt() * sin_approx(angle)
}

/// The sine of a positive angle, as near as it can be to the instruction `sin.approx.f32`. That
/// makes turns of radians first and rounds them toward zero, which is most of its error.
fn sin_approx(angle: f32) -> f32 {
    const TURN: f32 = 1.0 / TAU;
    // Exact, since 24 bits times 24 bits fit into 53.
    let exact = angle as f64 * TURN as f64;
    let nearest = exact as f32;
    let turns = if nearest as f64 > exact { nearest.next_down() } else { nearest };
    (turns as f64 * std::f64::consts::TAU).sin() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn randn(rng: &mut TorchCuda, len: usize) -> Vec<f32> {
        let mut data = vec![0.0; len];
        rng.fill_normal(&mut data);
        data
    }

    #[track_caller]
    fn assert_close(x: &[f32], expected: &[f32], tolerance: f32) {
        assert_eq!(x.len(), expected.len());
        for (i, (x, e)) in x.iter().zip(expected).enumerate() {
            assert!((x - e).abs() <= tolerance, "number {i} is {x}, not {e}");
        }
    }

    /// The expected output in the web UI's `modules/rng_philox.py` (seed 0, shape 3, 4), which is
    /// computed in doubles and here rounded to seven decimals.
    #[test]
    fn numbers_of_the_web_ui() {
        let expected = [
            -0.9246626, -0.4253442, -2.6438457, 0.1451839, -0.1208665, -0.5797256, -0.6228512,
            -0.3283871, -1.0745423, -0.3631441, -1.6710507, 2.265505,
        ];
        assert_close(&randn(&mut TorchCuda::new(0), 12), &expected, 1e-6);
    }

    /// torch.manual_seed(0); torch.randn(2, 2, 2, 2, device="cuda"), as the gradient in the tests of
    /// `zenu-matrix/src/nn/batch_norm.rs` of bokutotu/zenu: the only numbers of a GPU that were
    /// found with all their digits.
    #[test]
    fn numbers_of_a_gpu_to_the_last_digit() {
        let expected = [
            -0.9246624,
            -0.42534423,
            -2.6438458,
            0.14518386,
            -0.1208664,
            -0.57972574,
            -0.622851,
            -0.3283869,
            -1.0745419,
            -0.36314395,
            -1.6710504,
            2.2655048,
            0.3116848,
            -0.1841891,
            1.2866427,
            1.1819527,
        ];
        assert_close(&randn(&mut TorchCuda::new(0), 16), &expected, 4e-7);
    }

    /// What people's GPUs printed, in the issues of the PyTorch repository.
    #[test]
    fn numbers_of_gpus() {
        // #79496: torch.manual_seed(10); torch.randn(3, device="cuda")
        let x = randn(&mut TorchCuda::new(10), 3);
        assert_close(&x, &[-0.1029, 1.6810, -0.2708], 6e-5);
        // #62467, on an RTX A6000: torch.empty(1, 3, 128, 128, device="cuda")
        // .normal_(generator=torch.Generator("cuda").manual_seed(43))[..., 0, 0]
        let x = randn(&mut TorchCuda::new(43), 3 * 128 * 128);
        assert_close(&[x[0], x[16384], x[32768]], &[1.9983, 0.8704, 2.1127], 6e-5);
        // #158398, the first of 131,072 numbers on two GPUs: torch.randn([1, 64, 2048],
        // generator=torch.Generator("cuda").manual_seed(42), device="cuda")
        let x = randn(&mut TorchCuda::new(42), 64 * 2048);
        assert_close(&x[2045..2051], &[1.4540, -2.7733, -0.8932, -0.4574, 0.8063, 0.1580], 6e-5);
    }

    /// FlashInfer's documentation of `TopK`, seed 42: `logits = torch.randn(2, 2, device="cuda")`,
    /// then `probs = torch.randn(2, 2, device="cuda"); probs / probs.sum(dim=-1, keepdim=True)`.
    #[test]
    fn the_second_call_goes_on() {
        let mut rng = TorchCuda::new(42);
        assert_close(&randn(&mut rng, 4), &[0.1940, 2.1614, -0.1721, 0.8491], 6e-5);
        let [a, b, c, d] = randn(&mut rng, 4)[..] else { panic!("four numbers") };
        let shares = [a / (a + b), b / (a + b), c / (c + d), d / (c + d)];
        // The sums are small, so that a division makes much of the GPU's sine.
        assert_close(&shares, &[4.4998, -3.4998, -18.2893, 19.2893], 3e-4);
    }

    #[test]
    fn the_upper_half_of_a_seed_counts() {
        let first = |seed| randn(&mut TorchCuda::new(seed), 1);
        assert_ne!(first(5), first(5 + (1 << 32)));
    }

    #[test]
    fn an_empty_tensor_draws_nothing() {
        let (mut rng, mut other) = (TorchCuda::new(1), TorchCuda::new(1));
        randn(&mut rng, 0);
        assert_eq!(randn(&mut rng, 3), randn(&mut other, 3));
    }
}
