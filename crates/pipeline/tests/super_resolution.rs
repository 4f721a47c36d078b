//! Larger pictures in one pass: the network that the program carries, files of other networks in
//! every naming, and pieces that nobody can tell from the whole.

#[path = "../../models/tests/common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use aquatint_checkpoint::{DType, Weights, save};
use aquatint_pipeline::{GenerateError, LoadOptions, Picture, Upscaler};
use aquatint_tensor::Tensor;
use common::{Golden, hashed, input};
use serde_json::Value;

fn root(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

fn open(path: &Path) -> Upscaler {
    Upscaler::open(path, &LoadOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn refusal(path: &Path) -> String {
    let error = Upscaler::open(path, &LoadOptions::default()).expect_err("it is to be refused");
    error.to_string()
}

/// A picture of noise, of the bytes that the reference has.
fn picture(width: usize, height: usize) -> Picture {
    let numbers = input("bytes", &[height, width, 3]);
    let rgb = numbers.to_vec().iter().map(|x| ((x + 1.7) * 75.0) as u8).collect();
    Picture { width, height, rgb }
}

fn upscale(upscaler: &Upscaler, picture: &Picture, side: usize) -> Picture {
    let tiles = upscaler.tiles([picture.width, picture.height], Some(side), None);
    upscaler.upscale(picture, &tiles, &mut || ControlFlow::Continue(())).expect("numbers")
}

fn largest_difference(a: &Picture, b: &Picture) -> u8 {
    assert_eq!((a.width, a.height), (b.width, b.height));
    a.rgb.iter().zip(&b.rgb).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

#[test]
fn the_shipped_network_agrees_with_pytorch() {
    let path = root("testdata/golden/esrgan_slim.json");
    let golden: BTreeMap<String, Vec<u8>> =
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let upscaler = open(&root("models/esrgan-slim/x4.safetensors"));
    assert_eq!((upscaler.scale(), upscaler.name()), (4, "RDN"));
    let large = upscale(&upscaler, &picture(20, 16), 0);
    let last = large.rgb.len() - 1;
    for (k, expected) in golden["x4"].iter().enumerate() {
        let got = large.rgb[k * last / 63];
        assert!(got.abs_diff(*expected) <= 1, "sample {k}: {got}, expected {expected}");
    }
    let exact = golden["x4"].iter().enumerate().filter(|(k, e)| large.rgb[k * last / 63] == **e);
    assert!(exact.count() >= 62, "more than rounding");
}

#[test]
fn pieces_are_the_whole() {
    let upscaler = open(&root("models/esrgan-slim/x4.safetensors"));
    let picture = picture(70, 45);
    let whole = upscale(&upscaler, &picture, 0);
    assert!(largest_difference(&whole, &upscale(&upscaler, &picture, 16)) <= 1);
    // Without the overlap there would be seams.
    let cut = upscaler.tiles([70, 45], Some(16), Some(0));
    let cut = upscaler.upscale(&picture, &cut, &mut || ControlFlow::Continue(())).unwrap();
    assert!(largest_difference(&whole, &cut) > 16);
}

#[test]
fn whoever_watches_is_told_of_every_piece_and_may_stop() {
    let upscaler = open(&root("models/esrgan-slim/x4.safetensors"));
    let picture = picture(20, 16);
    let tiles = upscaler.tiles([20, 16], Some(8), None);
    assert_eq!(tiles.count(), 6);
    let mut seen = 0;
    let stopped = upscaler.upscale(&picture, &tiles, &mut || {
        seen += 1;
        if seen == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(stopped, Err(GenerateError::Cancelled)));
    assert_eq!((seen, upscaler.parts(&tiles)), (2, 6));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    save_as(&path, "rrdb_x4", str::to_owned);
    let (upscaler, mut seen) = (open(&path), 0);
    let counted = upscaler.upscale(&picture, &tiles, &mut || {
        seen += 1;
        ControlFlow::Continue(())
    });
    assert_eq!((counted.is_ok(), seen, upscaler.parts(&tiles)), (true, 18, 18));
}

/// The tensors of a network of the golden, hashed, under other names.
fn save_as(path: &Path, network: &str, renamed: impl Fn(&str) -> String) {
    let configs: BTreeMap<String, Value> = Golden::open("super_resolution").config();
    let shapes: BTreeMap<String, Vec<usize>> =
        serde_json::from_value(configs[network]["tensors"].clone()).unwrap();
    let tensors: Vec<(String, Tensor)> =
        shapes.iter().map(|(name, shape)| (renamed(name), hashed(name, shape))).collect();
    save(path, &tensors, DType::F32, &BTreeMap::new()).unwrap();
}

/// As the first ESRGAN was published.
fn sequential(name: &str) -> String {
    let (layer, kind) = name.rsplit_once('.').unwrap();
    let layer = match layer {
        "conv_first" => "0".into(),
        "conv_body" => "1.sub.2".into(),
        "conv_up1" => "3".into(),
        "conv_up2" => "6".into(),
        "conv_hr" => "8".into(),
        "conv_last" => "10".into(),
        block => format!("1.sub.{}.0", block[5..].replace("rdb", "RDB")),
    };
    format!("model.{layer}.{kind}")
}

fn trunk(name: &str) -> String {
    [
        ("conv_body", "trunk_conv"),
        ("body.", "RRDB_trunk."),
        ("rdb", "RDB"),
        ("conv_up", "upconv"),
        ("conv_hr", "HRconv"),
    ]
    .iter()
    .fold(name.to_owned(), |name, (ours, theirs)| name.replace(ours, theirs))
}

#[test]
fn every_naming_of_a_network_is_the_network() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    let picture = picture(12, 9);
    let drawn = |renamed: &dyn Fn(&str) -> String| {
        save_as(&path, "rrdb_x4", renamed);
        let upscaler = open(&path);
        assert_eq!((upscaler.scale(), upscaler.name()), (4, "RRDBNet (ESRGAN)"));
        upscale(&upscaler, &picture, 0)
    };
    let ours = drawn(&str::to_owned);
    assert_eq!(drawn(&sequential), ours);
    assert_eq!(drawn(&trunk), ours);
    // An odd size, where two by two pixels are read as one.
    save_as(&path, "rrdb_x2", str::to_owned);
    let large = upscale(&open(&path), &picture, 0);
    assert_eq!((large.width, large.height), (24, 18));
    save_as(&path, "srvgg_x2", str::to_owned);
    assert_eq!(upscale(&open(&path), &picture, 5), upscale(&open(&path), &picture, 0));
}

#[test]
fn what_is_no_such_network_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    let file = path.display();
    save_as(&path, "rrdb_x4", |name| name.replace("conv_hr", "conv_high"));
    assert!(refusal(&path).starts_with(&format!("{file} is no network that enlarges pictures")));
    save_as(&path, "rrdb_x4", |name| name.replace("body.1.rdb3.conv5", "body.1.rdb3.conv6"));
    let said = refusal(&path);
    assert!(said.contains("2 tensors missing (`body.1.rdb3.conv5.weight`, nearest"), "{said}");
    let tensors = [("unet.conv_in.weight".to_owned(), Tensor::zeros(&[4, 4, 3, 3]))];
    save(&path, &tensors, DType::F32, &BTreeMap::new()).unwrap();
    assert!(refusal(&path).starts_with(&format!("{file} is no network that enlarges pictures")));
}

/// A package's `model.json`, and its numbers in two files that are cut in the middle of a tensor.
fn package(folder: &Path, change: impl Fn(&mut Value)) {
    let json = fs::read(root("testdata/containers/tfjs/model.json")).unwrap();
    let mut model: Value = serde_json::from_slice(&json).unwrap();
    let weights = Weights::open(root("models/esrgan-slim/x4.safetensors")).unwrap();
    let mut bytes = Vec::new();
    for stored in model["weightsManifest"][0]["weights"].as_array().unwrap() {
        let name = stored["name"].as_str().unwrap();
        let ours = name.replace("/kernel", ".weight").replace("/bias", ".bias");
        let tensor = weights.get(&ours).unwrap();
        let numbers = match *tensor.shape() {
            // [out, in, kh, kw] → [kh, kw, in, out]
            [o, i, h, w] => {
                let x = tensor.to_vec();
                let at =
                    |n: usize| ((n % o * i + n / o % i) * h + n / o / i / w) * w + n / o / i % w;
                (0..x.len()).map(|n| x[at(n)]).collect()
            }
            _ => tensor.to_vec(),
        };
        bytes.extend(numbers.iter().flat_map(|x: &f32| x.to_le_bytes()));
    }
    model["weightsManifest"][0]["paths"] = serde_json::json!(["one.bin", "two.bin"]);
    change(&mut model);
    fs::write(folder.join("model.json"), model.to_string()).unwrap();
    fs::write(folder.join("one.bin"), &bytes[..100_001]).unwrap();
    fs::write(folder.join("two.bin"), &bytes[100_001..]).unwrap();
}

#[test]
fn a_package_of_tensorflow_js_is_the_same_network() {
    let folder = tempfile::tempdir().unwrap();
    package(folder.path(), |_| {});
    let picture = picture(20, 16);
    let ours = upscale(&open(&root("models/esrgan-slim/x4.safetensors")), &picture, 0);
    assert!(largest_difference(&upscale(&open(folder.path()), &picture, 0), &ours) <= 1);
    assert_eq!(open(&folder.path().join("model.json")).name(), "RDN");
}

#[test]
fn a_package_that_computes_something_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let layers = "/modelTopology/model_config/config/layers";
    let said = |change: &dyn Fn(&mut Value)| {
        package(folder.path(), change);
        refusal(folder.path())
    };
    let at = |model: &mut Value, path: &str, to: Value| {
        *model.pointer_mut(path).unwrap_or_else(|| panic!("{path}")) = to;
    };
    let error = said(&|m| at(m, &format!("{layers}/4/config/activation"), "tanh".into()));
    assert!(
        error.contains("has the weights of a RDN, but has a layer `F_1_1_Relu` (tanh)"),
        "{error}"
    );
    let error = said(&|m| at(m, &format!("{layers}/2/config/strides/0"), 2.into()));
    assert!(error.contains("has a layer `F_0` (Conv2D F_0 64 3x3 strides=[2,1])"), "{error}");
    let error = said(&|m| at(m, "/modelTopology", Value::Null));
    assert!(error.contains("but has no result"), "{error}");
    let error = said(&|m| at(m, "/format", "graph-model".into()));
    assert!(error.contains("it is a TensorFlow.js graph model"), "{error}");
    let error = said(&|m| at(m, "/weightsManifest/0/paths/1", "../two.bin".into()));
    assert!(error.contains("nothing outside the folder is opened"), "{error}");
    let error = said(&|m| at(m, "/weightsManifest/0/paths/1", "one.bin".into()));
    assert!(error.contains("lists `one.bin` twice"), "{error}");
    let error = said(&|m| {
        m["weightsManifest"][0]["weights"][0]["quantization"] =
            serde_json::json!({"dtype": "uint8"});
    });
    assert!(
        error.contains("as \"uint8\"; convert the model again without quantization"),
        "{error}"
    );
    let error = said(&|m| at(m, "/weightsManifest/0/weights/0/shape/0", 2.into()));
    assert!(error.contains("but the files that hold them"), "{error}");
    let error = said(&|m| at(m, "/weightsManifest/0/weights/0/shape/0", 400.into()));
    assert!(error.contains("is cut off"), "{error}");
    let error = said(&|m| at(m, "/weightsManifest/0/weights/0/shape/0", u64::MAX.into()));
    assert!(error.contains("absurd shape"), "{error}");
}
