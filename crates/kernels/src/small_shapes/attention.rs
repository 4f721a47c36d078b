//! Attention and its gradients.

use super::{edges, everywhere, pairs};
use crate::Precision;
use crate::attention::{AttentionShape, attention, attention_grad, attention_int8, attention_with};
use crate::oracle::{self, Tolerance, assert_near};
use crate::{Activations, ActivationsMut, has_pairs, widen};

fn shapes() -> Vec<AttentionShape> {
    let tokens = edges(20, &[]);
    // Several blocks of keys, and several tiles of queries.
    let long = [[3, 70], [35, 200], [140, 33]];
    let depths: &[usize] = if cfg!(miri) { &[1, 5] } else { &[1, 2, 3, 5, 8, 16, 17, 20, 40] };
    let shape = |[tq, tk]: [usize; 2], d: usize| {
        let (batch, heads) = (1 + (tq + d) % 2, 1 + (tk + d) % 2);
        AttentionShape { batch, heads, tq, tk, d, causal: (tq + tk) % 3 == 0 }
    };
    pairs(&tokens, &tokens)
        .into_iter()
        .flat_map(|tokens| depths.iter().map(move |&d| shape(tokens, d)))
        .chain(long.into_iter().take(if cfg!(miri) { 0 } else { 3 }).map(|tokens| shape(tokens, 8)))
        .collect()
}

#[test]
fn attention_and_its_gradients() {
    everywhere(|place| {
        for s in shapes() {
            let width = s.heads * s.d;
            let (of_q, of_k) = (s.batch * s.tq * width, s.batch * s.tk * width);
            let (q, k) = (place.input(1, of_q), place.input(2, of_k));
            let (v, dout) = (place.input(3, of_k), place.input(4, of_q));
            let scale = 1.5 / (s.d as f32).sqrt();
            let of = |precision| oracle::attention(precision, &s, scale, [&q, &k, &v, &dout]);
            let want = of(Precision::F32);
            let mut out = place.output(of_q);
            attention(Precision::Bf16, &s, scale, &q, &k, &v, &mut out);
            let what = format_args!("{place:?} {s:?}");
            let tolerance = Tolerance { relative: 4e-3, absolute: 0.0 };
            assert_near(&out, &of(Precision::Bf16)[0], tolerance, what);
            out.fill(f32::NAN);
            let qkv = [&q, &k, &v].map(|x| Activations::F32(x));
            attention_int8(&s, scale, qkv, ActivationsMut::F32(&mut out));
            // Scores of up to 1.5 √d in units of 1 / 127.
            let tolerance = Tolerance { relative: 4e-2, absolute: 0.0 };
            assert_near(&out, &of(Precision::Bf16)[0], tolerance, what);
            if has_pairs(Precision::Bf16) && s.d % 2 == 0 {
                let [q, k, v] = [&q, &k, &v].map(|x| place.pairs(x, width));
                let qkv = [&q, &k, &v].map(|x| Activations::Bf16(x));
                for (bytes, relative) in [(false, 8e-3), (true, 4e-2)] {
                    let mut pairs = place.output(of_q / 2);
                    let to = ActivationsMut::Bf16(&mut pairs);
                    if bytes {
                        attention_int8(&s, scale, qkv, to);
                    } else {
                        attention_with(Precision::Bf16, &s, scale, qkv, to);
                    }
                    out.fill(f32::NAN);
                    widen(&pairs, width, &mut out);
                    let tolerance = Tolerance { relative, absolute: 0.0 };
                    let what = format_args!("rounded, bytes {bytes}: {what}");
                    assert_near(&out, &of(Precision::Bf16)[0], tolerance, what);
                }
            }
            out.fill(f32::NAN);
            attention(Precision::F32, &s, scale, &q, &k, &v, &mut out);
            let [mut dq, mut dk, mut dv] = [of_q, of_k, of_k].map(|len| place.output(len));
            attention_grad(&s, scale, &q, &k, &v, &out, &dout, &mut dq, &mut dk, &mut dv);
            for (got, want) in [out, dq, dk, dv].iter().zip(&want) {
                assert_near(got, want, Tolerance::of_sum(s.d + s.tk).times(2.0).or(1e-7), what);
            }
        }
    });
}
