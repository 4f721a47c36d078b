//! BERT against transformers.

mod common;

use aquatint_models::BertModel;
use aquatint_nn::ModuleExt;
use common::{Golden, fill, numbers};

/// Padding at the end of the golden's second sequence.
const PADDING: usize = 4;

#[test]
fn stages_and_gradients_agree_with_transformers() {
    let mut golden = Golden::open("bert_tiny");
    let mut model = BertModel::new(&golden.config(), true);
    fill(&mut model);
    model.track();
    let rows: Vec<Vec<u32>> = numbers(&golden.inputs()["input_ids"]);
    let ids = rows.concat();
    let states = model.forward_with(&ids, rows.len(), &mut |stage, x| golden.check(stage, x));
    let one = states.narrow_rows(0, 1);
    let loss = one.sqr().mul(&one).mean();
    let value = loss.item();
    let grads = loss.backward();
    let parameters = model.named_parameters();
    golden.check_grads(value, &grads, |name| {
        parameters.iter().find(|(n, _)| n == name).map(|(_, param)| param.value())
    });

    // With a mask nobody sees the padding, whose own states are zeros.
    let padded = model.forward_padded(&ids, rows.len());
    let &[batch, tokens, width] = padded.shape() else { panic!("{:?}", padded.shape()) };
    let all = padded.reshape(&[batch * tokens, width]);
    let whole = states.reshape(&[batch * tokens, width]);
    let first = |states: &aquatint_tensor::Tensor| states.narrow_rows(0, tokens);
    assert!(first(&all).sub(&first(&whole)).max_abs() < 1e-5);
    let seen = tokens - PADDING;
    golden.check("padded", &all.narrow_rows(tokens, seen).reshape(&[1, seen, width]));
    assert_eq!(all.narrow_rows(tokens + seen, PADDING).max_abs(), 0.0);
    golden.assert_all_seen();
}

#[test]
#[should_panic(expected = "11 ids in 1 sequences of at most 10")]
fn a_sequence_too_long_panics() {
    BertModel::new(&Golden::open("bert_tiny").config(), false).forward(&[1; 11], 1);
}
