//! Ten steps of training against PyTorch's, on the same captions, pictures and weights: every loss,
//! and the length of every gradient. `tools/reference/ten_steps.py` wrote the answers.

use super::*;
use crate::testing::{check_ten_steps, fill, golden, input, input_ids};

const BATCH: usize = 4;

#[test]
fn ten_steps_are_those_of_pytorch() {
    let golden = golden("ten_steps_clip");
    let config = |tower: &str| golden[tower].clone();
    let text: ClipTextConfig = serde_json::from_value(config("text")).expect("a text tower");
    let vision: ClipVisionConfig =
        serde_json::from_value(config("vision")).expect("an image tower");
    let mut model = ClipModel {
        text: ClipTextModel::with_projection(&text),
        vision: ClipVisionModel::new(&vision),
        logit_scale: Param::new(&[1], Init::Zeros),
    };
    fill(&mut model);
    model.logit_scale.set(Tensor::full(&[1], FIRST_LOGIT_SCALE));
    check_ten_steps(&golden, &mut model, |model, step| {
        let words = input_ids(&format!("ids:{step}"), BATCH * 6, 38);
        // Begin, three words and more, end, and nothing.
        let ids: Vec<u32> = (0..BATCH)
            .flat_map(|i| {
                let words = words[6 * i..6 * i + 3 + i].iter().copied();
                [38].into_iter().chain(words).chain(vec![39; 4 - i])
            })
            .collect();
        let pixels = input(&format!("pixels:{step}"), &[BATCH, 3, 12, 12]).from_nchw();
        let text = model.text.forward(&ids, BATCH).text_embeds.expect("a projection");
        let image = model.vision.forward(&pixels);
        let scale = model.logit_scale.value();
        contrastive_loss(&text.l2_normalize(), &image.l2_normalize(), scale)
    });
}
