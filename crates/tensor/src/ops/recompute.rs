//! Results that are made again on the way back, instead of keeping what their operations saved.

use crate::Tensor;
use crate::tape::{Node, next_number};

impl Tensor {
    /// What `make` makes, without what its operations save for the way back: it is made again when
    /// the gradient comes by (Chen et al. 2016, arXiv:1604.06174). `make` must do the same each time,
    /// and may use tracked tensors of others; the gradients are the same to the bit.
    pub fn recomputed(make: impl Fn() -> Tensor + Send + Sync + 'static) -> Tensor {
        let begin = next_number();
        let made = make();
        match made.track().and_then(|root| Node::again(root, begin, make)) {
            Some(track) => made.with_track(track),
            None => made,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use crate::{Rng, Tensor};

    /// Something with a shared leaf, an input that is used twice, and a result that is used twice.
    fn blocks(x: &Tensor, leaf: &Tensor, again: bool) -> Tensor {
        let mut x = x.clone();
        for _ in 0..3 {
            let (input, leaf) = (x.clone(), leaf.clone());
            let block = move || input.mul(&leaf).silu().add(&input).mul(&leaf.scale(0.3));
            let y = if again { Tensor::recomputed(block) } else { block() };
            x = y.add(&x.mul(&y));
        }
        x.sum()
    }

    #[test]
    fn what_is_recomputed_has_the_same_gradients() {
        let mut rng = Rng::new(3);
        let [x, leaf] = [1, 2].map(|_| rng.randn(&[40]).tracked());
        // A tensor that was made of a leaf outside of the blocks.
        let outside = leaf.sqr();
        let of = |again: bool| {
            let mut told = Vec::new();
            let mut whole = |number, grad: &Tensor| told.push((number, grad.to_vec()));
            let loss = blocks(&x.scale(2.0), &outside, again);
            let value = loss.item();
            let grads = loss.backward_telling(Some(&mut whole));
            let [dx, dleaf] = [&x, &leaf].map(|leaf| grads.get(leaf).unwrap().to_vec());
            (value, dx, dleaf, told)
        };
        assert_eq!(of(true), of(false));
    }

    #[test]
    fn what_needs_no_gradient_is_not_recomputed() {
        let x = Tensor::full(&[2], 3.0);
        let other = x.clone();
        assert!(!Tensor::recomputed(move || other.sqr()).is_tracked());
        let (x, calls) = (x.tracked(), Arc::new(AtomicU64::new(0)));
        let (given, counted) = (x.clone(), calls.clone());
        let y = Tensor::recomputed(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            given.sqr()
        });
        let grads = y.sum().backward();
        assert_eq!(
            (grads.get(&x).unwrap().to_vec(), calls.load(Ordering::Relaxed)),
            (vec![6.0; 2], 2)
        );
        let given = x.clone();
        assert_eq!(Tensor::recomputed(move || given.clone()).leaf_number(), x.leaf_number());
    }
}
