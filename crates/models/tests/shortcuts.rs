//! Passes of the U-Net that compute less.

use aquatint_models::unet::{DeepFeatures, Shortcuts};
use aquatint_models::{PerBlock, UNet2DConditionConfig, UNet2DConditionModel, UNetConditions};
use aquatint_nn::ModuleExt;
use aquatint_tensor::{Rng, Tensor};

/// Three levels like those of SD 1.5 (attention at the top, none at the bottom), or of SDXL (none
/// at the top, linear projections, more blocks below).
fn model(like_xl: bool) -> UNet2DConditionModel {
    let kinds = |attends: [bool; 3], up: bool| {
        let (with, without) = match up {
            false => ("CrossAttnDownBlock2D", "DownBlock2D"),
            true => ("CrossAttnUpBlock2D", "UpBlock2D"),
        };
        attends.map(|attends| if attends { with } else { without }.to_owned()).to_vec()
    };
    let attends = if like_xl { [false, true, true] } else { [true, true, false] };
    let mut reversed = attends;
    reversed.reverse();
    let mut config = UNet2DConditionConfig {
        down_block_types: kinds(attends, false),
        up_block_types: kinds(reversed, true),
        block_out_channels: vec![16, 24, 32],
        norm_num_groups: 8,
        cross_attention_dim: 12,
        attention_head_dim: PerBlock::Same(2),
        ..Default::default()
    };
    if like_xl {
        config.transformer_layers_per_block = PerBlock::Each(vec![1, 2, 3]);
        config.use_linear_projection = true;
    }
    let mut model = UNet2DConditionModel::new(&config);
    model.init(5);
    model
}

struct Inputs {
    sample: Tensor,
    timesteps: Vec<f32>,
    context: Tensor,
}

fn inputs(seed: u64, side: usize) -> Inputs {
    let mut rng = Rng::new(seed);
    let sample = rng.randn(&[2, side, side, 4]);
    Inputs { sample, timesteps: vec![100.0, 400.0], context: rng.randn(&[2, 5, 12]) }
}

/// The answer and the stages that were computed.
fn pass(
    model: &UNet2DConditionModel,
    inputs: &Inputs,
    shortcuts: Shortcuts<'_>,
) -> (Vec<f32>, Vec<String>) {
    let Inputs { sample, timesteps, context } = inputs;
    let mut stages = Vec::new();
    let mut probe = |stage: &str, _: &Tensor| {
        if stage.contains("block") {
            stages.push(stage.to_owned());
        }
    };
    let none = UNetConditions::default();
    let answer =
        model.forward_shortened(sample, timesteps, &context.into(), &none, shortcuts, &mut probe);
    (answer.to_vec(), stages)
}

fn deep(features: &mut DeepFeatures) -> Shortcuts<'_> {
    Shortcuts { deep: Some(features), ..Default::default() }
}

#[test]
fn every_branch_goes_on_where_the_whole_pass_was() {
    for like_xl in [false, true] {
        let model = model(like_xl);
        assert_eq!(model.config().skip_connections(), 9);
        for side in [8, 6] {
            let now = inputs(1, side);
            let whole = model.forward(&now.sample, &now.timesteps, &now.context).to_vec();
            for branch in 0..9 {
                let mut features = DeepFeatures { branch, kept: None };
                let (answer, stages) = pass(&model, &now, deep(&mut features));
                assert!(answer == whole, "keeping changes the answer at branch {branch}");
                assert_eq!(stages.len(), 7);
                assert!(features.kept.is_some());

                let (answer, stages) = pass(&model, &now, deep(&mut features));
                assert!(answer == whole, "branch {branch} takes up something else");
                assert!(!stages.iter().any(|stage| stage == "mid_block"), "{stages:?}");
            }
        }
    }
}

#[test]
fn deep_blocks_are_not_computed_again() {
    let model = model(false);
    let computed = |branch: usize| {
        let mut features = DeepFeatures { branch, kept: None };
        pass(&model, &inputs(1, 8), deep(&mut features));
        pass(&model, &inputs(2, 8), deep(&mut features)).1.join(" ")
    };
    assert_eq!(computed(0), "up_blocks.2");
    for branch in [1, 2] {
        assert_eq!(computed(branch), "down_blocks.0 up_blocks.2");
    }
    assert_eq!(computed(3), "down_blocks.0 up_blocks.1 up_blocks.2");
    assert_eq!(computed(4), "down_blocks.0 down_blocks.1 up_blocks.1 up_blocks.2");
    let all = "down_blocks.0 down_blocks.1 down_blocks.2 up_blocks.0 up_blocks.1 up_blocks.2";
    assert_eq!(computed(8), all);
}

#[test]
fn features_of_another_step_are_close_and_not_the_same() {
    let model = model(false);
    let (before, mut now) = (inputs(1, 8), inputs(1, 8));
    now.sample = now.sample.scale(0.98);
    let whole = pass(&model, &now, Shortcuts::default()).0;
    let mut errors = Vec::new();
    for branch in [0, 8] {
        let mut features = DeepFeatures { branch, kept: None };
        pass(&model, &before, deep(&mut features));
        let answer = pass(&model, &now, deep(&mut features)).0;
        errors.push(whole.iter().zip(&answer).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max));
    }
    assert!(errors[0] > 0.0 && errors[0] < 0.1, "{errors:?}");
    assert!(errors[1] < errors[0], "{errors:?}");
}

#[test]
#[should_panic(expected = "branch 9 of a U-Net with 9 skip connections")]
fn there_is_no_branch_below_the_last() {
    let mut features = DeepFeatures { branch: 9, kept: None };
    pass(&model(false), &inputs(1, 8), deep(&mut features));
}

#[test]
fn merged_tokens_change_a_little() {
    for like_xl in [false, true] {
        let (model, now) = (model(like_xl), inputs(1, 8));
        let merging = |token_merging: f64| {
            pass(&model, &now, Shortcuts { token_merging, ..Default::default() }).0
        };
        let whole = model.forward(&now.sample, &now.timesteps, &now.context).to_vec();
        assert!(merging(0.0) == whole);
        let error = |answer: &[f32]| {
            whole.iter().zip(answer).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
        };
        let (some, most) = (error(&merging(0.25)), error(&merging(0.75)));
        assert!(some > 0.0 && most < 1.0, "{some} {most}");
        assert!(merging(0.5) == merging(0.5));
    }
}
