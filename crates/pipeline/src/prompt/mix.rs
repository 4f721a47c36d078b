//! One prompt on its way to another: what the text encoders say of both, joined by straight lines.

use aquatint_diffusion::Condition;
use aquatint_tensor::Tensor;

use super::embeds::{Change, Encoded, PromptEmbeds};

impl PromptEmbeds {
    /// What there is between this, at 0, and `to`, at 1, whose contexts have the same length: the
    /// states of each word and of the whole, and the weights of prompts that are joined, on straight
    /// lines. Where one has more such prompts than the other, they weigh nothing there. The negative
    /// prompt stays.
    #[track_caller]
    pub fn mixed(&self, to: &Self, part: f64) -> Self {
        let (mut known, sides) = (Vec::new(), [self, to]);
        let last = self.parts.len().max(to.parts.len());
        let weight = |side: &Self, i: usize| side.weights.get(i).copied().unwrap_or(0.0);
        let mut mixed = self.clone();
        mixed.cut = [self.cut[0].max(to.cut[0]), self.cut[1]];
        mixed.weights =
            (0..=last).map(|i| (1.0 - part) * weight(self, i) + part * weight(to, i)).collect();
        mixed.parts.clear();
        mixed.changes.retain(|change| change.condition == Condition::NegativePrompt);
        for i in 0..=last {
            let condition = if i == 0 { Condition::Prompt } else { Condition::Part(i) };
            let mut at = |step: usize| {
                let has = sides.map(|side| (i <= side.parts.len()).then_some(side));
                match has.map(|side| Some(side?.at(condition, step))) {
                    [Some(from), Some(to)] => between(from, to, part, &mut known),
                    [Some(one), None] | [None, Some(one)] => one.clone(),
                    [None, None] => unreachable!("one of them has this part"),
                }
            };
            let changes = sides.into_iter().flat_map(|side| &side.changes);
            let mut afters: Vec<usize> =
                changes.filter(|change| change.condition == condition).map(|c| c.after).collect();
            afters.sort_unstable();
            afters.dedup();
            match i {
                0 => mixed.prompt = at(0),
                _ => mixed.parts.push(at(0)),
            }
            let change = |after| Change { condition, after, encoded: at(after + 1) };
            mixed.changes.extend(afters.into_iter().map(change));
        }
        mixed
    }
}

/// What was mixed of which two, so that prompts that take turns are the same again.
type Known = Vec<([Tensor; 2], Encoded)>;

fn between(from: &Encoded, to: &Encoded, part: f64, known: &mut Known) -> Encoded {
    let pair = [&from.context, &to.context];
    let found = known.iter().find(|(contexts, _)| (0..2).all(|i| contexts[i].is_same(pair[i])));
    if let Some((_, mixed)) = found {
        return mixed.clone();
    }
    let line = |a: &Tensor, b: &Tensor| a.scale((1.0 - part) as f32).add(&b.scale(part as f32));
    let pooled = from.pooled.as_ref().zip(to.pooled.as_ref()).map(|(a, b)| line(a, b));
    let mixed = Encoded { context: line(&from.context, &to.context), pooled };
    known.push((pair.map(Tensor::clone), mixed.clone()));
    mixed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(number: f32) -> Encoded {
        let pooled = Some(Tensor::full(&[1, 2], 10.0 * number));
        Encoded { context: Tensor::full(&[1, 3, 2], number), pooled }
    }

    fn change(condition: Condition, after: usize, number: f32) -> Change {
        Change { condition, after, encoded: said(number) }
    }

    #[test]
    fn straight_lines() {
        let (a, b) =
            (PromptEmbeds::new(said(1.0), said(9.0)), PromptEmbeds::new(said(3.0), said(9.0)));
        let mixed = a.mixed(&b, 0.25);
        assert_eq!(mixed.prompt.context.to_vec(), [1.5; 6]);
        assert_eq!(mixed.prompt.pooled.expect("both have one").to_vec(), [15.0; 2]);
        assert_eq!(mixed.negative.context.to_vec(), [9.0; 6]);
        assert_eq!(a.mixed(&b, 0.0).prompt.context.to_vec(), [1.0; 6]);
        assert_eq!(a.mixed(&b, 1.0).prompt.context.to_vec(), [3.0; 6]);
    }

    /// [a:b:…] of one and `AND` of the other, in the middle.
    #[test]
    fn prompts_of_several_texts() {
        let mut a = PromptEmbeds::new(said(0.0), said(9.0));
        a.changes =
            vec![change(Condition::Prompt, 1, 2.0), change(Condition::NegativePrompt, 4, 8.0)];
        let mut b = PromptEmbeds::new(said(4.0), said(9.0));
        (b.parts, b.weights) = (vec![said(7.0)], vec![1.0, 0.5]);
        b.changes = vec![change(Condition::Prompt, 2, 6.0), change(Condition::Part(1), 3, 5.0)];
        let mixed = a.mixed(&b, 0.5);
        let at = |condition| -> Vec<f32> {
            (0..6).map(|step| mixed.at(condition, step).context.to_vec()[0]).collect()
        };
        assert_eq!(at(Condition::Prompt), [2.0, 2.0, 3.0, 4.0, 4.0, 4.0]);
        assert_eq!(at(Condition::Part(1)), [7.0, 7.0, 7.0, 7.0, 5.0, 5.0]);
        assert_eq!(at(Condition::NegativePrompt), [9.0, 9.0, 9.0, 9.0, 9.0, 8.0]);
        assert_eq!(mixed.weights, [1.0, 0.25]);
    }
}
