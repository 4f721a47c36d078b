//! Tensors from one naming to another and back, where they are cut, joined and turned.

use std::collections::BTreeMap;

use aquatint_checkpoint::naming::{self, Layout, Plan, outputs};
use aquatint_checkpoint::{DType, LoadError, Weights, encode};
use aquatint_tensor::Tensor;
use serde_json::{Map, Value};

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
