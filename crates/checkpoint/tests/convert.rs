//! A file in another naming and back: the same names, shapes, encodings and bits.

mod names;

use std::collections::{BTreeMap, BTreeSet};

use aquatint_checkpoint::naming::{self, Layout, Output, Plan, outputs};
use aquatint_checkpoint::{DType, Planned, Weights, save_streamed};
use names::{Names, families, shapes};
use serde_json::{Map, Value};

/// Names and shapes by part, as they come out.
fn planned(file: &Names, configs: &Map<String, Value>, to: &Layout) -> Vec<Output> {
    let file = shapes(file);
    let plan = Plan::new(&file, &Layout::of(&file, configs).unwrap());
    assert_eq!(plan.unexpected, [""; 0]);
    outputs(&file, &plan, to).unwrap()
}

#[test]
fn every_family_goes_there_and_back() {
    for family in families() {
        let configs = family.configs();
        let (ldm, diffusers) =
            (Layout::ldm(&configs).unwrap(), Layout::diffusers(&configs).unwrap());
        let single = family.single_file();
        let mut folders = BTreeMap::<String, Names>::new();
        for output in planned(&single, &configs, &diffusers) {
            folders.entry(output.part).or_default().insert(output.name, output.shape);
        }
        for part in &family.parts {
            assert_eq!(folders[&part.part], part.diffusers, "{} {}", family.id, part.part);
        }

        let mut back = Names::new();
        for (part, names) in &folders {
            let config = Map::from_iter([(part.clone(), configs[part].clone())]);
            let made = planned(names, &config, &ldm);
            back.extend(made.into_iter().map(|output| (output.name, output.shape)));
        }
        let plan = Plan::new(&shapes(&single), &ldm);
        let left_out: BTreeSet<&str> = plan.ignored.iter().map(|(name, _)| name.as_str()).collect();
        let kept = single.iter().filter(|(name, _)| !left_out.contains(name.as_str()));
        assert_eq!(back, kept.map(|(n, s)| (n.clone(), s.clone())).collect(), "{}", family.id);

        let again = planned(&back, &configs, &diffusers).into_iter();
        let again: Vec<_> = again.map(|output| (output.part, output.name, output.shape)).collect();
        let folders = folders.iter().flat_map(|(part, names)| {
            names.iter().map(|(name, shape)| (part.clone(), name.clone(), shape.clone()))
        });
        assert_eq!(again, folders.collect::<Vec<_>>(), "{}", family.id);
    }
}

/// A fused text encoder, whose numbers are taken apart, put together and turned.
fn configs() -> Map<String, Value> {
    let config = serde_json::json!({
        "architectures": ["CLIPTextModelWithProjection"], "num_hidden_layers": 1,
        "hidden_act": "gelu",
    });
    Map::from_iter([("text_encoder_2".to_owned(), config)])
}

/// Every bit pattern that a wide enough counter has, infinities and all kinds of NaN among them.
fn file(path: &std::path::Path, dtype: DType) -> Weights {
    let layer = "conditioner.embedders.0.model.transformer.resblocks.0";
    let tensors = [
        ("conditioner.embedders.0.model.text_projection".to_owned(), vec![512, 128]),
        (format!("{layer}.attn.in_proj_weight"), vec![768, 256]),
        (format!("{layer}.attn.in_proj_bias"), vec![768]),
        (format!("{layer}.mlp.c_fc.bias"), vec![1024]),
    ];
    let tensors = tensors.map(|(name, shape)| Planned { name, shape, dtype });
    let number = |n: usize| ((n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes();
    save_streamed(path, &tensors, &BTreeMap::new(), |i| {
        let size = dtype.size();
        let all = (0..tensors[i].bytes() / size).flat_map(|n| number(n + 1)[..size].to_vec());
        Ok::<_, std::io::Error>(all.collect())
    })
    .unwrap();
    Weights::open(path).unwrap()
}

/// Writes `from` in the layout `to`, every tensor in the encoding it has.
fn convert(from: &Weights, to: &Layout, path: &std::path::Path) -> Weights {
    let names = naming::shapes(from.manifest());
    let plan = Plan::new(&names, &Layout::of(&names, &configs()).unwrap());
    let outputs = outputs(&names, &plan, to).unwrap();
    let planned: Vec<Planned> = outputs
        .iter()
        .map(|output| Planned {
            name: output.name.clone(),
            shape: output.shape.clone(),
            dtype: output.kept_dtype(from),
        })
        .collect();
    save_streamed(path, &planned, &BTreeMap::new(), |i| {
        let bytes = outputs[i].bytes(from, planned[i].dtype);
        bytes.map_err(std::io::Error::other)
    })
    .unwrap();
    Weights::open(path).unwrap()
}

#[test]
fn every_bit_survives_in_every_encoding() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (ldm, diffusers) =
        (Layout::ldm(&configs()).unwrap(), Layout::diffusers(&configs()).unwrap());
    for dtype in [DType::F32, DType::F16, DType::Bf16, DType::F64] {
        let old = file(&path("old"), dtype);
        let middle = convert(&old, &diffusers, &path("middle"));
        assert_eq!(middle.names().count(), 8);
        let new = convert(&middle, &ldm, &path("new"));
        assert!(std::fs::read(path("old")).unwrap() == std::fs::read(path("new")).unwrap());
        let again = convert(&new, &diffusers, &path("again"));
        assert_eq!(again.dtype("text_projection.weight"), Some(dtype.name()));
        assert!(std::fs::read(path("middle")).unwrap() == std::fs::read(path("again")).unwrap());
    }
}

#[test]
fn what_does_not_fit_into_an_encoding_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let name = "text_model.encoder.layers.0.mlp.fc1.bias".to_owned();
    let tensor = [Planned { name, shape: vec![2], dtype: DType::F32 }];
    for (number, fits) in [(65519.0f32, true), (-70000.0, false), (f32::INFINITY, true)] {
        let bytes = [1.0, number].map(f32::to_le_bytes).as_flattened().to_vec();
        save_streamed(&path, &tensor, &BTreeMap::new(), |_| Ok::<_, std::io::Error>(bytes.clone()))
            .unwrap();
        let weights = Weights::open(&path).unwrap();
        let names = naming::shapes(weights.manifest());
        let plan = Plan::new(&names, &Layout::of(&names, &configs()).unwrap());
        let to = Layout::ldm(&configs()).unwrap();
        let output = &outputs(&names, &plan, &to).unwrap()[0];
        match output.bytes(&weights, DType::F16) {
            Ok(bytes) => assert!(fits && bytes.len() == 4),
            Err(error) => {
                let said = "`, which is too large for F16; take --dtype bf16 or f32";
                assert!(!fits && error.to_string().ends_with(said), "{error}");
            }
        }
        assert_eq!(output.bytes(&weights, DType::Bf16).unwrap().len(), 4);
    }
}
