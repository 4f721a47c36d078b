//! The same tensors come out of every container, and what is no model is said.
//!
//! The files are made by PyTorch, safetensors and `tools/reference/containers.py`.

use std::fs;
use std::path::{Path, PathBuf};

use aquatint_checkpoint::{Container, Weights};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/containers").join(name)
}

fn open(name: &str) -> Weights {
    Weights::open(path(name)).unwrap()
}

/// The sentence without the path before it.
fn refusal(name: &str) -> String {
    let path = path(name);
    let error = Weights::open(&path).err().expect("this file is to be refused").to_string();
    error.strip_prefix(&path.display().to_string()).expect("the file is named first").to_owned()
}

const PLAIN: &[(&str, Container)] = &[
    ("plain.safetensors", Container::Safetensors),
    ("shards/a.safetensors.index.json", Container::ShardIndex),
    ("plain.ckpt", Container::TorchZip),
    ("legacy.pt", Container::TorchLegacy),
];

#[test]
fn every_container_holds_the_same() {
    let base: Vec<f32> = (0..24).map(|i| i as f32).collect();
    let transposed: Vec<f32> = (0..24).map(|i| (i % 4 * 6 + i / 4) as f32).collect();
    let tensors: &[(&str, &str, &[usize], &[f32])] = &[
        ("whole", "F32", &[2, 3, 4], &base),
        ("transposed", "F32", &[6, 4], &transposed),
        ("offset", "F32", &[6], &base[5..11]),
        ("strided", "F32", &[6], &[3.0, 7.0, 11.0, 15.0, 19.0, 23.0]),
        ("expanded", "F32", &[2, 3], &[1.5, 1.5, 1.5, -2.0, -2.0, -2.0]),
        ("parameter", "F32", &[2], &[0.25, -0.5]),
        ("half", "F16", &[3], &[1.0, -2.0, 65504.0]),
        ("bf16", "BF16", &[2], &[1.0, -3.0]),
        ("double", "F64", &[2], &[0.1, f32::INFINITY]),
        ("empty", "F32", &[0, 7], &[]),
    ];
    for &(file, container) in PLAIN {
        let weights = open(file);
        assert_eq!(weights.container(), container);
        assert_eq!(weights.names().count(), tensors.len() + 2, "{file}");
        for &(name, dtype, shape, values) in tensors {
            assert_eq!(weights.dtype(name), Some(dtype), "{file}: {name}");
            assert_eq!(weights.shape(name), Some(shape), "{file}: {name}");
            let tensor = weights.get(name).unwrap();
            assert_eq!((tensor.shape(), &*tensor.to_vec()), (shape, values), "{file}: {name}");
        }
        assert_eq!(weights.integers("steps").unwrap(), [470_000]);
        assert_eq!(weights.integers("flags").unwrap(), [1, 0]);
        assert_eq!(weights.shape("steps"), Some(&[][..]));
        let error = weights.get("steps").unwrap_err().to_string();
        assert!(error.contains("holds `steps` as I64; weights must be"), "{error}");
        let error = weights.integers("half").unwrap_err().to_string();
        assert!(error.ends_with("its `half` is F16, where integers are wanted"), "{error}");
        let entry = &weights.manifest().tensors["half"];
        let expected =
            if container == Container::ShardIndex { Container::Safetensors } else { container };
        assert_eq!((entry.container, entry.bytes.len()), (expected, 6));
    }
}

#[test]
fn bytes_in_memory_read_as_the_file_does() {
    for name in ["plain.safetensors", "plain.ckpt", "legacy.pt", "plain.gguf"] {
        let file = open(name);
        let memory = Weights::from_bytes(name, fs::read(path(name)).unwrap()).unwrap();
        assert_eq!(file.manifest(), memory.manifest());
        let first = file.names().next().unwrap();
        assert_eq!(file.get(first).unwrap().to_vec(), memory.get(first).unwrap().to_vec());
    }
}

#[test]
fn of_a_training_checkpoint_the_weights_are_taken() {
    for name in ["lightning.ckpt", "lightning_legacy.ckpt"] {
        let weights = open(name);
        assert_eq!(weights.names().collect::<Vec<_>>(), ["model.bias", "model.weight"]);
        assert_eq!(weights.get("model.weight").unwrap().to_vec(), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(weights.metadata("global_step"), Some("470000"));
        assert_eq!(weights.metadata("pytorch-lightning_version"), Some("1.4.2"));
    }
    let weights = open("protocol5.pt");
    assert_eq!(weights.get("half").unwrap().to_vec(), [1.0, -2.0, 65504.0]);
    assert_eq!(open("zip64.pt").get("weight").unwrap().to_vec(), [1.0, 2.0]);
}

#[test]
fn a_pickle_that_would_run_code_is_refused_by_name() {
    let mut count = 0;
    for entry in fs::read_dir(path("refused")).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let name = file.strip_suffix(".ckpt").unwrap();
        assert_eq!(
            refusal(&format!("refused/{file}")),
            format!(
                " is a pickle that would call `{name}`, which no weights need; nothing of it was \
                 run, and the file should not be trusted"
            )
        );
        count += 1;
    }
    assert_eq!(count, 9);
}

#[test]
fn what_cannot_be_used_says_why() {
    for (name, said) in [
        (
            "module.pt",
            " cannot be used: it holds no dictionary of tensors; save `model.state_dict()`",
        ),
        ("script.pt", " cannot be used: it is a TorchScript program; save"),
        ("compressed.ckpt", " cannot be used: its entry `archive/"),
    ] {
        let sentence = refusal(name);
        assert!(sentence.starts_with(said), "{sentence}");
    }
    let pickle = Weights::from_bytes("a.pkl", &b"\x80\x02}q\0."[..]).err().unwrap().to_string();
    assert!(pickle.starts_with("a.pkl cannot be used: it is a Python pickle that PyTorch did not"));
    let index = fs::read(path("shards/a.safetensors.index.json")).unwrap();
    let index = Weights::from_bytes("a.json", index).err().unwrap().to_string();
    assert_eq!(index, "a.json is not a safetensors model: it begins with JSON text");
}

#[test]
fn gguf_keeps_names_shapes_and_texts() {
    let weights = open("plain.gguf");
    assert_eq!(weights.container(), Container::Gguf);
    assert_eq!(weights.metadata("general.architecture"), Some("sd"));
    assert_eq!(weights.metadata("general.file_type"), Some("1"));
    let conv = weights.get("conv.weight").unwrap();
    assert_eq!(
        (conv.shape(), &*conv.to_vec()),
        (&[1, 2, 3][..], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0][..])
    );
    assert_eq!(weights.get("conv.bias").unwrap().to_vec(), [1.0, -2.0, 0.5]);
    assert_eq!(weights.get("bf16").unwrap().to_vec(), [1.0, -3.0]);
    assert_eq!(weights.shape("reshaped"), Some(&[1, 2, 1][..]));
    assert_eq!(weights.integers("ids").unwrap(), [-1, 5]);
}

/// The numbers of each format are those that Python made of the same blocks.
#[test]
fn quantized_numbers_are_exact() {
    for name in ["q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k"] {
        let weights = open(&format!("gguf/{name}.gguf"));
        assert_eq!(weights.dtype("weight"), Some(&*name.to_uppercase()));
        let (is, expected) = (weights.get("weight").unwrap(), weights.get("expected").unwrap());
        assert_eq!(is.shape(), expected.shape());
        assert_eq!(is.to_vec(), expected.to_vec(), "{name}");
    }
}

#[test]
fn an_index_opens_nothing_outside_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("model");
    fs::create_dir(&inside).unwrap();
    for name in ["a-00001-of-00002.safetensors", "a-00002-of-00002.safetensors"] {
        fs::copy(path("shards").join(name), inside.join(name)).unwrap();
        fs::copy(path("shards").join(name), folder.path().join(name)).unwrap();
    }
    let index = inside.join("x.safetensors.index.json");
    let shown = index.display();
    let sentence = |shard: &str| {
        let text = serde_json::json!({ "weight_map": { "whole": shard } }).to_string();
        fs::write(&index, text).unwrap();
        Weights::open(&index).map(|_| ()).unwrap_err().to_string()
    };
    let absolute = folder.path().join("a-00001-of-00002.safetensors").display().to_string();
    for shard in [
        "../a-00001-of-00002.safetensors",
        &absolute,
        "",
        ".",
        "b/../../a-00002-of-00002.safetensors",
        "..\\a",
        "C:a",
        "a\0b",
    ] {
        assert_eq!(
            sentence(shard),
            format!(
                "{shown} lists the shard `{shard}`, which is no plain path below its folder; \
                 nothing outside the folder is opened"
            )
        );
    }
    assert_eq!(
        sentence("gone.safetensors"),
        format!(
            "{shown} lists the shard `gone.safetensors`, which is not there; copy or download it too"
        )
    );
    // The tensor is in the other one.
    assert_eq!(
        sentence("a-00001-of-00002.safetensors"),
        format!(
            "{shown} is damaged: it says that `whole` is in `a-00001-of-00002.safetensors`, which \
             lacks it; copy or download it again"
        )
    );
    assert!(sentence("x.safetensors.index.json").contains("begins with JSON text"));
    fs::write(&index, r#"{"weight_map": {"whole": "a-0"#).unwrap();
    let cut = Weights::open(&index).err().unwrap().to_string();
    assert!(
        cut.ends_with(
            "is an index of shards that is damaged or cut off; copy or download it again"
        )
    );
}
