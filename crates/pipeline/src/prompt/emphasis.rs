//! What the weight of a word does to what the text encoder says of it.

use aquatint_tensor::Tensor;

use super::PromptWeights;

/// The states `[n, T, D]` of n chunks of T tokens with these weights. `nothing` is what the encoder
/// says of a chunk without words, `[1, T, D]`. Where all weights are 1, nothing changes.
pub(super) fn weighted(
    states: Tensor,
    weights: &[&[f32]],
    style: PromptWeights,
    nothing: impl Fn() -> Tensor,
) -> Tensor {
    let neutral = weights.iter().all(|chunk| chunk.iter().all(|&weight| weight == 1.0));
    if neutral || style == PromptWeights::Literal {
        return states;
    }
    let &[n, tokens, channels] = states.shape() else { panic!("states {:?}", states.shape()) };
    assert_eq!(n, weights.len(), "weights of {} chunks for {n}", weights.len());
    let mut values = states.to_vec();
    let chunks = values.chunks_exact_mut(tokens * channels).zip(weights);
    match style {
        PromptWeights::Comfyui => {
            let nothing = nothing().to_vec();
            chunks.for_each(|(chunk, weights)| between(chunk, &nothing, weights, channels));
        }
        _ => chunks.for_each(|(chunk, weights)| {
            let before = mean(chunk);
            for (state, &weight) in chunk.chunks_exact_mut(channels).zip(*weights) {
                state.iter_mut().for_each(|value| *value *= weight);
            }
            if style == PromptWeights::WebUi {
                let factor = (before / mean(chunk)) as f32;
                // Where the mean is 0 there is none to restore.
                let factor = if factor.is_finite() { factor } else { 1.0 };
                chunk.iter_mut().for_each(|value| *value *= factor);
            }
        }),
    }
    Tensor::new(values, &[n, tokens, channels])
}

/// From nothing to the words, and beyond.
fn between(chunk: &mut [f32], nothing: &[f32], weights: &[f32], channels: usize) {
    let nothing = nothing.chunks_exact(channels);
    for ((state, nothing), &weight) in chunk.chunks_exact_mut(channels).zip(nothing).zip(weights) {
        if weight != 1.0 {
            for (value, zero) in state.iter_mut().zip(nothing) {
                *value = (*value - zero) * weight + zero;
            }
        }
    }
}

fn mean(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value)).sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(style: PromptWeights) -> Vec<f32> {
        let states = Tensor::new(vec![1.0, 3.0, 2.0, 6.0, 1.0, 1.0, 1.0, 1.0], &[2, 2, 2]);
        let nothing = || Tensor::new(vec![0.0, 1.0, 1.0, 0.0], &[1, 2, 2]);
        weighted(states, &[&[1.0, 2.0], &[1.0, 1.0]], style, nothing).to_vec()
    }

    #[test]
    fn each_style() {
        // The mean is 3; multiplied it is 5, so all is scaled by 3/5.
        assert_eq!(of(PromptWeights::WebUi)[..4], [0.6, 1.8000001, 2.4, 7.2000003]);
        assert_eq!(of(PromptWeights::NoNorm)[..4], [1.0, 3.0, 4.0, 12.0]);
        assert_eq!(of(PromptWeights::Comfyui)[..4], [1.0, 3.0, 3.0, 12.0]);
        assert_eq!(of(PromptWeights::Literal)[..4], [1.0, 3.0, 2.0, 6.0]);
        for style in PromptWeights::ALL {
            assert_eq!(of(style)[4..], [1.0; 4]);
        }
    }
}
