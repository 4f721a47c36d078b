//! AdamW over all parameters of a module, with clipping of the gradient's length.

use aquatint_nn::{Module, ModuleExt, Param};
use aquatint_tensor::optimizer::AdamW;
use aquatint_tensor::{Grads, Tensor};

use crate::config::{OptimizerConfig, State};
use crate::moment::Moment;

/// The two moments of every parameter, in the order of [`Module::visit`].
pub struct Optimizer {
    options: AdamW,
    max_grad_norm: f64,
    /// Running mean of the gradients.
    pub m: Vec<Moment>,
    /// Running mean of their squares.
    pub v: Vec<Moment>,
}

impl Optimizer {
    /// Moments of zero.
    pub fn new<M: Module + ?Sized>(model: &M, config: &OptimizerConfig) -> Self {
        let narrow = config.state == State::EightBits;
        let zeros = |signed: bool| {
            let parameters = model.named_parameters();
            let zeros = |param: &Param| Moment::zeros(param.shape(), narrow, signed);
            parameters.iter().map(|(_, param)| zeros(param)).collect()
        };
        let options = AdamW {
            lr: 0.0,
            beta1: config.beta1,
            beta2: config.beta2,
            eps: config.eps,
            weight_decay: config.weight_decay,
            step: 0,
            grad_scale: 1.0,
        };
        Self { options, max_grad_norm: config.max_grad_norm, m: zeros(true), v: zeros(false) }
    }

    /// Changes the parameters of `model`. `step` counts from 1; `grad_norm` is what
    /// [`grad_norm`] says of `grads`. A parameter that the loss did not depend on stays as it is.
    pub fn step<M: Module + ?Sized>(
        &mut self,
        model: &mut M,
        grads: &mut Grads,
        grad_norm: f64,
        lr: f64,
        step: u64,
    ) {
        let scale = (self.max_grad_norm / (grad_norm + 1e-6)).min(1.0);
        let options = AdamW { lr, step, grad_scale: scale as f32, ..self.options };
        let moments = self.m.iter_mut().zip(&mut self.v);
        for ((_, param), (m, v)) in model.named_parameters_mut().into_iter().zip(moments) {
            if let Some(grad) = grads.take(param.value()) {
                let (mut wide_m, mut wide_v) = (m.take(), v.take());
                param.value_mut().adamw_step(&grad, &mut wide_m, &mut wide_v, &options);
                m.set(wide_m);
                v.set(wide_v);
            }
        }
    }
}

/// The length of all gradients together, as one vector.
pub fn grad_norm<M: Module + ?Sized>(model: &M, grads: &Grads) -> f64 {
    let parameters = model.named_parameters();
    let of = |param: &Param| grads.get(param.value()).map(Tensor::sum_of_squares);
    parameters.iter().filter_map(|(_, param)| of(param)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aquatint_nn::Init;
    use serde_json::Value;

    use crate::testing::hashed;

    fn config() -> OptimizerConfig {
        let text = "learning_rate = 0.01\nweight_decay = 0.1\nbeta2 = 0.999\nmax_grad_norm = 1e9";
        toml::from_str(text).unwrap()
    }

    fn numbers(value: &Value) -> Vec<f32> {
        value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
    }

    #[test]
    fn five_steps_are_those_of_pytorch() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/golden/optimizer.json");
        let golden: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let mut param = Param::new(&[6], Init::Zeros);
        param.set(Tensor::new(numbers(&golden["initial"]), &[6]));
        param.track();
        let mut optimizer = Optimizer::new(&param, &config());
        for step in 0..5 {
            let slope = hashed(&format!("input:grad:{step}"), 6);
            let slope = Tensor::new(slope.iter().map(|&x| x as f32).collect(), &[6]);
            let mut grads = param.value().mul(&slope).sum().backward();
            let norm = grad_norm(&param, &grads);
            optimizer.step(&mut param, &mut grads, norm, 0.01, step + 1);
            let expected = numbers(&golden[format!("step_{step}")]);
            for (ours, theirs) in param.value().to_vec().iter().zip(&expected) {
                assert!((ours - theirs).abs() < 1e-6, "step {step}: {ours} is not {theirs}");
            }
        }
    }

    #[test]
    fn a_long_gradient_is_cut_to_the_allowed_length() {
        let moved = |factor: f32| {
            let mut param = Param::new(&[2], Init::Zeros);
            param.set(Tensor::new(vec![1.0, 1.0], &[2]));
            param.track();
            let mut optimizer =
                Optimizer::new(&param, &OptimizerConfig { max_grad_norm: 1.0, ..config() });
            let slope = Tensor::new(vec![3.0 * factor, 4.0 * factor], &[2]);
            let mut grads = param.value().mul(&slope).sum().backward();
            let norm = grad_norm(&param, &grads);
            optimizer.step(&mut param, &mut grads, norm, 0.01, 1);
            (norm, optimizer.m[0].get().to_vec())
        };
        let (norm, m) = moved(1.0);
        assert!((norm - 5.0).abs() < 1e-6);
        assert!((m[0] - 0.06).abs() < 1e-6 && (m[1] - 0.08).abs() < 1e-6, "{m:?}");
        let (_, m) = moved(0.1);
        assert!((m[0] - 0.03).abs() < 1e-6 && (m[1] - 0.04).abs() < 1e-6, "{m:?}");
    }

    /// A valley with steep and gentle sides, down which both go about as far.
    #[test]
    fn moments_of_8_bits_lead_to_the_same_place() {
        let steep = Tensor::from_fn(&[80, 100], |i| 10f32.powi(-((i % 4) as i32)));
        let goal = aquatint_tensor::Rng::new(2).randn(&[80, 100]);
        let distance = |state: State| {
            let mut param = Param::new(&[80, 100], Init::Zeros);
            param.init(1);
            param.track();
            let config = OptimizerConfig { state, weight_decay: 0.0, ..config() };
            let mut optimizer = Optimizer::new(&param, &config);
            for step in 1..=300 {
                let mut grads = param.value().sub(&goal).sqr().mul(&steep).sum().backward();
                let norm = grad_norm(&param, &grads);
                optimizer.step(&mut param, &mut grads, norm, 0.01, step);
            }
            param.value().sub(&goal).sum_of_squares().sqrt()
        };
        let (begun, whole) = (goal.sum_of_squares().sqrt(), distance(State::ThirtyTwoBits));
        let narrow = distance(State::EightBits);
        assert!(whole < 0.1 * begun, "32 bits: {whole} of {begun}");
        assert!((narrow - whole).abs() < 0.05 * begun, "8 bits: {narrow}, 32 bits: {whole}");
    }
}
