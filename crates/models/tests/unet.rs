//! The U-Net against diffusers, and on its own.

mod common;

use aquatint_models::unet::DraftConfig;
use aquatint_models::{PerBlock, UNet2DConditionConfig, UNet2DConditionModel, UNetConditions};
use aquatint_nn::ModuleExt;
use aquatint_tensor::{Rng, Tensor};
use common::{Golden, fill, input, numbers};

struct Case {
    golden: Golden,
    model: UNet2DConditionModel,
    sample: Tensor,
    timesteps: Vec<f32>,
    context: Tensor,
}

fn open(name: &str) -> Case {
    let golden = Golden::open(name);
    let config: UNet2DConditionConfig = golden.config();
    let mut model = UNet2DConditionModel::new(&config);
    fill(&mut model);
    let inputs = golden.inputs();
    Case {
        model,
        sample: input("sample", &numbers::<usize>(&inputs["sample"])).from_nchw(),
        timesteps: numbers(&inputs["timesteps"]),
        context: input("context", &numbers::<usize>(&inputs["context"])),
        golden,
    }
}

fn agrees_with_diffusers(name: &str) {
    let Case { mut golden, model, sample, timesteps, context } = open(name);
    let none = UNetConditions::default();
    let out = model.forward_with(&sample, &timesteps, &context, &none, &mut |stage, x| {
        golden.check(stage, x);
    });
    golden.check("out", &out);
    golden.assert_all_seen();
}

#[test]
fn sd1_structure_agrees_with_diffusers() {
    agrees_with_diffusers("unet_tiny_sd");
}

#[test]
fn sd2_structure_agrees_with_diffusers() {
    agrees_with_diffusers("unet_tiny_sd2");
}

#[test]
fn gradients_agree_with_pytorch() {
    gradients_agree("unet_tiny");
}

#[test]
fn the_prompt_beside_the_time_agrees_with_diffusers() {
    gradients_agree("unet_tiny_text");
}

fn gradients_agree(name: &str) {
    let Case { mut golden, mut model, sample, timesteps, context } = open(name);
    model.track();
    let context = context.tracked();
    let noise = input("noise", &numbers::<usize>(&golden.inputs()["noise"])).from_nchw();
    let none = UNetConditions::default();
    let out = model.forward_with(&sample, &timesteps, &context, &none, &mut |stage, x| {
        golden.check(stage, x);
    });
    golden.check("out", &out);
    let loss = out.sub(&noise).sqr().mean();
    let value = loss.item();
    let grads = loss.backward();
    let parameters = model.named_parameters();
    golden.check_grads(value, &grads, |name| match name {
        "input:context" => Some(&context),
        _ => parameters.iter().find(|(n, _)| n == name).map(|(_, param)| param.value()),
    });
    golden.assert_all_seen();
    common::assert_every_parameter_has_a_gradient(&model, &grads);
}

fn tiny() -> UNet2DConditionConfig {
    UNet2DConditionConfig {
        block_out_channels: vec![8, 16, 16],
        down_block_types: ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"]
            .map(str::to_owned)
            .to_vec(),
        up_block_types: ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"]
            .map(str::to_owned)
            .to_vec(),
        layers_per_block: PerBlock::Each(vec![1, 2, 1]),
        transformer_layers_per_block: PerBlock::Each(vec![1, 2, 1]),
        norm_num_groups: 4,
        attention_head_dim: PerBlock::Same(2),
        cross_attention_dim: 6,
        ..Default::default()
    }
}

#[test]
fn any_size_works_forward_and_backward() {
    let mut model = UNet2DConditionModel::new(&tiny());
    model.init(3);
    model.track();
    let mut rng = Rng::new(4);
    for (h, w) in [(8, 8), (7, 5), (6, 9), (1, 5)] {
        let sample = rng.randn(&[2, h, w, 4]);
        let out = model.forward(&sample, &[1.0, 999.0], &rng.randn(&[2, 3, 6]));
        assert_eq!(out.shape(), sample.shape());
        assert!(out.finite());
        common::assert_every_parameter_has_a_gradient(&model, &out.sqr().mean().backward());
    }
}

#[test]
fn a_draft_changes_the_picture_and_learns() {
    let draft = DraftConfig { tokens: 3, token_channels: 2, hidden_size: 8, size: 4 };
    let mut model =
        UNet2DConditionModel::new(&UNet2DConditionConfig { draft: Some(draft), ..tiny() });
    model.init(3);
    model.track();
    let mut rng = Rng::new(4);
    let (sample, context) = (rng.randn(&[2, 8, 8, 4]), rng.randn(&[2, 3, 6]));
    let drafted = model.draft(&context).expect("a model with a draft");
    assert_eq!(drafted.shape(), [2, 4, 4, 4]);
    let out = model.forward(&sample, &[1.0, 999.0], &context);
    common::assert_every_parameter_has_a_gradient(&model, &out.sqr().mean().backward());

    let mut without = UNet2DConditionModel::new(&tiny());
    without.init(3);
    assert!(without.draft(&context).is_none());
    let difference = without.forward(&sample, &[1.0, 999.0], &context).sub(&out).max_abs();
    assert!(difference > 1e-3, "the draft changes nothing: {difference}");
}

#[test]
fn pictures_of_a_batch_do_not_mix() {
    let mut model = UNet2DConditionModel::new(&tiny());
    model.init(5);
    let mut rng = Rng::new(6);
    let (sample, context) = (rng.randn(&[2, 8, 4, 4]), rng.randn(&[2, 3, 6]));
    let both = model.forward(&sample, &[10.0, 500.0], &context);
    for (i, t) in [10.0, 500.0].into_iter().enumerate() {
        let one = model.forward(&sample.narrow_rows(i, 1), &[t], &context.narrow_rows(i, 1));
        let difference = one.sub(&both.narrow_rows(i, 1)).max_abs();
        assert!(difference < 1e-5, "picture {i} differs by {difference}");
    }
}

#[test]
#[should_panic(expected = "U-Net: sample [1, 8, 8, 3], expected [1, H, W, 4]")]
fn a_wrong_sample_panics_with_both_shapes() {
    let model = UNet2DConditionModel::new(&tiny());
    model.forward(&Tensor::zeros(&[1, 8, 8, 3]), &[0.0], &Tensor::zeros(&[1, 3, 6]));
}

#[test]
#[should_panic(expected = "U-Net: context [1, 3, 7], expected [1, T, 6]")]
fn a_wrong_context_panics_with_both_shapes() {
    let model = UNet2DConditionModel::new(&tiny());
    model.forward(&Tensor::zeros(&[1, 8, 8, 4]), &[0.0], &Tensor::zeros(&[1, 3, 7]));
}

// UNet2DConditionModel.from_config(UNET_SD2), hashed weights (tools/reference):
// record.summary(m(hashed.input_tensor("odd", [1, 4, 7, 5]), torch.tensor([33]),
//                  hashed.input_tensor("context", [1, 6, 40])).sample)["samples"]
#[rustfmt::skip]
const ODD: [f32; 16] = [
    -0.13636616, 0.38411182, -0.2548787, 0.6145304, 0.5678989, -0.08332901, -0.61460775, -0.20372267,
    0.020971503, 0.41831106, -1.0603989, -0.11060189, 0.2531603, 0.24940999, -0.19099365, 0.24998084,
];

#[test]
fn odd_sizes_agree_with_diffusers() {
    let Case { model, context, .. } = open("unet_tiny_sd2");
    let sample = input("odd", &[1, 4, 7, 5]).from_nchw();
    // The context of one picture is the beginning of that of two.
    let out = model.forward(&sample, &[33.0], &context.narrow_rows(0, 1)).to_nchw().to_vec();
    for (k, expected) in ODD.into_iter().enumerate() {
        let actual = out[k * (out.len() - 1) / 15];
        assert!((actual - expected).abs() < 1e-5, "sample {k}: {actual}, expected {expected}");
    }
}
