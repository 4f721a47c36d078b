//! CLIP's towers against transformers, and on their own.

mod common;

use aquatint_models::{ClipTextConfig, ClipTextModel, ClipVisionConfig, ClipVisionModel};
use aquatint_nn::ModuleExt;
use aquatint_tensor::{Rng, Tensor};
use common::{Golden, fill, input, numbers};

fn agrees_with_transformers(name: &str) {
    let mut golden = Golden::open(name);
    let config: ClipTextConfig = golden.config();
    let mut model = ClipTextModel::with_projection(&config);
    fill(&mut model);
    let rows: Vec<Vec<u32>> = numbers(&golden.inputs()["input_ids"]);
    let out =
        model.forward_with(&rows.concat(), rows.len(), &mut |stage, x| golden.check(stage, x));
    golden.check("last_hidden_state", &out.last_hidden_state);
    golden.check("text_embeds", out.text_embeds.as_ref().expect("the model has a projection"));
    golden.assert_all_seen();
}

#[test]
fn openai_text_tower_agrees_with_transformers() {
    agrees_with_transformers("clip_text_tiny");
}

#[test]
fn openclip_text_tower_agrees_with_transformers() {
    agrees_with_transformers("clip_text_tiny_gelu");
}

#[test]
fn every_layer_agrees_with_transformers() {
    let mut golden = Golden::open("clip_text_tiny_layers");
    let mut model = ClipTextModel::with_projection(&golden.config());
    fill(&mut model);
    let rows: Vec<Vec<u32>> = numbers(&golden.inputs()["input_ids"]);
    let out = model.forward(&rows.concat(), rows.len());
    assert_eq!(out.hidden_states.len(), 4);
    for (i, state) in out.hidden_states.iter().enumerate() {
        golden.check(&format!("hidden_states.{i}"), state);
    }
    golden.check("clip_skip_1", &model.final_layer_norm(&out.hidden_states[2]));
    golden.check("text_embeds", out.text_embeds.as_ref().expect("the model has a projection"));
    golden.assert_all_seen();
}

fn tiny_text() -> ClipTextConfig {
    ClipTextConfig {
        vocab_size: 20,
        hidden_size: 16,
        intermediate_size: 32,
        projection_dim: 8,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        max_position_embeddings: 6,
        bos_token_id: 18,
        eos_token_id: 19,
        ..Default::default()
    }
}

#[test]
fn a_token_does_not_see_what_follows() {
    let mut model = ClipTextModel::new(&tiny_text());
    model.init(1);
    let states = |ids: &[u32]| model.forward(ids, 1).last_hidden_state.reshape(&[6, 16]);
    let (a, b) = (states(&[18, 1, 2, 3, 19, 19]), states(&[18, 1, 2, 9, 4, 19]));
    assert!(a.narrow_rows(0, 3).sub(&b.narrow_rows(0, 3)).max_abs() < 1e-6);
    assert!(a.narrow_rows(3, 1).sub(&b.narrow_rows(3, 1)).max_abs() > 1e-3);
}

#[test]
fn without_a_projection_there_are_no_embeds() {
    let mut model = ClipTextModel::new(&tiny_text());
    assert!(!model.named_parameters().iter().any(|(name, _)| name.contains("projection")));
    model.init(1);
    let out = model.forward(&[18, 1, 19, 18, 2, 19], 2);
    assert!(out.text_embeds.is_none());
    assert_eq!(out.last_hidden_state.shape(), [2, 3, 16]);
    let end = out.last_hidden_state.reshape(&[6, 16]).narrow_rows(5, 1);
    assert_eq!(out.pooled.narrow_rows(1, 1).to_vec(), end.to_vec());
}

#[test]
fn the_text_loss_reaches_every_parameter() {
    let mut model = ClipTextModel::with_projection(&tiny_text());
    model.init(2);
    model.track();
    // All positions are used, and the last token sees them all.
    let out = model.forward(&[18, 1, 2, 3, 4, 19], 1);
    let loss = out.text_embeds.expect("the model has a projection").sqr().mean();
    common::assert_every_parameter_has_a_gradient(&model, &loss.backward());
}

/// A token with the vector of another says the same; and of several each says its own.
#[test]
fn added_tokens_have_their_vectors() {
    let mut model = ClipTextModel::new(&tiny_text());
    model.init(1);
    let table = model.named_parameters().remove(0);
    assert_eq!(table.0, "text_model.embeddings.token_embedding.weight");
    let table = table.1.value();
    let (three, four) = (table.narrow_rows(3, 1), table.narrow_rows(4, 1));
    assert_eq!(model.add_tokens(&Tensor::cat_rows([&four, &three])), 20..22);
    assert_eq!(model.add_tokens(&three.scale(2.0)), 22..23);
    let states = |ids: &[u32]| model.forward(ids, 1).last_hidden_state.to_vec();
    assert_eq!(states(&[18, 21, 20, 2, 19, 19]), states(&[18, 3, 4, 2, 19, 19]));
    assert_ne!(states(&[18, 22, 20, 2, 19, 19]), states(&[18, 3, 4, 2, 19, 19]));
}

#[test]
#[should_panic(expected = "no token has the id 20")]
fn a_token_that_nobody_added_panics() {
    let mut model = ClipTextModel::new(&tiny_text());
    model.init(1);
    model.forward(&[20; 3], 1);
}

#[test]
#[should_panic(expected = "7 ids in 1 sequences of at most 6")]
fn a_sequence_too_long_panics() {
    ClipTextModel::new(&tiny_text()).forward(&[1; 7], 1);
}

fn tiny_vision() -> ClipVisionConfig {
    ClipVisionConfig {
        hidden_size: 16,
        intermediate_size: 32,
        projection_dim: 8,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        image_size: 12,
        patch_size: 4,
        ..Default::default()
    }
}

// CLIPVisionModelWithProjection of the configuration above, hashed weights (tools/reference):
// m(pixel_values=hashed.input_tensor("pixels", [2, 3, 12, 12])).image_embeds
#[rustfmt::skip]
const IMAGE_EMBEDS: [f32; 16] = [
    -1.9415108, -0.91989243, 0.24643256, 0.9617312, 0.28396553, 0.3098444, 0.86001366, -0.8087099,
    -1.6141642, 0.4320339, -0.17043184, 0.9256622, 0.34843168, 1.1131649, 1.7059127, -0.82312596,
];

#[test]
fn vision_tower_agrees_with_transformers() {
    let mut model = ClipVisionModel::new(&tiny_vision());
    fill(&mut model);
    let embeds = model.forward(&input("pixels", &[2, 3, 12, 12]).from_nchw());
    assert_eq!(embeds.shape(), [2, 8]);
    for (actual, expected) in embeds.to_vec().into_iter().zip(IMAGE_EMBEDS) {
        assert!((actual - expected).abs() < 1e-5, "{embeds:?}, expected {IMAGE_EMBEDS:?}");
    }
}

#[test]
fn the_vision_loss_reaches_every_parameter() {
    let mut model = ClipVisionModel::new(&tiny_vision());
    model.init(3);
    model.track();
    let loss = model.forward(&Rng::new(1).randn(&[2, 12, 12, 3])).sqr().mean();
    common::assert_every_parameter_has_a_gradient(&model, &loss.backward());
}

#[test]
#[should_panic(expected = "pixels do not have the configured size")]
fn pixels_of_another_size_panic() {
    ClipVisionModel::new(&tiny_vision()).forward(&Rng::new(1).randn(&[2, 12, 11, 3]));
}
