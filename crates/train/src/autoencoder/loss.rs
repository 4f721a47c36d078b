//! The loss of a first stage (Rombach et al. 2022, section 3.1 and appendix G.1; Esser et al. 2021,
//! section 3.1): errors of pixels, a perceptual distance, a judge of patches, and what keeps the
//! latents in bounds.

use std::collections::BTreeSet;

use aquatint_models::{PatchDiscriminator, Perceptual};
use aquatint_nn::{Conv2d, ModuleExt};
use aquatint_tensor::Tensor;

use super::network::{Encoded, Network};
use super::task::{AutoencoderTask, LossForm};
use crate::task::{Figures, StepLoss};

/// The most that the judge's word may weigh.
const MOST_WEIGHT: f64 = 1e4;

/// The autoencoder and whoever has an opinion on its pictures.
pub struct FirstStage {
    /// What is trained.
    pub network: Network,
    /// The network of the perceptual distance.
    pub perceptual: Option<Perceptual>,
    /// The judge of patches.
    pub discriminator: Option<PatchDiscriminator>,
    /// The weights of everything.
    pub task: AutoencoderTask,
}

/// Mean squared difference, for values from -1 to 1, as decibels below the whole range.
pub fn psnr(mean_squared: f64) -> f64 {
    10.0 * (4.0 / mean_squared.max(1e-12)).log10()
}

/// How far pictures are from what they should be.
struct Distance {
    loss: Tensor,
    parts: Figures,
}

impl FirstStage {
    /// The loss of the step number `step` on `image` `[N, H, W, 3]`, and the judge's, if it is
    /// there already. `noise` draws ε of a shape.
    ///
    /// The paper's code decodes again, after the autoencoder's weights have changed, before the
    /// judge learns; here it learns from the pictures that it was asked about.
    pub fn loss(
        &mut self,
        image: &Tensor,
        step: u64,
        noise: &mut dyn FnMut(&[usize]) -> Tensor,
    ) -> (StepLoss, Option<Tensor>) {
        let encoded = self.network.encode(image, noise);
        let start = self.task.discriminator.as_ref().map(|judge| judge.start);
        match self.discriminator.take() {
            Some(mut judge) if start.is_some_and(|start| step >= start) => {
                let (loss, of_judge) = self.judged(image, &encoded, &mut judge);
                self.discriminator = Some(judge);
                (loss, Some(of_judge))
            }
            absent => {
                self.discriminator = absent;
                let again = self.network.decode_encoded(&encoded.latents);
                let Distance { loss, mut parts } = self.distance(image, &again);
                let loss = self.regularized(loss, image, &encoded, &mut parts);
                (StepLoss { loss, parts }, None)
            }
        }
    }

    /// The loss with the judge's part in it, and the judge's own.
    fn judged(
        &self,
        image: &Tensor,
        encoded: &Encoded,
        judge: &mut PatchDiscriminator,
    ) -> (StepLoss, Tensor) {
        let features = self.network.decode_features(&encoded.latents);
        let last = self.network.last_layer();
        let pictures = last.forward(&features);
        // Both parts are followed back to the pictures by themselves, since it takes the gradient of
        // each to weigh one against the other; then both go on together.
        let again = pictures.detach().tracked();
        let Distance { loss, mut parts } = self.distance(image, &again);
        let distance = loss.item();
        let of_distance = gradient(loss, &again);
        let mut untracked = judge.clone();
        untracked.untrack();
        let generator = untracked.forward(&again).mean().scale(-1.0);
        let fooled = generator.item();
        let of_generator = gradient(generator, &again);

        let features = features.detach();
        let norm = |of: &Tensor| last_layer_norm(last, &features, of);
        let adaptive = (norm(&of_distance) / (norm(&of_generator) + 1e-4)).min(MOST_WEIGHT);
        let weight = self.task.discriminator.as_ref().map_or(0.0, |judge| judge.weight);
        let adaptive = adaptive as f32 * weight;
        parts.push(("generator", f64::from(fooled)));
        parts.push(("adaptive_weight", f64::from(adaptive)));
        let both = of_distance.add(&of_generator.scale(adaptive));
        let loss = pictures.with_known_gradient(distance + adaptive * fooled, &both);
        let loss = self.regularized(loss, image, encoded, &mut parts);

        let (real, fake) = (judge.forward_observed(image), judge.forward_observed(&again.detach()));
        parts.push(("logits_real", f64::from(real.mean().item())));
        parts.push(("logits_fake", f64::from(fake.mean().item())));
        let of_judge = hinge(&real, &fake);
        parts.push(("discriminator", f64::from(of_judge.item())));
        (StepLoss { loss, parts }, of_judge)
    }

    /// How far `again` is from `image`, both `[N, H, W, 3]`.
    fn distance(&self, image: &Tensor, again: &Tensor) -> Distance {
        let error = again.sub(image);
        let AutoencoderTask { mse_weight, logvar, loss_form, .. } = self.task;
        let (absolute, squared) = (error.abs().mean(), error.sqr().mean());
        let mut parts = vec![
            ("absolute", f64::from(absolute.item())),
            ("psnr", psnr(f64::from(squared.item()))),
        ];
        let mut loss = absolute.add(&squared.scale(mse_weight));
        let weight = self.task.weight_of_perceptual();
        if let Some(network) = self.perceptual.as_ref().filter(|_| weight > 0.0) {
            let mean = network.distance(image, again).mean();
            parts.push((network.name(), f64::from(mean.item())));
            loss = loss.add(&mean.scale(weight));
        }
        if loss_form == LossForm::Sum {
            // One distance of a picture counts at each of its numbers, as does the variance.
            let numbers = (image.len() / image.dim(0)) as f32;
            loss = loss.scale(numbers * (-logvar).exp()).add_scalar(numbers * logvar);
            parts.push(("nll", f64::from(loss.item())));
        }
        Distance { loss, parts }
    }

    /// `loss` and what keeps the latents in bounds.
    fn regularized(
        &self,
        loss: Tensor,
        image: &Tensor,
        encoded: &Encoded,
        parts: &mut Figures,
    ) -> Tensor {
        let Encoded { latents, regularizer, indices } = encoded;
        let (name, regularizer, weight) = match (&self.network, self.task.loss_form) {
            (Network::Kl(_), LossForm::Mean) => {
                let per_latent = image.dim(0) as f32 / latents.len() as f32;
                ("kl", regularizer.scale(per_latent), self.task.kl_weight.unwrap_or(0.0))
            }
            (Network::Kl(_), LossForm::Sum) => {
                ("kl", regularizer.clone(), self.task.kl_weight.unwrap_or(0.0))
            }
            (Network::Vq(_), _) => {
                ("codebook", regularizer.clone(), self.task.codebook_weight.unwrap_or(1.0))
            }
        };
        parts.push((name, f64::from(regularizer.item())));
        if let Network::Vq(_) = &self.network {
            let used: BTreeSet<u32> = indices.iter().copied().collect();
            parts.push(("codebook_used", used.len() as f64));
        }
        loss.add(&regularizer.scale(weight))
    }
}

/// The gradient of `loss` with respect to `leaf`.
fn gradient(loss: Tensor, leaf: &Tensor) -> Tensor {
    loss.backward().take(leaf).unwrap_or_else(|| Tensor::zeros(leaf.shape()))
}

/// The length of the gradient of the last layer's weight, from that of its pictures.
fn last_layer_norm(last: &Conv2d, features: &Tensor, of_pictures: &Tensor) -> f64 {
    let loss = last.forward(features).mul(of_pictures).sum();
    let grads = loss.backward();
    grads.get(last.weight.value()).map_or(0.0, |grad| grad.sum_of_squares().sqrt())
}

/// The hinge loss of the judge (Lim & Ye, arXiv:1705.02894): it wants to say 1 or more of true
/// pictures, and −1 or less of others.
fn hinge(real: &Tensor, fake: &Tensor) -> Tensor {
    let of = |logits: &Tensor, sign: f32| logits.scale(sign).add_scalar(1.0).leaky_relu(0.0).mean();
    of(real, -1.0).add(&of(fake, 1.0)).scale(0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hinge_is_satisfied_beyond_one() {
        let logits = |values: [f32; 2]| Tensor::new(values.to_vec(), &[1, 2]);
        assert_eq!(hinge(&logits([1.0, 5.0]), &logits([-1.0, -2.0])).item(), 0.0);
        assert_eq!(hinge(&logits([0.0, 0.0]), &logits([0.0, 0.0])).item(), 1.0);
        assert_eq!(hinge(&logits([-1.0, 1.0]), &logits([-1.0, 2.0])).item(), 0.5 * (1.0 + 1.5));
    }
}
