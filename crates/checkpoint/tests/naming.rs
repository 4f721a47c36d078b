//! Every tensor of every family has exactly one name in each naming, and its numbers survive the
//! way there and back.

mod names;

use std::collections::{BTreeMap, BTreeSet};

use aquatint_checkpoint::naming::{Binding, Layout, Plan, store};
use names::{FamilyNames, Names, families, shapes};
use serde_json::Map;

/// What training leaves in a file beside the weights.
const BUFFERS: [&str; 9] = [
    "betas",
    "alphas_cumprod",
    "sqrt_recipm1_alphas_cumprod",
    "posterior_mean_coef2",
    "logvar",
    "scale_factor",
    "model_ema.decay",
    "model_ema.diffusion_modelinput_blocks00weight",
    "first_stage_model.loss.discriminator.main.0.weight",
];

/// A family's file as it was published, its layout and the plan.
fn published(family: &FamilyNames) -> (Names, Layout, Plan) {
    let mut file = family.single_file();
    file.extend(BUFFERS.map(|name| (name.to_owned(), vec![1])));
    let layout = Layout::ldm(&family.configs()).unwrap();
    let plan = Plan::new(&shapes(&file), &layout);
    (file, layout, plan)
}

#[test]
fn every_name_of_a_single_file_is_one_of_ours_and_nothing_is_left_over() {
    for family in families() {
        let (file, _, plan) = published(&family);
        assert_eq!(plan.unexpected, [""; 0], "{}", family.id);
        assert_eq!(plan.bound.len(), family.parts.len(), "{}", family.id);
        for part in &family.parts {
            let wanted: Vec<_> = part.diffusers.clone().into_iter().collect();
            let report = plan.report(&shapes(&file), &part.part, &wanted);
            assert!(report.is_empty(), "{} {}: {report}", family.id, part.part);
        }
    }
}

#[test]
fn only_named_things_are_ignored() {
    for family in families() {
        let (_, _, plan) = published(&family);
        let mut ignored: BTreeSet<&str> = plan.ignored.iter().map(|(n, _)| n.as_str()).collect();
        for name in BUFFERS {
            assert!(ignored.remove(name), "{}: {name}", family.id);
        }
        let known = |name: &&str| {
            let sd2 = family.id.starts_with("sd2") || family.id == "x4-upscaler";
            name.ends_with("position_ids")
                || name.ends_with("logit_scale")
                || sd2 && (name.contains("resblocks.23.") || name.ends_with("text_projection"))
        };
        let rest: Vec<_> = ignored.into_iter().filter(|name| !known(name)).collect();
        assert_eq!(rest, [""; 0], "{}", family.id);
    }
}

#[test]
fn every_name_of_ours_has_one_in_a_single_file() {
    for family in families() {
        let (_, layout, plan) = published(&family);
        let mut made = BTreeSet::new();
        for part in &family.parts {
            for name in part.diffusers.keys() {
                let binding = layout.binding(&part.part, name);
                let binding = binding.unwrap_or_else(|| panic!("{}: {name}", family.id));
                assert_eq!(plan.bound[&part.part][name], binding, "{}: {name}", family.id);
                made.insert(binding.stored);
            }
        }
        let ignored: BTreeSet<String> = plan.ignored.iter().map(|(name, _)| name.clone()).collect();
        let file: BTreeSet<String> = family.single_file().into_keys().collect();
        assert_eq!(made, file.difference(&ignored).cloned().collect(), "{}", family.id);
    }
}

#[test]
fn the_file_itself_says_which_naming_and_prefixes_it_has() {
    for family in families() {
        let (file, expected, _) = published(&family);
        let layout = Layout::of(&shapes(&file), &family.configs()).unwrap();
        let of = |layout: &Layout| {
            let parts = layout.parts.iter();
            parts.map(|p| (p.part.clone(), p.naming, p.prefix.clone())).collect::<Vec<_>>()
        };
        assert_eq!(of(&layout), of(&expected), "{}", family.id);
        for part in &family.parts {
            let config =
                Map::from_iter([(part.part.clone(), family.configs()[&part.part].clone())]);
            for names in [&part.authors, &part.diffusers] {
                let layout = Layout::of(&shapes(names), &config).unwrap();
                let plan = Plan::new(&shapes(names), &layout);
                let wanted: Vec<_> = part.diffusers.clone().into_iter().collect();
                let report = plan.report(&shapes(names), &part.part, &wanted);
                assert!(report.is_empty(), "{} {}: {report}", family.id, part.part);
            }
        }
    }
}

#[test]
fn numbers_survive_the_way_there_and_back() {
    for family in families() {
        let (file, layout, plan) = published(&family);
        // Small enough to hold, large enough for each head to have rows of its own.
        let divisor = if family.configs()["unet"]["_class_name"] == "UNet2DModel" { 8 } else { 32 };
        let stored: BTreeMap<&str, (Vec<f32>, Vec<usize>)> = file
            .iter()
            .map(|(name, shape)| (name.as_str(), numbers(name, shape, divisor)))
            .collect();
        let mut back = BTreeMap::<&str, Vec<(&Binding, Vec<f32>, Vec<usize>)>>::new();
        for binding in plan.bound.values().flat_map(BTreeMap::values) {
            let (values, shape) = &stored[binding.stored.as_str()];
            let (values, shape) = binding.load(values, shape).expect("the shapes fit");
            back.entry(&binding.stored).or_default().push((binding, values, shape));
        }
        for (name, parts) in back {
            let parts: Vec<_> = parts.iter().map(|(b, v, s)| (*b, &v[..], &s[..])).collect();
            assert_eq!(store(&parts).as_ref(), Some(&stored[name]), "{}: {name}", family.id);
        }
        drop(layout);
    }
}

/// A hash of the name, in a shape that is smaller by `divisor` where it divides.
fn numbers(name: &str, shape: &[usize], divisor: usize) -> (Vec<f32>, Vec<usize>) {
    let shrink = |&n: &usize| if n % divisor == 0 { n / divisor } else { n.min(77) };
    let shape: Vec<usize> = shape.iter().map(shrink).collect();
    let mut state = name.bytes().fold(1u32, |h, b| h.wrapping_mul(16_777_619) ^ u32::from(b));
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32
    };
    ((0..shape.iter().product()).map(|_| next()).collect(), shape)
}

#[test]
fn absurd_configurations_are_refused() {
    for (config, expected) in [
        (r#"{}"#, "vae: down_block_types is no list of 1 to 16 names of blocks"),
        (
            r#"{"down_block_types": ["A"], "up_block_types": ["A"], "layers_per_block": 99999}"#,
            "vae: layers_per_block = 99999 is not between 1 and 1024",
        ),
        (
            r#"{"down_block_types": ["A"], "up_block_types": ["A"], "layers_per_block": [1, 2]}"#,
            "vae: layers_per_block is no number from 1 to 2^20, nor a list of 1",
        ),
    ] {
        let config = serde_json::from_str(config).unwrap();
        let error = Layout::ldm(&Map::from_iter([("vae".to_owned(), config)])).unwrap_err();
        assert_eq!(error, expected);
    }
}
