//! What is saved is what is loaded, and what does not fit a model is said.

use std::collections::BTreeMap;

use aquatint_checkpoint::{DType, LoadError, Weights, encode, resolve, save};
use aquatint_tensor::Tensor;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

fn bytes_of(tensors: &[(String, Tensor)], dtype: DType) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(&mut bytes, tensors, dtype, &BTreeMap::new()).unwrap();
    bytes
}

fn any_tensor() -> impl Strategy<Value = Tensor> {
    vec(0usize..4, 0..4).prop_flat_map(|shape| {
        let len = shape.iter().product::<usize>();
        vec(any::<f32>(), len).prop_map(move |values| Tensor::new(values, &shape))
    })
}

proptest! {
    #[test]
    fn f32_is_exact(tensors in btree_map("[a-z_.0-9é\"\\\\]{1,12}", any_tensor(), 0..6)) {
        let tensors: Vec<(String, Tensor)> = tensors.into_iter().collect();
        let weights = Weights::from_bytes("x", bytes_of(&tensors, DType::F32)).unwrap();
        prop_assert_eq!(weights.names().count(), tensors.len());
        for (name, tensor) in &tensors {
            let loaded = weights.get(name).unwrap();
            prop_assert_eq!(loaded.shape(), tensor.shape());
            let bits = |t: &Tensor| t.to_vec().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&loaded), bits(tensor));
        }
    }

    #[test]
    fn halves_are_within_half_a_unit(values in vec(-1000f32..1000.0, 1..20)) {
        let tensors = [("a".to_owned(), Tensor::new(values.clone(), &[values.len()]))];
        for (dtype, relative) in [(DType::F16, 1.0 / 2048.0), (DType::Bf16, 1.0 / 256.0)] {
            let weights = Weights::from_bytes("x", bytes_of(&tensors, dtype)).unwrap();
            for (was, is) in values.iter().zip(weights.get("a").unwrap().to_vec()) {
                prop_assert!((was - is).abs() <= was.abs() * relative + 1e-7, "{} became {}", was, is);
            }
        }
    }

    #[test]
    fn any_bytes_are_an_error_or_a_file(mut bytes in vec(any::<u8>(), 0..200), header in any::<bool>()) {
        if header && bytes.len() > 9 {
            bytes[..10].copy_from_slice(b"\x20\0\0\0\0\0\0\0{\"");
        }
        let _ = Weights::from_bytes("x", bytes);
    }
}

#[test]
fn metadata_and_order_do_not_depend_on_the_run() {
    let tensor = Tensor::from_fn(&[3], |i| i as f32);
    let forth = [("b".to_owned(), tensor.clone()), ("a".to_owned(), tensor.clone())];
    let back = [forth[1].clone(), forth[0].clone()];
    assert_eq!(bytes_of(&forth, DType::F32), bytes_of(&back, DType::F32));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let keys = (0..20).map(|i| (format!("key{i}"), format!("value \"{i}\"")));
    let metadata: BTreeMap<String, String> = keys.collect();
    save(&path, &forth, DType::F16, &metadata).unwrap();
    let weights = Weights::open(&path).unwrap();
    assert_eq!(weights.manifest().metadata, metadata);
    assert_eq!(weights.metadata("key7"), Some("value \"7\""));
    assert_eq!(weights.manifest().tensors["a"].dtype, "F16");
    assert_eq!(weights.get("b").unwrap().to_vec(), [0.0, 1.0, 2.0]);
}

#[test]
fn resolve_is_strict() {
    let stored = [
        ("conv1.weight".to_owned(), Tensor::zeros(&[2, 2])),
        ("conv1.bais".to_owned(), Tensor::zeros(&[2])),
        ("text_model.embeddings.position_ids".to_owned(), Tensor::zeros(&[1, 7])),
    ];
    let weights = Weights::from_bytes("m.safetensors", bytes_of(&stored, DType::F32)).unwrap();

    let fits = [("conv1.weight".to_owned(), vec![2, 2]), ("conv1.bais".to_owned(), vec![2])];
    assert_eq!(resolve(&weights, &fits).unwrap().len(), 2);

    let wanted = [("conv1.weight".to_owned(), vec![2, 3]), ("conv1.bias".to_owned(), vec![2])];
    let error = resolve(&weights, &wanted).unwrap_err();
    assert_eq!(
        error.to_string(),
        "m.safetensors does not fit the model's configuration: 1 tensor missing (`conv1.bias`, \
         nearest `conv1.bais`), 1 tensor unexpected (`conv1.bais`), 1 tensor of another shape \
         (`conv1.weight` is [2, 2], wanted [2, 3])"
    );
    let LoadError::Mismatch { report, .. } = error else { panic!("{error}") };
    assert_eq!(report.missing, ["conv1.bias"]);

    let error = weights.get("conv1.bias").unwrap_err().to_string();
    assert_eq!(
        error,
        "m.safetensors holds no tensor `conv1.bias` (the nearest name is `conv1.bais`)"
    );
}

#[test]
fn integers_are_no_weights() {
    let header = r#"{"steps":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.extend(7i64.to_le_bytes());
    let weights = Weights::from_bytes("m.safetensors", bytes).unwrap();
    assert_eq!(
        weights.get("steps").unwrap_err().to_string(),
        "m.safetensors holds `steps` as I64; weights must be F32, F16 or BF16"
    );
}
