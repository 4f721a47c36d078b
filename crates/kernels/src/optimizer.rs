//! AdamW and the running average of weights.

use crate::cpu::{Isa, isa};
use crate::math::per_isa;
use crate::parallel::{self, ELEMENTWISE_CHUNK};

/// The numbers of one step of [`adamw`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the running mean of gradients.
    pub beta1: f64,
    /// Decay of the running mean of squared gradients.
    pub beta2: f64,
    /// Added to the square root.
    pub eps: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Number of this step; the first is 1.
    pub step: u64,
    /// Gradients are multiplied by this first, to clip them by their norm.
    pub grad_scale: f32,
}

/// What [`AdamW`] comes to for each element.
#[derive(Clone, Copy)]
struct Factors {
    grad_scale: f32,
    keep: f32,
    first: f32,
    beta2: f32,
    second: f32,
    root: f32,
    eps: f32,
    step: f32,
}

/// One step of AdamW (Loshchilov and Hutter 2019, algorithm 2) on one parameter with its two
/// moments, with the roundings of `torch.optim.AdamW`: the decay comes first and the bias
/// corrections are formed in f64.
///
/// # Panics
/// If the lengths differ or the step is 0.
#[track_caller]
pub fn adamw(param: &mut [f32], grad: &[f32], m: &mut [f32], v: &mut [f32], options: AdamW) {
    adamw_on(isa(), param, grad, m, v, options);
}

#[track_caller]
fn adamw_on(
    isa: Isa,
    param: &mut [f32],
    grad: &[f32],
    m: &mut [f32],
    v: &mut [f32],
    options: AdamW,
) {
    let lengths = [param.len(), grad.len(), m.len(), v.len()];
    assert!(lengths.iter().all(|&len| len == lengths[0]), "adamw: lengths {lengths:?}");
    assert!(options.step > 0, "the first step of AdamW has the number 1");
    let AdamW { lr, beta1, beta2, eps, weight_decay, step, grad_scale } = options;
    let factors = Factors {
        grad_scale,
        keep: (1.0 - lr * weight_decay) as f32,
        first: (1.0 - beta1) as f32,
        beta2: beta2 as f32,
        second: (1.0 - beta2) as f32,
        root: (1.0 - beta2.powf(step as f64)).sqrt() as f32,
        eps: eps as f32,
        step: (lr / (1.0 - beta1.powf(step as f64))) as f32,
    };
    let cut = ELEMENTWISE_CHUNK;
    parallel::chunks3((param, cut), (m, cut), (v, cut), |i, param, m, v| {
        adamw_slice(isa, param, &grad[i * cut..][..param.len()], m, v, factors);
    });
}

/// `target = decay · target + (1 - decay) · source`, the running average of weights, written so
/// that a target equal to the source stays as it is.
#[track_caller]
pub fn ema(target: &mut [f32], source: &[f32], decay: f64) {
    assert_eq!(target.len(), source.len(), "ema: lengths");
    let (isa, share) = (isa(), (1.0 - decay) as f32);
    parallel::chunks(target, ELEMENTWISE_CHUNK, |i, target| {
        ema_slice(isa, target, &source[i * ELEMENTWISE_CHUNK..][..target.len()], share);
    });
}

per_isa! {
    fn adamw_slice(param: &mut [f32], grad: &[f32], m: &mut [f32], v: &mut [f32], f: Factors) {
        for (((param, &grad), m), v) in param.iter_mut().zip(grad).zip(m).zip(v) {
            let grad = grad * f.grad_scale;
            *m += f.first * (grad - *m);
            *v = *v * f.beta2 + (f.second * grad) * grad;
            *param = *param * f.keep - (f.step * *m) / (v.sqrt() / f.root + f.eps);
        }
    }

    fn ema_slice(target: &mut [f32], source: &[f32], share: f32) {
        for (target, &source) in target.iter_mut().zip(source) {
            *target += share * (source - *target);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::available;
    use crate::testing::{assert_close, assert_same_on_any_number_of_threads, random, wide};

    const OPTIONS: AdamW = AdamW {
        lr: 1e-2,
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
        weight_decay: 0.1,
        step: 1,
        grad_scale: 0.5,
    };

    /// The algorithm as the paper has it, in f64.
    struct Reference {
        param: Vec<f64>,
        m: Vec<f64>,
        v: Vec<f64>,
    }

    impl Reference {
        fn step(&mut self, grad: &[f32], o: AdamW) {
            for (i, &grad) in grad.iter().enumerate() {
                let grad = f64::from(grad) * f64::from(o.grad_scale);
                self.m[i] = o.beta1 * self.m[i] + (1.0 - o.beta1) * grad;
                self.v[i] = o.beta2 * self.v[i] + (1.0 - o.beta2) * grad * grad;
                let m_hat = self.m[i] / (1.0 - o.beta1.powi(o.step as i32));
                let v_hat = self.v[i] / (1.0 - o.beta2.powi(o.step as i32));
                self.param[i] -=
                    o.lr * (m_hat / (v_hat.sqrt() + o.eps) + o.weight_decay * self.param[i]);
            }
        }
    }

    #[test]
    fn many_steps_follow_the_algorithm() {
        let n = 1003;
        let (mut param, mut m, mut v) = (random(1, n), vec![0.0; n], vec![0.0; n]);
        let mut want = Reference { param: wide(&param), m: wide(&m), v: wide(&v) };
        for step in 1..=200 {
            let grad: Vec<f32> = random(1 + step, n).iter().map(|g| g * 1e-3).collect();
            let options = AdamW { step, ..OPTIONS };
            adamw(&mut param, &grad, &mut m, &mut v, options);
            want.step(&grad, options);
        }
        assert_close(&param, &want.param, 2e-6);
        let scaled = |x: &[f32], by: f32| x.iter().map(|x| x * by).collect::<Vec<_>>();
        assert_close(&scaled(&m, 1e3), &want.m.iter().map(|x| x * 1e3).collect::<Vec<_>>(), 1e-6);
        assert_close(&scaled(&v, 1e6), &want.v.iter().map(|x| x * 1e6).collect::<Vec<_>>(), 1e-5);
    }

    #[test]
    fn the_first_step_is_the_learning_rate_in_the_direction_of_the_sign() {
        let (mut param, mut m, mut v) = (vec![1.0; 3], vec![0.0; 3], vec![0.0; 3]);
        let options = AdamW { weight_decay: 0.0, grad_scale: 1.0, ..OPTIONS };
        adamw(&mut param, &[3.0, -1e-3, 0.0], &mut m, &mut v, options);
        assert_close(&param, &[0.99, 1.01, 1.0], 1e-5);
    }

    #[test]
    fn average_moves_by_its_share() {
        let mut target = vec![1.0, 2.0, -4.0];
        ema(&mut target, &[2.0, 2.0, 4.0], 0.75);
        assert_eq!(target, [1.25, 2.0, -2.0]);
        let (before, source) = (random(3, 70_000), random(4, 70_000));
        let mut target = before.clone();
        ema(&mut target, &source, 0.9999);
        let want: Vec<f64> = (0..70_000)
            .map(|i| 0.9999 * f64::from(before[i]) + 0.0001 * f64::from(source[i]))
            .collect();
        assert_close(&target, &want, 1e-7);
    }

    #[test]
    fn instruction_sets_and_threads_give_the_same_bits() {
        let n = 2 * ELEMENTWISE_CHUNK + 13;
        let (param, grad, m) = (random(5, n), random(6, n), random(7, n));
        let run = |isa| {
            let (mut param, mut m, mut v) = (param.clone(), m.clone(), vec![0.5; n]);
            adamw_on(isa, &mut param, &grad, &mut m, &mut v, AdamW { step: 7, ..OPTIONS });
            [param, m, v].concat()
        };
        let want = run(Isa::Portable);
        assert!(available().all(|isa| run(isa) == want));
        assert_same_on_any_number_of_threads(|| run(isa()));
    }
}
