//! What a tensor of such a file is for, from the end of its name.

/// The part that a tensor plays in the change of one layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// `[r, in]` or `[r, in, kh, kw]`
    Down,
    /// `[out, r]`
    Up,
    /// `[r, r, kh, kw]`, between the two.
    Mid,
    /// The numerator of the scale; r is the denominator.
    Alpha,
    /// The length of each row, or column, of the changed weight.
    Dora,
    /// The whole change of the weight, and of the bias.
    Diff,
    DiffBias,
    /// LoHa's four matrices and two cores.
    HadaA1,
    HadaB1,
    HadaA2,
    HadaB2,
    HadaT1,
    HadaT2,
    /// LoKr's two factors, whole or as products.
    Kron1,
    KronA1,
    KronB1,
    Kron2,
    KronA2,
    KronB2,
    KronT2,
}

use Role::{
    Alpha, Diff, DiffBias, Dora, Down, HadaA1, HadaA2, HadaB1, HadaB2, HadaT1, HadaT2, Kron1,
    Kron2, KronA1, KronA2, KronB1, KronB2, KronT2, Mid, Up,
};

/// Ends of names, the longer ones of the same end first.
const ENDS: [(&str, Role); 35] = [
    (".lora_down.weight", Down),
    (".lora_up.weight", Up),
    (".lora_mid.weight", Mid),
    (".lora_A.weight", Down),
    (".lora_B.weight", Up),
    (".lora_A.default.weight", Down),
    (".lora_B.default.weight", Up),
    (".lora_linear_layer.down.weight", Down),
    (".lora_linear_layer.up.weight", Up),
    (".lora.down.weight", Down),
    (".lora.up.weight", Up),
    ("_lora.down.weight", Down),
    ("_lora.up.weight", Up),
    (".alpha", Alpha),
    (".dora_scale", Dora),
    (".lora_magnitude_vector", Dora),
    (".lora_magnitude_vector.weight", Dora),
    (".lora_magnitude_vector.default.weight", Dora),
    (".diff", Diff),
    (".diff_b", DiffBias),
    (".w_norm", Diff),
    (".b_norm", DiffBias),
    (".hada_w1_a", HadaA1),
    (".hada_w1_b", HadaB1),
    (".hada_w2_a", HadaA2),
    (".hada_w2_b", HadaB2),
    (".hada_t1", HadaT1),
    (".hada_t2", HadaT2),
    (".lokr_w1", Kron1),
    (".lokr_w1_a", KronA1),
    (".lokr_w1_b", KronB1),
    (".lokr_w2", Kron2),
    (".lokr_w2_a", KronA2),
    (".lokr_w2_b", KronB2),
    (".lokr_t2", KronT2),
];

/// Parts of names that tell kinds of changes which are not supported.
const OTHERS: [(&str, &str); 7] = [
    (".oft_", "orthogonal fine-tuning (OFT)"),
    (".boft_", "orthogonal fine-tuning (BOFT)"),
    (".on_input", "(IA)³"),
    (".ia3_", "(IA)³"),
    (".a1.weight", "GLoRA"),
    (".vera_lambda", "VeRA"),
    (".fourierft_", "FourierFT"),
];

/// Beginnings of names that change no layer, and why they may be left out.
pub(super) const IGNORED: [(&str, &str); 1] =
    [("bundle_emb.", "words learnt along with it, which are embeddings of their own")];

impl Role {
    /// How files most often call it.
    pub fn name(self) -> &'static str {
        ENDS.iter().find(|(_, role)| *role == self).map_or("", |(end, _)| &end[1..])
    }
}

/// The layer as the file calls it, and what the tensor `name` is to it.
pub(super) fn split(name: &str) -> Option<(String, Role)> {
    let (mut layer, role) =
        ENDS.iter().find_map(|(end, role)| Some((name.strip_suffix(end)?, *role)))?;
    if role == Alpha {
        // diffusers' dictionaries of alphas are keyed by the name of the first matrix.
        let downs = ENDS.iter().filter(|(_, role)| *role == Down).map(|(end, _)| *end);
        let more = [".lora", "_lora"];
        layer = downs.chain(more).find_map(|end| layer.strip_suffix(end)).unwrap_or(layer);
    }
    let layer = layer.strip_prefix("base_model.model.").unwrap_or(layer);
    Some((layer.replace(".processor.", "."), role))
}

/// The kind of change that the tensor `name` belongs to, if it is one that is not supported.
pub(super) fn unsupported(name: &str) -> Option<&'static str> {
    OTHERS.iter().find(|(part, _)| name.contains(part)).map(|&(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_layer() {
        for (name, layer, role) in [
            ("lora_unet_mid_block_x.lora_down.weight", "lora_unet_mid_block_x", Down),
            ("unet.mid.attn1.to_q.lora_A.weight", "unet.mid.attn1.to_q", Down),
            ("base_model.model.mid.to_q.lora_B.default.weight", "mid.to_q", Up),
            ("unet.mid.attn1.processor.to_q_lora.up.weight", "unet.mid.attn1.to_q", Up),
            ("unet.mid.attn1.to_out.0.lora.up.weight", "unet.mid.attn1.to_out.0", Up),
            ("text_encoder.q_proj.lora_linear_layer.up.weight", "text_encoder.q_proj", Up),
            ("unet.mid.to_q.lora.down.weight.alpha", "unet.mid.to_q", Alpha),
            ("unet.mid.processor.to_q_lora.alpha", "unet.mid.to_q", Alpha),
            ("lora_te_x.alpha", "lora_te_x", Alpha),
            ("lora_te_x.lokr_w1_a", "lora_te_x", KronA1),
            ("lora_te_x.lokr_w1", "lora_te_x", Kron1),
            ("lora_te_x.diff_b", "lora_te_x", DiffBias),
        ] {
            assert_eq!(split(name), Some((layer.to_owned(), role)), "{name}");
        }
        assert_eq!(split("down_blocks.0.weight"), None);
        assert_eq!(unsupported("lora_unet_x.oft_blocks"), Some("orthogonal fine-tuning (OFT)"));
    }
}
