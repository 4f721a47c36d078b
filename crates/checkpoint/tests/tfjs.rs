//! Layers models of TensorFlow.js: what they hold, and hostile ones under limits of memory.

mod limits;

use std::fs;
use std::path::Path;

use aquatint_checkpoint::{Container, LAYERS, LoadError, Weights};
use limits::{MEMORY, TURN};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

/// A dense layer, a convolution and a counter, in two files of which the first ends in a number.
fn model() -> Value {
    json!({
        "format": "layers-model",
        "modelTopology": {"model_config": {"config": {
            "layers": [
                {"class_name": "InputLayer", "name": "in", "config": {}, "inbound_nodes": []},
                {"class_name": "Conv2D", "name": "c",
                    "config": {"filters": 3, "kernel_size": [1, 2], "padding": "valid"},
                    "inbound_nodes": [[["in", 0, 0, {}]]]},
            ],
            "output_layers": [["c", 0, 0]],
        }}},
        "weightsManifest": [{
            "paths": ["a.bin", "b.bin"],
            "weights": [
                {"name": "c/kernel", "shape": [1, 2, 2, 3], "dtype": "float32"},
                {"name": "c/bias", "shape": [3], "dtype": "float32",
                    "quantization": {"dtype": "float16"}},
                {"name": "d/kernel", "shape": [2, 3], "dtype": "float32"},
                {"name": "empty/kernel", "shape": [2, 0], "dtype": "float32"},
                {"name": "steps", "shape": [], "dtype": "int32"},
            ],
        }],
    })
}

fn write(folder: &Path, model: &[u8]) {
    let floats = |n: u16| (0..n).flat_map(|i| f32::from(i).to_le_bytes()).collect::<Vec<u8>>();
    let halves = [0x3c00u16, 0x4000, 0x4200].iter().flat_map(|h| h.to_le_bytes()).collect();
    let bytes = [floats(12), halves, floats(6), 7i32.to_le_bytes().to_vec()].concat();
    if !folder.join("a.bin").exists() {
        fs::write(folder.join("a.bin"), &bytes[..50]).unwrap();
        fs::write(folder.join("b.bin"), &bytes[50..]).unwrap();
    }
    fs::write(folder.join("model.json"), model).unwrap();
}

fn open(folder: &Path) -> Result<Weights, LoadError> {
    Weights::open(folder.join("model.json"))
}

#[test]
fn tensors_are_shown_as_pytorch_lays_them_out() {
    let _turn = TURN.lock();
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), model().to_string().as_bytes());
    let weights = open(folder.path()).unwrap();
    assert_eq!(weights.container(), Container::TfjsLayers);
    let get = |name: &str| {
        let tensor = weights.get(name).unwrap();
        (tensor.shape().to_vec(), tensor.to_vec())
    };
    // [kh, kw, in, out] = [1, 2, 2, 3]: number ((x · 2) + i) · 3 + o.
    let kernel = [0., 6., 3., 9., 1., 7., 4., 10., 2., 8., 5., 11.];
    assert_eq!(get("c.weight"), (vec![3, 2, 1, 2], kernel.to_vec()));
    assert_eq!(get("c.bias"), (vec![3], vec![1., 2., 3.]));
    assert_eq!(get("d.weight"), (vec![3, 2], vec![0., 3., 1., 4., 2., 5.]));
    assert_eq!(get("empty.weight"), (vec![0, 2], vec![]));
    assert_eq!(weights.integers("steps").unwrap(), [7]);
    assert_eq!(
        weights.metadata(LAYERS).unwrap(),
        "InputLayer\tin\t\nConv2D c 3 1x2 padding=\"valid\"\tc\tin\noutput\t\tc\n"
    );
}

/// Opens a model and reads all of it, within four times its size and a constant.
fn read(folder: &Path, json: &[u8]) -> Result<(), String> {
    write(folder, json);
    let size = json.len() + 82;
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let weights = open(folder);
    let taken = MEMORY.peak_usage().saturating_sub(before);
    assert!(taken <= 24 * size + (1 << 20), "{taken} bytes were taken to open {size}");
    let weights = weights.map_err(|error| error.to_string())?;
    for name in weights.names() {
        match (weights.get(name), weights.integers(name)) {
            (Ok(_), _) | (_, Ok(_)) => {}
            (Err(error), _) => panic!("what was opened must be readable: {error}"),
        }
    }
    Ok(())
}

#[test]
fn cut_off_and_flipped() {
    let _turn = TURN.lock();
    let folder = tempfile::tempdir().unwrap();
    let whole = model().to_string().into_bytes();
    read(folder.path(), &whole).unwrap();
    for length in 0..whole.len() {
        assert!(read(folder.path(), &whole[..length]).is_err(), "cut to {length}");
    }
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 7);
        let _ = read(folder.path(), &bytes);
    }
}

#[test]
fn models_that_contradict_themselves() {
    let _turn = TURN.lock();
    let folder = tempfile::tempdir().unwrap();
    for (pointer, value, said) in [
        ("/weights/0/shape/0", json!(u64::MAX), "absurd shape"),
        ("/weights/0/shape", json!([1_u64 << 32, 1_u64 << 32, 1, 1]), "absurd shape"),
        ("/weights/0/shape/3", json!(1_u64 << 40), "cut off"),
        ("/weights/0/shape/3", json!(2), "but the files that hold them"),
        ("/weights/0/name", json!("d/kernel"), "twice"),
        ("/weights/0/dtype", json!("string"), "as \"string\""),
        ("/weights/1/quantization/dtype", json!("uint8"), "as \"uint8\""),
        ("/paths/0", json!("/etc/hostname"), "no plain path below its folder"),
        ("/paths/0", json!("../a.bin"), "no plain path below its folder"),
        ("/paths/0", json!(""), "no plain path below its folder"),
        ("/paths/0", json!("c.bin"), "which is not there"),
        ("/paths/1", json!("a.bin"), "twice"),
    ] {
        let mut model = model();
        *model["weightsManifest"][0].pointer_mut(pointer).unwrap() = value.clone();
        let error = read(folder.path(), model.to_string().as_bytes()).expect_err(said);
        assert!(error.contains(said), "{pointer} = {value}: {error}");
    }
    let mut many = model();
    many["weightsManifest"][0]["paths"] = (0..300).map(|i| format!("{i}.bin")).collect();
    assert!(read(folder.path(), many.to_string().as_bytes()).is_err());
    // A description that is none, or strange, is left out, and the weights are there.
    for layers in [json!(null), json!({"model_config": 3}), json!({"model_config": {"config": []}})]
    {
        let mut model = model();
        model["modelTopology"] = layers;
        read(folder.path(), model.to_string().as_bytes()).unwrap();
        assert_eq!(open(folder.path()).unwrap().metadata(LAYERS), None);
    }
    let deep = format!("{{\"weightsManifest\": [], \"x\": {}", "[".repeat(100_000));
    assert!(read(folder.path(), deep.as_bytes()).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_an_error_or_a_model(bytes in vec(any::<u8>(), 0..200)) {
        let _turn = TURN.lock();
        let folder = tempfile::tempdir().unwrap();
        let _ = read(folder.path(), &[b"{\"weightsManifest\":", &bytes[..]].concat());
    }
}
