//! What the text encoders say about a request.

use aquatint_diffusion::Condition;
use aquatint_tensor::Tensor;

/// What the text encoders say about a request, or about a batch of pictures of several. All contexts
/// have the same length.
#[derive(Clone, Debug)]
pub struct PromptEmbeds {
    /// About the prompt; of several that `AND` joins, about the first.
    pub prompt: Encoded,
    /// About the negative prompt.
    pub negative: Encoded,
    /// About the other prompts that `AND` joins: [`Condition::Part`] 1, 2, ….
    pub parts: Vec<Encoded>,
    /// How much each prompt counts, the first one first.
    pub weights: Vec<f64>,
    /// What takes the place of the above on the way, in the order of the steps.
    pub changes: Vec<Change>,
    /// How many tokens of the prompt, and of the negative prompt, no text encoder was told, because
    /// it has no room for them.
    pub cut: [usize; 2],
}

/// What the text encoders say about one text.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// Of every word, `[1, T, D]`; `[N, T, D]` for a batch of N pictures that have different texts.
    pub context: Tensor,
    /// Of the whole text, for models that want it, `[1, P]` or `[N, P]`.
    pub pooled: Option<Tensor>,
}

/// A prompt that reads otherwise from some step on.
#[derive(Clone, Debug)]
pub struct Change {
    /// Which of the prompts.
    pub condition: Condition,
    /// The last step, counted from 0, at which it does not yet.
    pub after: usize,
    /// What it says then.
    pub encoded: Encoded,
}

impl PromptEmbeds {
    /// Of a prompt and a negative prompt that never change. Their contexts have the same length.
    pub fn new(prompt: Encoded, negative: Encoded) -> Self {
        let (parts, changes) = (Vec::new(), Vec::new());
        Self { prompt, negative, parts, weights: vec![1.0], changes, cut: [0; 2] }
    }

    /// What is said about a batch of which each picture has its own; nothing if that differs in more
    /// than words: if texts have other lengths, change on the way, or are several with `AND`.
    pub(crate) fn joined(rows: &[&Self]) -> Option<Self> {
        let first = rows[0];
        let alike = |row: &&Self| {
            let lengths = |of: &Self| [of.prompt.context.dim(1), of.negative.context.dim(1)];
            row.parts.is_empty()
                && row.changes.is_empty()
                && row.weights == first.weights
                && lengths(row) == lengths(first)
        };
        if !rows.iter().all(alike) {
            return None;
        }
        let joined = |of: &dyn Fn(&Self) -> &Encoded| {
            Encoded::joined(&rows.iter().map(|row| of(row)).collect::<Vec<_>>())
        };
        let (prompt, negative) = (joined(&|row| &row.prompt), joined(&|row| &row.negative));
        Some(Self { weights: first.weights.clone(), ..Self::new(prompt, negative) })
    }

    /// What is said under a condition at a step that is counted from 0.
    ///
    /// # Panics
    /// If there is no such part.
    #[track_caller]
    pub fn at(&self, condition: Condition, step: usize) -> &Encoded {
        match (self.version(condition, step), condition) {
            (0, Condition::Prompt) => &self.prompt,
            (0, Condition::NegativePrompt) => &self.negative,
            (0, Condition::Part(i)) => &self.parts[i - 1],
            (version, _) => &self.changes[version - 1].encoded,
        }
    }

    /// A number that is another one whenever [`PromptEmbeds::at`] answers another text.
    pub(super) fn version(&self, condition: Condition, step: usize) -> usize {
        let past = |change: &Change| change.condition == condition && change.after < step;
        let last = self.changes.iter().rposition(past).map_or(0, |last| last + 1);
        // Prompts that take turns are the same again.
        let context = |version: usize| &self.changes[version - 1].encoded.context;
        let same = |version: &usize| {
            let change = &self.changes[*version - 1];
            change.condition == condition && context(*version).is_same(context(last))
        };
        if last == 0 { 0 } else { (1..last).find(same).unwrap_or(last) }
    }
}

impl Encoded {
    /// Of a batch whose pictures have these texts.
    fn joined(rows: &[&Self]) -> Self {
        let stacked = |of: &dyn Fn(&Self) -> &Tensor| {
            let shape = [&[rows.len()], &of(rows[0]).shape()[1..]].concat();
            Tensor::new(rows.iter().flat_map(|row| of(row).to_vec()).collect(), &shape)
        };
        let pooled = rows[0].pooled.is_some();
        let all = "all texts of a model went through the same encoders";
        let pooled = pooled.then(|| stacked(&|row| row.pooled.as_ref().expect(all)));
        Self { context: stacked(&|row| &row.context), pooled }
    }

    /// `x` `[1, …]` or `[N, …]`, for each of `rows` pictures.
    pub(super) fn for_each(x: &Tensor, rows: usize) -> Vec<f32> {
        match x.dim(0) {
            1 => x.to_vec().repeat(rows),
            own => {
                assert_eq!(own, rows, "texts of another batch");
                x.to_vec()
            }
        }
    }

    /// Nothing: zeros in the shape of this.
    pub(super) fn zeros(&self) -> Self {
        let zeros = |x: &Tensor| Tensor::zeros(x.shape());
        Self { context: zeros(&self.context), pooled: self.pooled.as_ref().map(zeros) }
    }

    /// Repeats `nothing` `[1, T, D]` after the context until it has `tokens`, which is a multiple.
    pub(super) fn lengthen(&mut self, tokens: usize, nothing: impl Fn() -> Tensor) {
        let &[_, own, channels] = self.context.shape() else { unreachable!("[1, T, D]") };
        if own < tokens {
            let (mut words, nothing) = (self.context.to_vec(), nothing().to_vec());
            while words.len() < tokens * channels {
                words.extend(&nothing);
            }
            self.context = Tensor::new(words, &[1, tokens, channels]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_take_the_place() {
        let encoded =
            |number: f32| Encoded { context: Tensor::full(&[1, 1, 1], number), pooled: None };
        let mut embeds = PromptEmbeds::new(encoded(0.0), encoded(1.0));
        embeds.parts = vec![encoded(2.0)];
        let change =
            |condition, after, number| Change { condition, after, encoded: encoded(number) };
        embeds.changes = vec![
            change(Condition::Prompt, 1, 3.0),
            change(Condition::Part(1), 2, 4.0),
            change(Condition::Prompt, 3, 5.0),
        ];
        let at = |condition| -> Vec<f32> {
            (0..6).map(|step| embeds.at(condition, step).context.to_vec()[0]).collect()
        };
        assert_eq!(at(Condition::Prompt), [0.0, 0.0, 3.0, 3.0, 5.0, 5.0]);
        assert_eq!(at(Condition::NegativePrompt), [1.0; 6]);
        assert_eq!(at(Condition::Part(1)), [2.0, 2.0, 2.0, 4.0, 4.0, 4.0]);
    }
}
