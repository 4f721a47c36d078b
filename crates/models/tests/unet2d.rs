//! U-Nets without a context against diffusers, and on their own.

mod common;

use aquatint_models::{PerBlock, UNet2DConfig, UNet2DModel};
use aquatint_nn::ModuleExt;
use aquatint_tensor::{Rng, Tensor};
use common::{Golden, fill, input, numbers};

fn agrees_with_diffusers(name: &str) {
    let mut golden = Golden::open(name);
    let config: UNet2DConfig = golden.config();
    let mut model = UNet2DModel::new(&config);
    fill(&mut model);
    model.track();
    let inputs = golden.inputs();
    let picture = |what: &str| input(what, &numbers::<usize>(&inputs[what])).from_nchw();
    let timesteps: Vec<f32> = numbers(&inputs["timesteps"]);
    let labels = inputs.get("class_labels").map(|labels| Tensor::new(numbers(labels), &[2]));
    let out =
        model.forward_with(&picture("sample"), &timesteps, labels.as_ref(), &mut |stage, x| {
            golden.check(stage, x)
        });
    golden.check("out", &out);
    let loss = out.sub(&picture("noise")).sqr().mean();
    let value = loss.item();
    let grads = loss.backward();
    let parameters = model.named_parameters();
    golden.check_grads(value, &grads, |name| {
        parameters.iter().find(|(n, _)| n == name).map(|(_, param)| param.value())
    });
    golden.assert_all_seen();
    common::assert_every_parameter_has_a_gradient(&model, &grads);
}

#[test]
fn the_papers_models_agree_with_diffusers() {
    agrees_with_diffusers("unet2d_tiny");
}

#[test]
fn residual_resampling_and_scale_shift_agree_with_diffusers() {
    agrees_with_diffusers("unet2d_tiny_resnet");
}

fn tiny() -> UNet2DConfig {
    UNet2DConfig {
        block_out_channels: vec![8, 16],
        down_block_types: ["DownBlock2D", "AttnDownBlock2D"].map(str::to_owned).to_vec(),
        up_block_types: ["AttnUpBlock2D", "UpBlock2D"].map(str::to_owned).to_vec(),
        layers_per_block: 1,
        norm_num_groups: 4,
        ..Default::default()
    }
}

#[test]
fn any_size_works_where_convolutions_resample() {
    let mut model = UNet2DModel::new(&tiny());
    model.init(1);
    let sample = Rng::new(2).randn(&[1, 7, 5, 3]);
    assert_eq!(model.forward(&sample, &[3.0], None).shape(), sample.shape());
}

#[test]
#[should_panic(expected = "a residual block cannot upsample [1, 3, 2, 16] to 7×5")]
fn odd_sizes_panic_where_residual_blocks_resample() {
    let (down_block_types, up_block_types) = (
        vec!["ResnetDownsampleBlock2D".into(), "DownBlock2D".into()],
        vec!["ResnetUpsampleBlock2D".into(), "UpBlock2D".into()],
    );
    let mut model = UNet2DModel::new(&UNet2DConfig { down_block_types, up_block_types, ..tiny() });
    model.init(1);
    model.forward(&Tensor::zeros(&[1, 7, 5, 3]), &[3.0], None);
}

#[test]
fn the_width_of_a_head_changes_the_answer_but_no_name() {
    let answer = |attention_head_dim| {
        let mut model = UNet2DModel::new(&UNet2DConfig { attention_head_dim, ..tiny() });
        model.init(1);
        let out = model.forward(&Rng::new(2).randn(&[1, 4, 4, 3]), &[3.0], None);
        (model.parameter_count(), out.to_vec())
    };
    let one = answer(None);
    assert_eq!(one, answer(Some(PerBlock::Each(vec![8, 16]))));
    let two = answer(Some(PerBlock::Same(8)));
    assert_eq!(one.0, two.0);
    assert_ne!(one.1, two.1);
}

#[test]
#[should_panic(expected = "class_labels for a model without classes")]
fn a_class_for_a_model_without_classes_panics() {
    let mut model = UNet2DModel::new(&tiny());
    model.init(1);
    model.forward(&Tensor::zeros(&[1, 4, 4, 3]), &[3.0], Some(&Tensor::zeros(&[1])));
}
