//! Large mini-batches of pairs in parts, by gradient caching (Gao et al. 2021, arXiv:2101.06983).
//!
//! Every caption is compared with every picture of a step, so no part knows its loss by itself.
//! But the loss depends on the weights through the embeddings alone, and those are small: all of
//! them are made first, part by part, and how they are made is forgotten again; what the loss says
//! of each is remembered; then each part makes its own once more, and follows that back.

use aquatint_tensor::Tensor;

use crate::contrastive::contrastive_loss;
use crate::part::Part;

/// What the loss of a step says of the embeddings of all its pairs.
pub(super) struct Cached {
    /// The step.
    pub(super) step: u64,
    loss: f32,
    /// Gradients with respect to the captions' directions and to the pictures', `[N, P]`.
    text: Tensor,
    image: Tensor,
    /// The gradient with respect to the scale.
    scale: Tensor,
}

impl Cached {
    /// Of the directions of all captions and pictures of a step, part after part, each `[n, P]`.
    pub(super) fn new(
        step: u64,
        parts: impl Iterator<Item = (Tensor, Tensor)>,
        logit_scale: &Tensor,
    ) -> Self {
        let joined = parts.map(|(text, image)| (text.detach(), image.detach())).reduce(
            |(texts, images), (text, image)| {
                (Tensor::cat_rows([&texts, &text]), Tensor::cat_rows([&images, &image]))
            },
        );
        let (text, image) = joined.expect("a step has parts");
        let leaves = [text.tracked(), image.tracked(), logit_scale.detach().tracked()];
        let loss = contrastive_loss(&leaves[0], &leaves[1], &leaves[2]);
        let value = loss.item();
        let grads = loss.backward();
        let [text, image, scale] =
            leaves.map(|leaf| grads.get(&leaf).expect("the loss depends on all of them").detach());
        Self { step, loss: value, text, image, scale }
    }

    /// The loss as a function of the directions of a part's pairs and of the scale. The mean over
    /// the parts has the value of the whole, and its gradient.
    pub(super) fn loss(
        &self,
        text: &Tensor,
        image: &Tensor,
        logit_scale: &Tensor,
        part: Part,
    ) -> Tensor {
        let known = |of: &Tensor, all: &Tensor| {
            let range = part.range(all.dim(0));
            let own = all.narrow_rows(range.start, range.len());
            of.with_known_gradient(0.0, &own.scale(part.of as f32))
        };
        let scale = logit_scale.with_known_gradient(self.loss, &self.scale);
        known(text, &self.text).add(&known(image, &self.image)).add(&scale)
    }
}

#[cfg(test)]
mod tests {
    use aquatint_tensor::Rng;

    use super::*;
    use crate::contrastive::FIRST_LOGIT_SCALE;

    #[test]
    fn parts_have_the_gradient_of_the_whole() {
        let mut rng = Rng::new(3);
        let [text, image] = [0, 1].map(|_| rng.randn(&[6, 4]).tracked());
        let scale = Tensor::full(&[1], FIRST_LOGIT_SCALE).tracked();
        let embed = |x: &Tensor, part: Part| {
            let range = part.range(6);
            x.narrow_rows(range.start, range.len()).l2_normalize()
        };
        let of = 3;
        let parts: Vec<Part> = (0..of).map(|index| Part { index, of }).collect();
        let pairs = parts.iter().map(|&part| (embed(&text, part), embed(&image, part)));
        let cached = Cached::new(0, pairs, &scale);

        let whole = contrastive_loss(&text.l2_normalize(), &image.l2_normalize(), &scale);
        let mut mean: Option<Tensor> = None;
        for part in parts {
            let loss = cached.loss(&embed(&text, part), &embed(&image, part), &scale, part);
            let loss = loss.scale(1.0 / of as f32);
            mean = Some(mean.map_or(loss.clone(), |sum| sum.add(&loss)));
        }
        let mean = mean.expect("parts");
        assert!((mean.item() - whole.item()).abs() < 1e-5);
        let [a, b] = [mean, whole].map(|loss| loss.backward());
        for leaf in [&text, &image, &scale] {
            let [a, b] = [&a, &b].map(|grads| grads.get(leaf).expect("a gradient"));
            assert!(b.max_abs() > 1e-3 && a.sub(b).max_abs() < 1e-5 * b.max_abs().max(1.0));
        }
    }
}
