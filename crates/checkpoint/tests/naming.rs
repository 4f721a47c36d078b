//! Every tensor of every family has exactly one name in each naming, and its numbers survive the
//! way there and back.

mod names;

use std::collections::{BTreeMap, BTreeSet};

use aquatint_checkpoint::naming::{Binding, Layout, Plan, outputs, store};
use aquatint_checkpoint::{DType, LoadError, Weights, encode, naming};
use aquatint_tensor::Tensor;
use names::{FamilyNames, Names, families, shapes};
use serde_json::{Map, Value};

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

fn tiny_vae() -> (Map<String, Value>, Vec<(String, Tensor)>) {
    let config = serde_json::json!({
        "_class_name": "AutoencoderKL", "layers_per_block": 1,
        "down_block_types": ["DownEncoderBlock2D"], "up_block_types": ["UpDecoderBlock2D"],
    });
    let mut tensors = vec![
        ("encoder.conv_in.weight".to_owned(), Tensor::from_fn(&[4, 3, 3, 3], |i| i as f32)),
        (
            "encoder.down_blocks.0.resnets.0.conv1.bias".to_owned(),
            Tensor::from_fn(&[4], |i| i as f32),
        ),
    ];
    for leaf in ["to_q", "to_k", "to_v", "to_out.0"] {
        let path = format!("encoder.mid_block.attentions.0.{leaf}");
        tensors.push((path.clone() + ".weight", Tensor::from_fn(&[4, 4], |i| -(i as f32))));
        tensors.push((path + ".bias", Tensor::from_fn(&[4], |i| i as f32)));
    }
    (Map::from_iter([("vae".to_owned(), config)]), tensors)
}

fn opened(tensors: &[(String, Tensor)]) -> Weights {
    let mut bytes = Vec::new();
    encode(&mut bytes, tensors, DType::F32, &BTreeMap::new()).unwrap();
    Weights::from_bytes("x", bytes).unwrap()
}

fn loaded(weights: &Weights, configs: &Map<String, Value>, like: &[(String, Tensor)]) -> String {
    let file = naming::shapes(weights.manifest());
    let plan = Plan::new(&file, &Layout::of(&file, configs).unwrap());
    let wanted: Vec<_> = like.iter().map(|(n, t)| (n.clone(), t.shape().to_vec())).collect();
    match plan.check(weights, "vae", &wanted) {
        Err(error) => error.to_string(),
        Ok(()) => {
            for (name, tensor) in like {
                let found = plan.tensor(weights, "vae", name, tensor.shape()).unwrap();
                assert_eq!(found.to_vec(), tensor.to_vec(), "{name}");
            }
            "equal".into()
        }
    }
}

/// The tensors in another layout.
fn converted(
    tensors: &[(String, Tensor)],
    configs: &Map<String, Value>,
    to: &Layout,
) -> Vec<(String, Tensor)> {
    let weights = opened(tensors);
    let file = naming::shapes(weights.manifest());
    let plan = Plan::new(&file, &Layout::of(&file, configs).unwrap());
    let made = outputs(&file, &plan, to).unwrap().into_iter().map(|output| {
        let tensor = output.make(|name| weights.get(name))?;
        assert_eq!(tensor.shape(), output.shape);
        assert!(output.sources().all(|name| file.contains_key(name)));
        Ok::<_, LoadError>((output.name, tensor))
    });
    made.collect::<Result<_, _>>().unwrap()
}

fn equal(a: &[(String, Tensor)], b: &[(String, Tensor)]) -> bool {
    let parts = |tensors: &[(String, Tensor)]| {
        let parts = tensors.iter().map(|(n, t)| (n.clone(), (t.shape().to_vec(), t.to_vec())));
        parts.collect::<BTreeMap<_, _>>()
    };
    parts(a) == parts(b)
}

#[test]
fn a_fused_text_encoder_is_converted_there_and_back() {
    let config = serde_json::json!({
        "architectures": ["CLIPTextModelWithProjection"], "num_hidden_layers": 1,
        "hidden_act": "gelu",
    });
    let configs = Map::from_iter([("text_encoder_2".to_owned(), config)]);
    let layer = "text_model.encoder.layers.0";
    let names = ["q", "k", "v"].map(|part| format!("{layer}.self_attn.{part}_proj"));
    let mut tensors = vec![
        ("text_projection.weight".to_owned(), Tensor::from_fn(&[3, 2], |i| 7.0 + i as f32)),
        (format!("{layer}.mlp.fc1.bias"), Tensor::from_fn(&[8], |i| i as f32)),
    ];
    for (part, name) in names.iter().enumerate() {
        let value = move |i: usize| (100 * part + i) as f32;
        tensors.push((format!("{name}.weight"), Tensor::from_fn(&[2, 2], value)));
        tensors.push((format!("{name}.bias"), Tensor::from_fn(&[2], value)));
    }
    let ldm = converted(&tensors, &configs, &Layout::ldm(&configs).unwrap());
    let prefix = "conditioner.embedders.0.model";
    let get = |name: &str| {
        let found = ldm.iter().find(|(n, _)| *n == format!("{prefix}.{name}"));
        found.map(|(_, tensor)| tensor.to_vec()).expect(name)
    };
    let fused = [0., 1., 2., 3., 100., 101., 102., 103., 200., 201., 202., 203.];
    assert_eq!(get("transformer.resblocks.0.attn.in_proj_weight"), fused);
    assert_eq!(get("transformer.resblocks.0.attn.in_proj_bias"), [0., 1., 100., 101., 200., 201.]);
    assert_eq!(get("text_projection"), [7., 9., 11., 8., 10., 12.]);
    assert_eq!(ldm.len(), 4);
    let back = converted(&ldm, &configs, &Layout::diffusers(&configs).unwrap());
    assert!(equal(&back, &tensors));

    // As stable-diffusion.cpp has it: transformers' names, OpenCLIP's tensors.
    let renamed = ldm.iter().map(|(name, tensor)| {
        let name = name
            .replace(&format!("{prefix}.transformer.resblocks."), "x.text_model.encoder.layers.")
            .replace(&format!("{prefix}.text_projection"), "x.text_model.text_projection")
            .replace("attn.in_proj_", "self_attn.in_proj.")
            .replace("mlp.c_fc", "mlp.fc1");
        (name.replace("x.", "cond_stage_model.1.transformer."), tensor.clone())
    });
    let renamed: Vec<_> = renamed.collect();
    assert!(equal(&converted(&renamed, &configs, &Layout::diffusers(&configs).unwrap()), &tensors));

    tensors.pop();
    let weights = opened(&tensors);
    let file = naming::shapes(weights.manifest());
    let plan = Plan::new(&file, &Layout::of(&file, &configs).unwrap());
    let error = outputs(&file, &plan, &Layout::ldm(&configs).unwrap()).unwrap_err();
    assert!(error.ends_with("a part is missing or of another shape"), "{error}");
}

#[test]
fn an_autoencoder_is_the_same_in_all_its_spellings() {
    let (configs, tensors) = tiny_vae();
    assert_eq!(loaded(&opened(&tensors), &configs, &tensors), "equal");

    let ldm = converted(&tensors, &configs, &Layout::ldm(&configs).unwrap());
    let q = ldm.iter().find(|(name, _)| name == "first_stage_model.encoder.mid.attn_1.q.weight");
    assert_eq!(q.expect("a query").1.shape(), [4, 4, 1, 1]);
    assert_eq!(loaded(&opened(&ldm), &configs, &tensors), "equal");
    assert!(equal(&converted(&ldm, &configs, &Layout::diffusers(&configs).unwrap()), &tensors));

    let old = |name: &str| {
        name.replace("to_q", "query")
            .replace("to_k", "key")
            .replace("to_v", "value")
            .replace("to_out.0", "proj_attn")
    };
    let renamed: Vec<_> = tensors.iter().map(|(n, t)| (old(n), t.clone())).collect();
    assert_eq!(loaded(&opened(&renamed), &configs, &tensors), "equal");
}

#[test]
fn what_does_not_fit_is_named_as_the_file_names_it() {
    let (configs, tensors) = tiny_vae();
    let mut ldm = converted(&tensors, &configs, &Layout::ldm(&configs).unwrap());
    for (name, tensor) in &mut ldm {
        if name.ends_with("attn_1.k.weight") {
            *tensor = Tensor::from_fn(&[4, 3, 1, 1], |i| i as f32);
        }
        *name = name.replace("attn_1.v.bias", "attn_1.w.bias");
    }
    assert_eq!(
        loaded(&opened(&ldm), &configs, &tensors),
        "x does not fit the model's configuration: 1 tensor missing \
         (`encoder.mid_block.attentions.0.to_v.bias`), 1 tensor unexpected \
         (`first_stage_model.encoder.mid.attn_1.w.bias`), 1 tensor of another shape \
         (`first_stage_model.encoder.mid.attn_1.k.weight` is [4, 3, 1, 1], wanted [4, 4])"
    );
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
