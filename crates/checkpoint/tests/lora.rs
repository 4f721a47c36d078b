//! Files that change a model, and what is wrong with them.

use std::collections::BTreeMap;

use aquatint_checkpoint::lora::{Delta, LoraError, LoraFile, Targets};
use aquatint_checkpoint::{DType, Weights, encode};
use aquatint_tensor::{Rng, Tensor};
use proptest::prelude::*;
use serde_json::json;

/// Layers of every shape: a linear one, a convolution, a normalization.
fn targets() -> Targets {
    let shapes: [(&str, &[usize]); 6] = [
        ("mid_block.attentions.0.proj_in.weight", &[8, 6]),
        ("mid_block.attentions.0.proj_in.bias", &[8]),
        ("conv_in.weight", &[8, 4, 3, 3]),
        ("conv_in.bias", &[8]),
        ("conv_norm_out.weight", &[8]),
        ("mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight", &[6, 768]),
    ];
    let parameters = shapes.map(|(name, shape)| (name.to_owned(), shape.to_vec()));
    let mut targets = Targets::default();
    targets.add("unet", &json!({"cross_attention_dim": 768}), &parameters);
    targets
}

fn bytes(tensors: &[(&str, &[usize])], metadata: &[(&str, &str)]) -> Vec<u8> {
    let tensors: Vec<(String, Tensor)> = tensors
        .iter()
        .map(|(name, shape)| ((*name).to_owned(), Rng::new(1).randn(shape)))
        .collect();
    let metadata: BTreeMap<String, String> =
        metadata.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    let mut bytes = Vec::new();
    encode(&mut bytes, &tensors, DType::F32, &metadata).unwrap();
    bytes
}

fn open(bytes: Vec<u8>) -> Result<LoraFile, LoraError> {
    LoraFile::of(Weights::from_bytes("a.safetensors", bytes)?)
}

#[track_caller]
fn refused(tensors: &[(&str, &[usize])]) -> String {
    let error = open(bytes(tensors, &[])).and_then(|file| file.bind(&targets()).map(drop));
    let error = error.expect_err("it must be refused").to_string();
    error.strip_prefix("a.safetensors ").expect("the name of the file").to_owned()
}

const IN: &str = "lora_unet_mid_block_attentions_0_proj_in";

#[test]
fn one_sentence_each() {
    let down: &[usize] = &[2, 6];
    let name = |end: &str| format!("{IN}.{end}").leak() as &str;
    let (a, b) = ((name("lora_down.weight"), down), (name("lora_up.weight"), &[8, 2][..]));
    assert_eq!(open(bytes(&[a, b], &[])).unwrap().bind(&targets()).unwrap().len(), 1);
    for (tensors, expected) in [
        (
            vec![("model.diffusion_model.x.weight", &[2][..])],
            "is no LoRA: it is no model that we know (it holds `model.diffusion_model.x.weight`); \
             give a Stable Diffusion model, as a single file or a diffusers folder",
        ),
        (
            vec![(name("oft_blocks"), &[2, 2, 2][..])],
            "cannot be used: it holds `lora_unet_mid_block_attentions_0_proj_in.oft_blocks`, which \
             belongs to orthogonal fine-tuning (OFT); LoRA, LoHa, LoKr and full differences are \
             supported",
        ),
        (
            vec![a, b, ("something.else", &[1])],
            "cannot be used: nobody knows what its `something.else` is for",
        ),
        (
            vec![a],
            "is incomplete: it changes `lora_unet_mid_block_attentions_0_proj_in`, but has no \
             `lora_up.weight` for it; copy or download it again",
        ),
        (
            vec![a, b, (name("diff"), &[8, 6])],
            "changes `lora_unet_mid_block_attentions_0_proj_in` in two ways at once, by \
             `lora_unet_mid_block_attentions_0_proj_in.lora_down.weight` and by \
             `lora_unet_mid_block_attentions_0_proj_in.diff`",
        ),
        (
            vec![
                a,
                b,
                ("unet.mid_block.attentions.0.proj_in.lora_A.weight", down),
                ("unet.mid_block.attentions.0.proj_in.lora_B.weight", &[8, 2]),
            ],
            "changes `unet.mid_block.attentions.0.proj_in` in two ways at once, by \
             `lora_unet_mid_block_attentions_0_proj_in.lora_down.weight` and by \
             `unet.mid_block.attentions.0.proj_in.lora_A.weight`",
        ),
        (
            vec![a, (b.0, &[8, 3])],
            "contradicts itself: the shapes of its tensors for \
             `lora_unet_mid_block_attentions_0_proj_in` do not fit each other \
             (`lora_unet_mid_block_attentions_0_proj_in.lora_down.weight` [2, 6], \
             `lora_unet_mid_block_attentions_0_proj_in.lora_up.weight` [8, 3]); copy or download it \
             again",
        ),
        (
            vec![a, b, (name("alpha"), &[2])],
            "cannot be used: its `lora_unet_mid_block_attentions_0_proj_in.alpha` is of shape [2], \
             where one finite number is wanted",
        ),
        (
            vec![
                ("lora_unet_x_attn2_to_k.lora_down.weight", &[2, 2048]),
                ("lora_unet_x_attn2_to_k.lora_up.weight", &[6, 2]),
            ],
            "was made for Stable Diffusion XL, but this model is Stable Diffusion 1.x: give a LoRA \
             that was made for Stable Diffusion 1.x",
        ),
        (
            vec![("lora_unet_proj.lora_down.weight", down), ("lora_unet_proj.lora_up.weight", b.1)],
            "does not fit the model: it changes `lora_unet_proj`, which the model does not have \
             (the nearest is `lora_unet_conv_in`); 0 of its 1 layers fit",
        ),
        (
            vec![a, (b.0, &[9, 2])],
            "does not fit the model: its change of `lora_unet_mid_block_attentions_0_proj_in` is \
             [9, 6], but the model's `unet.mid_block.attentions.0.proj_in.weight` is [8, 6]; 0 of \
             its 1 layers fit",
        ),
        (
            vec![a, b, (name("dora_scale"), &[7])],
            "does not fit the model: its change of `lora_unet_mid_block_attentions_0_proj_in` is \
             [7], but the model's `unet.mid_block.attentions.0.proj_in.weight` is [8, 6]; 0 of its \
             1 layers fit",
        ),
        (
            vec![("lora_unet_conv_norm_out.b_norm", &[8])],
            "does not fit the model: it changes the bias of `lora_unet_conv_norm_out`, which has \
             none in the model",
        ),
    ] {
        assert_eq!(refused(&tensors), expected);
    }
    let metadata = [("lora_adapter_metadata", "[1]")];
    let error = open(bytes(&[a, b], &metadata)).err().expect("no object").to_string();
    assert_eq!(
        error,
        "a.safetensors is damaged: its lora_adapter_metadata is no JSON object; copy or download it again"
    );
    let alpha = vec![(a.0.to_owned(), Tensor::zeros(down)), (b.0.into(), Tensor::zeros(b.1))];
    let nan = (name("alpha").to_owned(), Tensor::full(&[], f32::NAN));
    let mut out = Vec::new();
    encode(&mut out, &[alpha, vec![nan]].concat(), DType::F32, &BTreeMap::new()).unwrap();
    assert!(open(out).err().expect("NaN").to_string().contains("is NaN, where one finite number"));
}

#[test]
fn what_is_in_a_file() {
    let file = open(bytes(
        &[
            ("lora_unet_a_attn2_to_k.lora_down.weight", &[4, 768]),
            ("lora_unet_a_attn2_to_k.lora_up.weight", &[8, 4]),
            ("lora_te_b.hada_w1_a", &[6, 2]),
            ("lora_te_b.hada_w1_b", &[2, 6]),
            ("lora_te_b.hada_w2_a", &[6, 2]),
            ("lora_te_b.hada_w2_b", &[2, 6]),
            ("lora_te_b.dora_scale", &[6, 1]),
            ("lora_unet_c.diff_b", &[6]),
            ("bundle_emb.word.string_to_param.*", &[2, 768]),
        ],
        &[],
    ));
    let summary = file.unwrap().summary();
    assert_eq!(summary.kinds, BTreeMap::from([("LoRA", 1), ("LoHa", 1), ("bias", 1)]));
    assert_eq!(summary.parts, BTreeMap::from([("unet", 2), ("text_encoder", 1)]));
    assert_eq!((summary.ranks, summary.scales, summary.dora), (vec![2, 4], [1.0, 1.0], true));
    assert_eq!(summary.base, Some("Stable Diffusion 1.x"));
    assert_eq!(summary.ignored[0].0, "bundle_emb.word.string_to_param.*");
}

/// LyCORIS' first DoRA had lengths of columns; a square weight goes by the shape.
#[test]
fn lengths_of_columns() {
    let name = |end: &str| format!("{IN}.{end}");
    let tensors = [
        (name("lora_down.weight"), Tensor::zeros(&[2, 6])),
        (name("lora_up.weight"), Tensor::zeros(&[8, 2])),
        (name("dora_scale"), Tensor::full(&[1, 6], 2.0)),
    ];
    let mut out = Vec::new();
    encode(&mut out, &tensors, DType::F32, &BTreeMap::new()).unwrap();
    let file = open(out).unwrap();
    let [change] = &file.bind(&targets()).unwrap()[..] else { panic!("one change") };
    let base = Tensor::full(&[8, 6], 1.0);
    let Delta::Whole(delta) = file.delta(change, 0.5, &base).unwrap() else { panic!("whole") };
    // Columns of eight ones are √8 long, and go half the way to 2.
    let expected = 0.5 * (2.0 / 8f32.sqrt() - 1.0);
    assert!(delta.to_vec().iter().all(|x| (x - expected).abs() < 1e-6));
}

const ENDS: [&str; 18] = [
    "lora_down.weight",
    "lora_up.weight",
    "lora_mid.weight",
    "alpha",
    "dora_scale",
    "diff",
    "diff_b",
    "hada_w1_a",
    "hada_w1_b",
    "hada_w2_a",
    "hada_w2_b",
    "hada_t1",
    "hada_t2",
    "lokr_w1",
    "lokr_w2",
    "lokr_w2_a",
    "lokr_w2_b",
    "lokr_t2",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    /// Whatever a file says: a sentence, or changes of the right size.
    #[test]
    fn any_tensors_of_any_shape(
        tensors in prop::collection::vec(
            (0..ENDS.len(), prop::collection::vec(prop::sample::select(vec![0usize, 1, 2, 3, 4, 6, 8]), 0..5)),
            1..7,
        ),
        layer in prop::sample::select(vec![IN, "lora_unet_conv_in", "lora_unet_conv_norm_out"]),
    ) {
        let named: BTreeMap<String, Vec<usize>> = tensors
            .into_iter()
            .map(|(end, shape)| (format!("{layer}.{}", ENDS[end]), shape))
            .collect();
        let listed: Vec<(&str, &[usize])> =
            named.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect();
        let Ok(file) = open(bytes(&listed, &[])) else { return Ok(()) };
        let Ok(changes) = file.bind(&targets()) else { return Ok(()) };
        for change in changes {
            let shape: &[usize] = match change.parameter.as_str() {
                "mid_block.attentions.0.proj_in.weight" => &[8, 6],
                "conv_in.weight" => &[8, 4, 3, 3],
                _ => &[8],
            };
            let delta = file.delta(&change, 1.0, &Tensor::full(shape, 1.0)).unwrap();
            let whole = delta.whole(shape);
            prop_assert_eq!(whole.shape(), shape);
        }
    }
}

/// A file that is cut off anywhere, or has a wrong byte.
#[test]
fn damaged_files() {
    let name = |end: &str| format!("{IN}.{end}").leak() as &str;
    let tensors: [(&str, &[usize]); 3] = [
        (name("lora_down.weight"), &[2, 6]),
        (name("lora_up.weight"), &[8, 2]),
        (name("alpha"), &[]),
    ];
    let whole = bytes(&tensors, &[]);
    for length in 0..whole.len() {
        assert!(open(whole[..length].to_vec()).is_err(), "{length} bytes");
    }
    let header = whole.len() - 4 * (12 + 16 + 1);
    for at in 0..header {
        let mut wrong = whole.clone();
        wrong[at] ^= 1;
        if let Ok(file) = open(wrong) {
            let _ = file.bind(&targets());
        }
    }
}
