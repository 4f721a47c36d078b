//! The paper's text encoder against diffusers.

mod common;

use aquatint_models::LDMBertModel;
use aquatint_nn::ModuleExt;
use common::{Golden, fill, numbers};

#[test]
fn stages_and_gradients_agree_with_diffusers() {
    let mut golden = Golden::open("ldm_bert_tiny");
    let mut model = LDMBertModel::new(&golden.config());
    fill(&mut model);
    model.track();
    let rows: Vec<Vec<u32>> = numbers(&golden.inputs()["input_ids"]);
    let out =
        model.forward_with(&rows.concat(), rows.len(), &mut |stage, x| golden.check(stage, x));
    assert_eq!(out.hidden_states.len(), 3);
    for (i, state) in out.hidden_states.iter().enumerate() {
        golden.check(&format!("hidden_states.{i}"), state);
    }
    let last = &out.last_hidden_state;
    assert_eq!(last.to_vec(), out.hidden_states[2].to_vec());
    golden.check("logits", &model.logits(last));
    let loss = last.sqr().mul(last).mean();
    let value = loss.item();
    let grads = loss.backward();
    let parameters = model.named_parameters();
    golden.check_grads(value, &grads, |name| {
        parameters.iter().find(|(n, _)| n == name).map(|(_, param)| param.value())
    });
    golden.assert_all_seen();
}

#[test]
#[should_panic(expected = "10 ids in 1 sequences of at most 9")]
fn a_sequence_too_long_panics() {
    LDMBertModel::new(&Golden::open("ldm_bert_tiny").config()).forward(&[1; 10], 1);
}
