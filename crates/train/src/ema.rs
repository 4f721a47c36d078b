//! The running average of the weights, which gives better pictures than the weights themselves.

use aquatint_nn::{Module, ModuleExt};
use aquatint_tensor::Tensor;

/// Averages of all parameters, in the order of [`Module::visit`].
pub struct Ema {
    decay: f64,
    /// The averages.
    pub weights: Vec<Tensor>,
}

impl Ema {
    /// Begins at the weights of `model`. `decay` is that of a long run.
    pub fn new<M: Module + ?Sized>(model: &M, decay: f64) -> Self {
        let parameters = model.named_parameters();
        // A copy of the numbers, since the model's are about to be changed in place.
        let copy = |x: &Tensor| Tensor::new(x.to_vec(), x.shape());
        Self { decay, weights: parameters.iter().map(|(_, param)| copy(param.value())).collect() }
    }

    /// After `steps` steps: `average = decay · average + (1 − decay) · weights`.
    ///
    /// The decay is smaller at first, (1 + n) / (10 + n), so that the average forgets the random
    /// weights of the beginning.
    pub fn update<M: Module + ?Sized>(&mut self, model: &M, steps: u64) {
        let decay = decay_after(self.decay, steps);
        for (average, (_, param)) in self.weights.iter_mut().zip(model.named_parameters()) {
            average.ema_update(param.value(), decay);
        }
    }

    /// Exchanges averages and weights. The second call undoes the first. While the averages are
    /// in the model it is not tracked.
    pub fn swap<M: Module + ?Sized>(&mut self, model: &mut M) {
        let mut tracked = false;
        for (average, (_, param)) in self.weights.iter_mut().zip(model.named_parameters_mut()) {
            tracked |= param.is_tracked();
            let weights = param.value().detach();
            param.set_tracked(false);
            param.set(std::mem::replace(average, weights));
        }
        if !tracked {
            model.track();
        }
    }
}

/// The decay that is in effect after `steps` steps.
fn decay_after(decay: f64, steps: u64) -> f64 {
    decay.min((1 + steps) as f64 / (10 + steps) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aquatint_nn::{Init, Param};

    #[test]
    fn the_decay_warms_up() {
        let decays = [0, 1, 90, 8990, 100_000].map(|steps| decay_after(0.999, steps));
        assert_eq!(decays, [0.1, 2.0 / 11.0, 0.91, 8991.0 / 9000.0, 0.999]);
    }

    #[test]
    fn averages_and_swaps() {
        let mut param = Param::new(&[1], Init::Zeros);
        param.set(Tensor::new(vec![0.0], &[1]));
        param.track();
        let mut ema = Ema::new(&param, 0.5);
        param.set(Tensor::new(vec![8.0], &[1]));
        ema.update(&param, 1000);
        ema.update(&param, 1000);
        ema.swap(&mut param);
        assert_eq!((param.value().item(), param.is_tracked()), (6.0, false));
        ema.swap(&mut param);
        assert_eq!((param.value().item(), param.is_tracked()), (8.0, true));
        assert_eq!(ema.weights[0].item(), 6.0);
    }
}
