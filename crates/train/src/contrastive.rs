//! The loss of CLIP (arXiv:2103.00020).

use aquatint_tensor::Tensor;

/// ln(1 / 0.07), where CLIP begins (section 2.5).
pub const FIRST_LOGIT_SCALE: f32 = 2.659_26;
/// ln 100, beyond which CLIP found training unstable.
pub const LAST_LOGIT_SCALE: f32 = 4.605_17;
/// CLIP's loss (Figure 3): the cross entropies of both directions' choices, averaged.
///
/// `text` and `image` `[N, P]` are of length 1; `logit_scale` is the logarithm of what their
/// products are multiplied by.
pub fn contrastive_loss(text: &Tensor, image: &Tensor, logit_scale: &Tensor) -> Tensor {
    let scale = logit_scale.exp();
    let targets: Vec<usize> = (0..text.dim(0)).collect();
    let of_images = image.scale_by(&scale).linear(text, None).cross_entropy(&targets);
    let of_texts = text.scale_by(&scale).linear(image, None).cross_entropy(&targets);
    of_images.add(&of_texts).scale(0.5)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::Value;

    use super::*;

    /// The name-hashed inputs of the reference generator, 1.7·u.
    fn input(what: &str, shape: &[usize]) -> Tensor {
        let values = crate::testing::hashed(&format!("input:{what}"), shape.iter().product());
        Tensor::new(values.iter().map(|x| (1.7 * x) as f32).collect(), shape)
    }

    #[test]
    fn loss_and_gradients_are_those_of_pytorch() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/golden/clip_loss.json");
        let golden: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let [image, text] = ["image_embeds", "text_embeds"].map(|w| input(w, &[4, 6]).tracked());
        let scale = Tensor::full(&[1], FIRST_LOGIT_SCALE).tracked();
        let loss = contrastive_loss(&text.l2_normalize(), &image.l2_normalize(), &scale);
        let close = |ours: f64, key: &str| {
            let theirs = golden[key].as_f64().unwrap();
            assert!((ours - theirs).abs() < 1e-4 * theirs, "{key}: {ours} is not {theirs}");
        };
        close(f64::from(loss.item()), "loss");
        let grads = loss.backward();
        for (key, leaf) in
            [("image_embeds", &image), ("text_embeds", &text), ("logit_scale", &scale)]
        {
            close(grads.get(leaf).unwrap().sum_of_squares().sqrt(), key);
        }
    }

    #[test]
    fn the_scale_begins_and_ends_where_clips_does() {
        assert!((FIRST_LOGIT_SCALE - (1.0f32 / 0.07).ln()).abs() < 1e-5);
        assert!((LAST_LOGIT_SCALE - 100f32.ln()).abs() < 1e-5);
    }
}
