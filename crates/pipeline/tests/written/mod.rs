//! Tensors in every container, as its own writers lay them out: PyTorch's two formats, GGUF.
#![allow(dead_code, reason = "not every test file needs everything")]

use std::collections::BTreeMap;
use std::path::Path;

use aquatint_checkpoint::{DType, Planned, Weights, save_streamed};

/// A tensor: its sizes, its encoding, its bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    pub shape: Vec<usize>,
    pub dtype: DType,
    pub bytes: Vec<u8>,
}

/// Tensors by their names.
pub type Tensors = BTreeMap<String, Stored>;

/// All tensors of a file.
pub fn read(path: &Path) -> Tensors {
    let weights = Weights::open(path).unwrap();
    let tensors = weights.names().map(|name| {
        let stored = Stored {
            shape: weights.shape(name).unwrap().to_vec(),
            dtype: DType::named(weights.dtype(name).unwrap()).unwrap(),
            bytes: weights.bytes(name).unwrap(),
        };
        (name.to_owned(), stored)
    });
    tensors.collect()
}

/// The same numbers in another encoding, into which they fit.
pub fn recoded(tensors: &Tensors, dtype: DType) -> Tensors {
    let recoded = |stored: &Stored| {
        assert_eq!(stored.dtype, DType::F32);
        let numbers = stored.bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes));
        let bytes: Vec<u8> = match dtype {
            DType::F32 => stored.bytes.clone(),
            DType::Bf16 => numbers.flat_map(|n| exact(n, n.to_bits() >> 16, 16)).collect(),
            DType::F16 => numbers.flat_map(half).collect(),
            DType::F64 => numbers.flat_map(|n| f64::from(n).to_le_bytes()).collect(),
        };
        Stored { dtype, bytes, ..stored.clone() }
    };
    tensors.iter().map(|(name, stored)| (name.clone(), recoded(stored))).collect()
}

fn exact(number: f32, bits: u32, dropped: u32) -> [u8; 2] {
    assert_eq!(number.to_bits() & ((1 << dropped) - 1), 0, "{number}");
    (bits as u16).to_le_bytes()
}

/// Normal numbers and zero only.
fn half(number: f32) -> [u8; 2] {
    let bits = number.to_bits();
    let sign = bits >> 16 & 0x8000;
    if number == 0.0 {
        return exact(number, sign, 13);
    }
    let exponent = (bits >> 23 & 0xff).checked_sub(112).filter(|e| (1..31).contains(e));
    let exponent = exponent.unwrap_or_else(|| panic!("{number} is no normal f16"));
    exact(number, sign | exponent << 10 | bits >> 13 & 0x3ff, 13)
}

pub fn safetensors(path: &Path, tensors: &Tensors) {
    let planned: Vec<Planned> = tensors
        .iter()
        .map(|(name, Stored { shape, dtype, .. })| Planned {
            name: name.clone(),
            shape: shape.clone(),
            dtype: *dtype,
        })
        .collect();
    let bytes = |i: usize| Ok::<_, std::io::Error>(tensors[&planned[i].name].bytes.clone());
    save_streamed(path, &planned, &BTreeMap::from([("format".into(), "pt".into())]), bytes)
        .unwrap();
}

/// Two files and the index that says which tensor is in which.
pub fn sharded(folder: &Path, stem: &str, tensors: &Tensors) {
    let mut shards = [Tensors::new(), Tensors::new()];
    let mut map = serde_json::Map::new();
    for (i, (name, stored)) in tensors.iter().enumerate() {
        shards[i % 2].insert(name.clone(), stored.clone());
        map.insert(name.clone(), format!("{stem}-0000{}-of-00002.safetensors", i % 2 + 1).into());
    }
    for (i, shard) in shards.iter().enumerate() {
        safetensors(&folder.join(format!("{stem}-0000{}-of-00002.safetensors", i + 1)), shard);
    }
    let index = serde_json::json!({"metadata": {"total_size": 1}, "weight_map": map});
    std::fs::write(folder.join(format!("{stem}.safetensors.index.json")), index.to_string())
        .unwrap();
}

/// Opcodes of pickle's protocol 2.
mod op {
    pub fn text(text: &str) -> Vec<u8> {
        [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
    }

    pub fn int(number: usize) -> Vec<u8> {
        [b"J", &(number as i32).to_le_bytes()[..]].concat()
    }

    pub fn global(module: &str, name: &str) -> Vec<u8> {
        format!("c{module}\n{name}\n").into_bytes()
    }

    pub fn tuple(items: &[Vec<u8>]) -> Vec<u8> {
        [b"(", &items.concat()[..], b"t"].concat()
    }

    pub fn dict(items: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
        let items: Vec<u8> =
            items.iter().flat_map(|(key, value)| [&key[..], value].concat()).collect();
        [b"}(", &items[..], b"u"].concat()
    }
}

/// `torch._utils._rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())`.
fn tensor(key: usize, stored: &Stored, legacy: bool) -> Vec<u8> {
    let storage = match stored.dtype {
        DType::F32 => "FloatStorage",
        DType::F16 => "HalfStorage",
        DType::Bf16 => "BFloat16Storage",
        DType::F64 => "DoubleStorage",
    };
    let (shape, size) = (&stored.shape, stored.dtype.size());
    let strides = (0..shape.len()).map(|axis| op::int(shape[axis + 1..].iter().product()));
    let mut id = vec![
        op::text("storage"),
        op::global("torch", storage),
        op::text(&key.to_string()),
        op::text("cpu"),
        op::int(stored.bytes.len() / size),
    ];
    if legacy {
        id.push(b"N".to_vec());
    }
    let arguments = op::tuple(&[
        [op::tuple(&id), b"Q".to_vec()].concat(),
        op::int(0),
        op::tuple(&shape.iter().map(|&n| op::int(n)).collect::<Vec<_>>()),
        op::tuple(&strides.collect::<Vec<_>>()),
        b"\x89".to_vec(),
        [op::global("collections", "OrderedDict"), b")R".to_vec()].concat(),
    ]);
    [op::global("torch._utils", "_rebuild_tensor_v2"), arguments, b"R".to_vec()].concat()
}

fn pickled(tensors: &Tensors, lightning: bool, legacy: bool) -> Vec<u8> {
    let items = tensors.iter().enumerate();
    let items: Vec<_> =
        items.map(|(key, (name, stored))| (op::text(name), tensor(key, stored, legacy))).collect();
    let mut object = op::dict(&items);
    if lightning {
        object = op::dict(&[
            (op::text("epoch"), op::int(12)),
            (op::text("global_step"), op::int(470_000)),
            (op::text("pytorch-lightning_version"), op::text("1.4.2")),
            (op::text("state_dict"), object),
        ]);
    }
    [b"\x80\x02", &object[..], b"."].concat()
}

/// What `torch.save` writes; `lightning` puts the weights into what pytorch_lightning saves.
pub fn torch_zip(path: &Path, tensors: &Tensors, lightning: bool) {
    let mut entries = vec![("archive/data.pkl".to_owned(), pickled(tensors, lightning, false))];
    for (key, stored) in tensors.values().enumerate() {
        entries.push((format!("archive/data/{key}"), stored.bytes.clone()));
    }
    entries.push(("archive/version".into(), b"3\n".to_vec()));
    std::fs::write(path, zip(&entries)).unwrap();
}

/// What `torch.save` wrote before version 1.6.
pub fn torch_legacy(path: &Path, tensors: &Tensors) {
    let mut bytes = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.".to_vec();
    bytes.extend(b"\x80\x02M\xe9\x03.\x80\x02}.");
    bytes.extend(pickled(tensors, false, true));
    let keys: Vec<u8> = (0..tensors.len()).flat_map(|key| op::text(&key.to_string())).collect();
    bytes.extend([b"\x80\x02](", &keys[..], b"e."].concat());
    for stored in tensors.values() {
        bytes.extend(((stored.bytes.len() / stored.dtype.size()) as u64).to_le_bytes());
        bytes.extend(&stored.bytes);
    }
    std::fs::write(path, bytes).unwrap();
}

/// The sum in a zip archive.
fn crc32(bytes: &[u8]) -> u32 {
    let bit = |crc: u32, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1));
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), bit))
}

/// Stored entries only.
fn zip(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in entries {
        let (place, size) =
            ((out.len() as u32).to_le_bytes(), (content.len() as u32).to_le_bytes());
        let mut about = vec![0; 8];
        about.extend(crc32(content).to_le_bytes());
        about.extend([size, size].concat());
        about.extend((name.len() as u16).to_le_bytes());
        about.extend([0, 0]);
        out.extend([b"PK\x03\x04\x14\0", &about[..], name.as_bytes(), content].concat());
        directory.extend([b"PK\x01\x02\x14\0\x14\0", &about[..], &[0; 10], &place].concat());
        directory.extend(name.as_bytes());
    }
    let count = (entries.len() as u16).to_le_bytes();
    let (size, place) = ((directory.len() as u32).to_le_bytes(), (out.len() as u32).to_le_bytes());
    out.extend(&directory);
    out.extend([b"PK\x05\x06\0\0\0\0", &count[..], &count, &size, &place, &[0; 2]].concat());
    out
}

/// As stable-diffusion.cpp writes it.
pub fn gguf(path: &Path, tensors: &Tensors) {
    let text = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    let mut head = b"GGUF\x03\0\0\0".to_vec();
    head.extend((tensors.len() as u64).to_le_bytes());
    head.extend(1u64.to_le_bytes());
    head.extend([&text("general.architecture")[..], &8u32.to_le_bytes(), &text("sd")].concat());
    let mut data = Vec::<u8>::new();
    for (name, stored) in tensors {
        let number: u32 = match stored.dtype {
            DType::F32 => 0,
            DType::F16 => 1,
            DType::F64 => 28,
            DType::Bf16 => 30,
        };
        // ggml leaves outermost axes of length one away, and has at least one.
        let ones = stored.shape.iter().take_while(|&&n| n == 1).count();
        let shape = &stored.shape[ones.min(stored.shape.len().saturating_sub(1))..];
        data.resize(data.len().next_multiple_of(32), 0);
        head.extend(text(name));
        head.extend((shape.len() as u32).to_le_bytes());
        head.extend(shape.iter().rev().flat_map(|&n| (n as u64).to_le_bytes()));
        head.extend(number.to_le_bytes());
        head.extend((data.len() as u64).to_le_bytes());
        data.extend(&stored.bytes);
    }
    head.resize(head.len().next_multiple_of(32), 0);
    std::fs::write(path, [head, data].concat()).unwrap();
}
