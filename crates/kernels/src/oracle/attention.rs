//! Attention and its gradients.

use super::{Exact, operand};
use crate::Precision;
use crate::attention::AttentionShape;

/// `[out, dq, dk, dv]`. The sizes count the scores too, whose errors become relative ones of the
/// probabilities.
pub fn attention(
    precision: Precision,
    s: &AttentionShape,
    scale: f32,
    [q, k, v, dout]: [&[f32]; 4],
) -> [Vec<Exact>; 4] {
    let [q, k, v] = [q, k, v].map(|x| operand(x, precision == Precision::Bf16));
    let (d, width, scale) = (s.d, s.heads * s.d, f64::from(scale));
    let [mut out, mut dq] = [(); 2].map(|()| vec![Exact::default(); q.len()]);
    let [mut dk, mut dv] = [(); 2].map(|()| vec![Exact::default(); k.len()]);
    for row in 0..s.batch * s.tq * s.heads {
        let (token, head) = (row / s.heads, row % s.heads);
        let (sequence, query) = (token / s.tq, token % s.tq);
        let at_q = token * width + head * d;
        let keys = if s.causal { s.tk.min(query + 1) } else { s.tk };
        let at_k = |key: usize| (sequence * s.tk + key) * width + head * d;
        let scores: Vec<Exact> = (0..keys)
            .map(|key| {
                let mut score = Exact::default();
                (0..d).for_each(|e| score.add(q[at_q + e] * k[at_k(key) + e] * scale));
                score
            })
            .collect();
        // A comparison that lets NaN through.
        let max = scores
            .iter()
            .fold(f64::NEG_INFINITY, |max, s| if s.value > max { s.value } else { max });
        let powers: Vec<f64> = scores.iter().map(|score| (score.value - max).exp()).collect();
        let total: f64 = powers.iter().sum();
        let p: Vec<f64> = powers.iter().map(|power| power / total).collect();
        let slack = 1.0 + scores.iter().fold(0.0, |slack: f64, score| slack.max(score.size));
        for e in 0..d {
            let mut sum = Exact::default();
            (0..keys).for_each(|key| sum.add(p[key] * v[at_k(key) + e]));
            out[at_q + e] = Exact::of_size(sum.value, slack * sum.size);
        }
        let dot = |x: &dyn Fn(usize) -> f64| -> f64 {
            (0..d).map(|e| f64::from(dout[at_q + e]) * x(e)).sum()
        };
        let delta = dot(&|e| out[at_q + e].value);
        for key in 0..keys {
            let dp = dot(&|e| v[at_k(key) + e]);
            let (ds, size) =
                (p[key] * (dp - delta), slack * p[key] * (dp.abs() + delta.abs() + 1.0));
            let step = |sum: &mut Exact, x: f64| {
                *sum =
                    Exact::of_size(sum.value + ds * x * scale, sum.size + size * (x * scale).abs());
            };
            for e in 0..d {
                step(&mut dq[at_q + e], k[at_k(key) + e]);
                step(&mut dk[at_k(key) + e], q[at_q + e]);
                let term = p[key] * f64::from(dout[at_q + e]);
                let sum = &mut dv[at_k(key) + e];
                *sum = Exact::of_size(sum.value + term, sum.size + slack * term.abs());
            }
        }
    }
    [out, dq, dk, dv]
}
