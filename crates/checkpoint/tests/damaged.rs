//! Every damage that a small file can suffer gives an error or a valid load: no panic, and no
//! allocation that the file's size does not justify.

use std::collections::BTreeMap;

use aquatint_checkpoint::{DType, LoadError, Weights, encode};
use aquatint_tensor::Tensor;

fn small_file() -> Vec<u8> {
    let tensors = [
        ("conv.weight".to_owned(), Tensor::from_fn(&[2, 3], |i| i as f32)),
        ("conv.bias".to_owned(), Tensor::from_fn(&[2], |i| -(i as f32))),
        ("empty".to_owned(), Tensor::zeros(&[0, 7])),
    ];
    let metadata = BTreeMap::from([("made_by".to_owned(), "a test".to_owned())]);
    let mut bytes = Vec::new();
    encode(&mut bytes, &tensors, DType::F32, &metadata).unwrap();
    bytes
}

/// Reads everything that can be read, as a program would that trusts what was opened.
fn read_all(bytes: Vec<u8>) -> Result<usize, LoadError> {
    let size = bytes.len();
    let weights = Weights::from_bytes("model.safetensors", bytes)?;
    let mut numbers = 0;
    for name in weights.names() {
        match weights.get(name) {
            Ok(tensor) => numbers += tensor.len(),
            Err(LoadError::DType { .. }) => {}
            Err(other) => panic!("an opened file must be readable: {other}"),
        }
    }
    assert!(numbers * 2 <= size, "{numbers} numbers came out of {size} bytes");
    Ok(numbers)
}

#[test]
fn whole() {
    assert_eq!(read_all(small_file()).unwrap(), 8);
}

#[test]
fn truncated_at_every_byte() {
    let whole = small_file();
    for length in 0..whole.len() {
        let error = read_all(whole[..length].to_vec()).unwrap_err();
        let expected = match length {
            0 => matches!(error, LoadError::Empty { .. }),
            1..8 => matches!(error, LoadError::NotAModel { .. }),
            _ => matches!(error, LoadError::CutOff { actual, .. } if actual == length as u64),
        };
        assert!(expected, "cut to {length} bytes: {error}");
        if let LoadError::CutOff { promised, .. } = error {
            let header_end = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap());
            let known = if (length as u64) < header_end { header_end } else { whole.len() as u64 };
            assert_eq!(promised, known);
        }
    }
}

#[test]
fn every_bit_of_the_header_flipped() {
    let whole = small_file();
    let header_end = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let mut refused = 0;
    for bit in 0..header_end * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Err(error) = read_all(bytes) {
            refused += 1;
            let line = error.to_string();
            assert!(line.starts_with("model.safetensors ") && !line.contains('\n'), "{line}");
        }
    }
    // Flips within names or text are still valid files; most of the header is structure.
    assert!(refused > header_end * 8 / 2, "{refused} of {} flips were refused", header_end * 8);
}

#[test]
fn trailing_bytes_are_refused() {
    let mut bytes = small_file();
    bytes.push(0);
    let error = read_all(bytes).unwrap_err().to_string();
    assert!(error.contains("is damaged: its header describes"), "{error}");
}

#[test]
fn absurd_headers() {
    for header in [
        r#"{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}"#,
        r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#,
        r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#,
        r#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#,
        r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551615]}}"#,
        r#"{"a":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}"#,
        r#"{"a":1}"#,
        "{",
    ] {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.bytes());
        bytes.extend([0; 4]);
        assert!(read_all(bytes).is_err(), "{header}");
    }
    let deep = format!("{{\"a\":{}", "[".repeat(100_000));
    let mut bytes = (deep.len() as u64).to_le_bytes().to_vec();
    bytes.extend(deep.bytes());
    assert!(read_all(bytes).is_err());
}

#[test]
fn other_files_are_named() {
    for (bytes, said) in [
        (&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], "it begins with PNG data"),
        (b"PK\x03\x04 and so on", "it is a zip archive"),
        (b"<!DOCTYPE html><html>", "an error page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
        (b"this is a text file, no model", "it begins with plain text"),
        (b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "it begins with no safetensors header"),
        (b"\x01\x02", "it has 2 bytes only"),
    ] {
        let error = read_all(bytes.to_vec()).unwrap_err().to_string();
        assert!(error.starts_with("model.safetensors is not a safetensors model: it "), "{error}");
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn a_missing_file_is_one_sentence() {
    let error = Weights::open("no/such/file.safetensors").err().unwrap().to_string();
    assert_eq!(error, "no/such/file.safetensors cannot be read: no such file or directory");
}
