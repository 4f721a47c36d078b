//! Which layers of a model a LoRA changes.

use aquatint_checkpoint::nearest;
use aquatint_nn::{Module, Param};
use aquatint_tensor::Use;

/// Sets of layers of the U-Net.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    /// What makes queries, keys and values, and what follows them.
    attention: bool,
    /// The two layers after them.
    feed_forward: bool,
    /// All convolutions, those that lead in and out of transformers too.
    convolutions: bool,
    /// The layers of a draft, for a U-Net that makes drafts.
    draft: bool,
    /// All these and what hears of the time.
    all: bool,
}

/// What sets are called in a configuration.
const NAMES: [&str; 5] = ["attention", "feed-forward", "convolutions", "draft", "all"];

impl Targets {
    /// The sets of these names together.
    ///
    /// # Errors
    /// A sentence that names the key.
    pub fn of(names: &[String]) -> Result<Self, String> {
        let mut targets = Self::default();
        for name in names {
            *match name.as_str() {
                "attention" => &mut targets.attention,
                "feed-forward" => &mut targets.feed_forward,
                "convolutions" => &mut targets.convolutions,
                "draft" => &mut targets.draft,
                "all" => &mut targets.all,
                other => {
                    let hint = match nearest(other, NAMES.into_iter()) {
                        Some(near) => format!("did you mean {near:?}?"),
                        None => format!("known are {}", known_targets()),
                    };
                    return Err(format!("`task.lora.targets` has {other:?}; {hint}"));
                }
            } = true;
        }
        if targets == Self::default() {
            let known = known_targets();
            return Err(format!("`task.lora.targets` is empty; known are {known}"));
        }
        Ok(targets)
    }

    fn has(self, layer: &str, used: Use) -> bool {
        if layer.starts_with("draft.") {
            return self.draft || self.all;
        }
        let convolution = matches!(used, Use::Conv2d | Use::Conv2dSame | Use::Conv2dSameFine);
        self.all
            || self.attention && is_attention(layer)
            || self.feed_forward && layer.contains(".ff.net.")
            || self.convolutions && convolution
    }

    /// The layers of a U-Net, with the shapes of their weights.
    pub fn layers(self, unet: &dyn Module) -> Vec<(String, Vec<usize>)> {
        layers(unet, &|layer, used| self.has(layer, used))
    }
}

/// The layers of the text encoder that a LoRA changes, with the shapes of their weights: those of
/// its attention, as diffusers' scripts have it.
pub fn text_layers(encoder: &dyn Module) -> Vec<(String, Vec<usize>)> {
    layers(encoder, &|layer, _| is_attention(layer))
}

fn is_attention(layer: &str) -> bool {
    let last = |end: &str| layer.strip_suffix(end).is_some_and(|start| start.ends_with('.'));
    let unet = ["to_q", "to_k", "to_v", "to_out.0"].into_iter().any(last);
    unet || ["q_proj", "k_proj", "v_proj", "out_proj"].into_iter().any(last)
}

/// The names of sets, for messages.
fn known_targets() -> String {
    NAMES.map(|name| format!("\"{name}\"")).join(", ")
}

fn layers(module: &dyn Module, wanted: &dyn Fn(&str, Use) -> bool) -> Vec<(String, Vec<usize>)> {
    let mut found = Vec::new();
    module.visit("", &mut |name: &str, param: &Param| {
        let layer = name.strip_suffix(".weight");
        let of_layer = !matches!(param.used(), Use::Any | Use::Table);
        if let Some(layer) = layer.filter(|layer| of_layer && wanted(layer, param.used())) {
            found.push((layer.to_owned(), param.shape().to_vec()));
        }
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(names: &[&str], layer: &str, used: Use) -> bool {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        Targets::of(&names).unwrap().has(layer, used)
    }

    #[test]
    fn sets() {
        let to_q = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q";
        let ff = "mid_block.attentions.0.transformer_blocks.0.ff.net.0.proj";
        assert!(has(&["attention"], to_q, Use::Linear));
        assert!(!has(&["attention"], ff, Use::Linear));
        assert!(has(&["feed-forward", "draft"], ff, Use::LinearGeglu));
        assert!(has(&["convolutions"], "conv_in", Use::Conv2dSame));
        assert!(!has(&["convolutions"], to_q, Use::Linear));
        assert!(!has(&["convolutions"], "draft.conv", Use::Conv2dSame));
        assert!(has(&["draft"], "draft.linear_1", Use::Linear));
        assert!(has(&["all"], "draft.linear_1", Use::Linear));
        assert!(has(&["all"], "time_embedding.linear_1", Use::Linear));
    }

    #[test]
    fn what_is_misspelt_is_named() {
        let of = |name: &str| Targets::of(&[name.to_owned()]).unwrap_err();
        assert_eq!(
            of("atention"),
            "`task.lora.targets` has \"atention\"; did you mean \"attention\"?"
        );
        assert!(of("zzzzzzzz").contains("known are \"attention\", "));
        assert!(Targets::of(&[]).unwrap_err().contains("is empty"));
    }
}
