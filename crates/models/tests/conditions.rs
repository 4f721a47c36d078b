//! What U-Nets hear besides the time and the context, against diffusers.

mod common;

use aquatint_models::{UNet2DConditionConfig, UNet2DConditionModel, UNetConditions};
use aquatint_nn::ModuleExt;
use aquatint_tensor::Tensor;
use common::{Golden, fill, input, numbers};
use serde_json::Value;

/// The numbers themselves, or hashed ones of a shape `[N, C]`.
fn given(what: &str, value: Option<&Value>, hashed: bool) -> Option<Tensor> {
    let value = value?;
    let Some(rows) = value.as_array().filter(|rows| rows.iter().all(Value::is_array)) else {
        let flat: Vec<f32> = numbers(value);
        return Some(match hashed {
            true => input(what, &numbers::<usize>(value)),
            false => Tensor::new(flat.clone(), &[flat.len()]),
        });
    };
    let numbers: Vec<Vec<f32>> = rows.iter().map(numbers).collect();
    Some(Tensor::new(numbers.concat(), &[rows.len(), numbers[0].len()]))
}

fn agrees_with_diffusers(name: &str) {
    let mut golden = Golden::open(name);
    let config: UNet2DConditionConfig = golden.config();
    let mut model = UNet2DConditionModel::new(&config);
    fill(&mut model);
    model.track();
    let inputs = golden.inputs();
    let picture = |what: &str| input(what, &numbers::<usize>(&inputs[what])).from_nchw();
    let context = input("context", &numbers::<usize>(&inputs["context"]));
    let vectors = config.class_embed_type.as_deref() == Some("projection");
    let conditions = UNetConditions {
        class_labels: given("class_labels", inputs.get("class_labels"), vectors),
        text_embeds: given("text_embeds", inputs.get("text_embeds"), true),
        time_ids: given("time_ids", inputs.get("time_ids"), false),
        timestep_cond: given("timestep_cond", inputs.get("timestep_cond"), true),
    };
    let timesteps: Vec<f32> = numbers(&inputs["timesteps"]);
    let out = model.forward_with(
        &picture("sample"),
        &timesteps,
        &context,
        &conditions,
        &mut |stage, x| golden.check(stage, x),
    );
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
fn sdxl_hears_a_pooled_prompt_and_sizes() {
    agrees_with_diffusers("unet_tiny_xl");
}

#[test]
fn the_upscaler_hears_the_level_of_noise() {
    agrees_with_diffusers("unet_tiny_upscaler");
}

#[test]
fn distilled_models_hear_the_guidance_scale() {
    agrees_with_diffusers("unet_tiny_lcm");
}

#[test]
fn a_class_may_be_a_vector_and_the_lowest_block_missing() {
    agrees_with_diffusers("unet_tiny_projection");
}

fn open(name: &str) -> UNet2DConditionModel {
    let mut model = UNet2DConditionModel::new(&Golden::open(name).config());
    fill(&mut model);
    model
}

fn forward(name: &str, conditions: &UNetConditions) -> Tensor {
    let model = open(name);
    let sample = Tensor::zeros(&[1, 8, 8, model.config().in_channels]);
    model.forward_given(&sample, &[5.0], &Tensor::zeros(&[1, 2, 24]), conditions)
}

#[test]
fn without_a_guidance_scale_nothing_is_added_to_the_time() {
    let labels = Some(Tensor::zeros(&[1]));
    let without = UNetConditions { class_labels: labels, ..Default::default() };
    let with = UNetConditions { timestep_cond: Some(Tensor::zeros(&[1, 12])), ..without.clone() };
    assert_eq!(
        forward("unet_tiny_lcm", &without).to_vec(),
        forward("unet_tiny_lcm", &with).to_vec()
    );
}

#[test]
#[should_panic(expected = "U-Net: text_embeds and time_ids are needed")]
fn sdxl_without_its_conditions_panics() {
    forward("unet_tiny_xl", &UNetConditions::default());
}

#[test]
#[should_panic(expected = "U-Net: text_embeds [1, 10] and time_ids [1, 5] for 1 pictures")]
fn too_few_sizes_panic() {
    let conditions = UNetConditions {
        text_embeds: Some(Tensor::zeros(&[1, 10])),
        time_ids: Some(Tensor::zeros(&[1, 5])),
        ..Default::default()
    };
    forward("unet_tiny_xl", &conditions);
}

#[test]
#[should_panic(expected = "U-Net: class_labels are missing")]
fn the_upscaler_without_a_level_panics() {
    forward("unet_tiny_upscaler", &UNetConditions::default());
}

#[test]
#[should_panic(expected = "row 30 of a table with 30 rows")]
fn a_class_beyond_the_table_panics() {
    let class_labels = Some(Tensor::full(&[1], 30.0));
    forward("unet_tiny_upscaler", &UNetConditions { class_labels, ..Default::default() });
}

#[test]
#[should_panic(expected = "U-Net: 2.5 is no class")]
fn a_broken_class_panics() {
    let class_labels = Some(Tensor::full(&[1], 2.5));
    forward("unet_tiny_upscaler", &UNetConditions { class_labels, ..Default::default() });
}

#[test]
#[should_panic(expected = "without time_cond_proj_dim was given a condition")]
fn a_guidance_scale_for_a_model_that_does_not_hear_it_panics() {
    let conditions = UNetConditions {
        class_labels: Some(Tensor::zeros(&[1])),
        timestep_cond: Some(Tensor::zeros(&[1, 12])),
        ..Default::default()
    };
    forward("unet_tiny_upscaler", &conditions);
}
