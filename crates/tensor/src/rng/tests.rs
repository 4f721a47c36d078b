use super::Rng;

const GOLDEN: &str = include_str!("../../../../testdata/golden/torch_randn.json");

/// The `"randn:0:8": [1.5, …]` lines of the golden as (kind, seed, numbers).
fn golden() -> Vec<(&'static str, u64, Vec<f32>)> {
    let lines = GOLDEN.lines().filter(|line| line.contains('['));
    lines
        .map(|line| {
            let (name, values) = line.split_once("\": ").expect("a name and its numbers");
            let mut name = name.trim().trim_start_matches('"').split(':');
            let kind = name.next().expect("a kind");
            let seed = name.next().expect("a seed").parse().expect("a number");
            let values = values.trim_end_matches(',').trim_matches(['[', ']']);
            (kind, seed, values.split(',').map(|v| v.parse().expect("a number")).collect())
        })
        .collect()
}

#[test]
fn draws_what_pytorch_draws() {
    let golden = golden();
    assert_eq!(golden.len(), 18);
    for (kind, seed, expected) in golden {
        let mut rng = Rng::new(seed);
        let mut drawn = vec![0.0; expected.len()];
        match kind {
            "rand" => rng.fill_uniform(&mut drawn),
            "randn" => drawn = rng.randn(&[expected.len()]).to_vec(),
            other => panic!("the golden holds {other}"),
        }
        for (i, (&x, &y)) in drawn.iter().zip(&expected).enumerate() {
            let close = (x - y).abs() <= 2e-7 * y.abs() + 1e-7;
            assert!(close, "{kind} of seed {seed}, {} numbers: {i} is {x}, not {y}", drawn.len());
        }
    }
}

/// torch.manual_seed(42); torch.randint(1000, (4,)) and torch.manual_seed(0) likewise.
#[test]
fn below_is_randint() {
    let draw = |seed| {
        let mut rng = Rng::new(seed);
        [(); 4].map(|()| rng.below(1000))
    };
    // The first words of MT19937 with these seeds modulo 1000.
    assert_eq!(draw(42), [542, 67, 876, 414]);
    assert_eq!(draw(0), [44, 239, 933, 760]);
}

#[test]
fn a_pair_of_normals_is_used_up_across_calls() {
    let (mut together, mut apart) = (Rng::new(3), Rng::new(3));
    let together = together.randn(&[4]).to_vec();
    let apart: Vec<f32> = (0..4).map(|_| apart.randn(&[1]).item()).collect();
    assert_eq!(together, apart);
}

#[test]
fn moments_of_normals() {
    let x = Rng::new(1).randn(&[1 << 20]).to_vec();
    let moment = |k| x.iter().map(|&v| (v as f64).powi(k)).sum::<f64>() / x.len() as f64;
    for (k, expected) in [(1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0)] {
        // Four standard errors: the variance of x⁴ is 96, of x³ 15.
        let error = 4.0 * [1.0, 2.0, 15.0, 96.0_f64][k as usize - 1].sqrt() / 1024.0;
        assert!((moment(k) - expected).abs() < error, "moment {k} is {}", moment(k));
    }
}

#[test]
fn steps_have_streams_of_their_own() {
    let first = |seed, step| Rng::for_step(seed, step).uniform();
    assert_eq!(first(1, 2), first(1, 2));
    let mut seen = Vec::new();
    for seed in [0, 1, 1 << 32] {
        for step in [0, 1, 2, 1 << 32] {
            seen.push(first(seed, step));
        }
    }
    seen.sort_by(f64::total_cmp);
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "two steps share a stream");
}

#[test]
fn shuffle_reaches_every_order_equally_often() {
    let mut rng = Rng::new(9);
    let mut counts = std::collections::BTreeMap::new();
    for _ in 0..6000 {
        let mut items = [0, 1, 2];
        rng.shuffle(&mut items);
        *counts.entry(items).or_insert(0) += 1;
    }
    assert_eq!(counts.len(), 6);
    assert!(counts.values().all(|&n| (850..1150).contains(&n)), "{counts:?}");
}
