//! What the official safetensors crate accepts is accepted, and nothing else.

use aquatint_checkpoint::{DType, Weights, encode};
use aquatint_tensor::Tensor;
use proptest::prelude::*;
use safetensors::SafeTensors;

fn small_file() -> Vec<u8> {
    let tensors = [
        ("conv.weight".to_owned(), Tensor::from_fn(&[2, 3], |i| i as f32)),
        ("conv.bias".to_owned(), Tensor::from_fn(&[2], |i| -(i as f32))),
        ("empty".to_owned(), Tensor::zeros(&[0, 7])),
    ];
    let metadata = [("made_by".to_owned(), "a test".to_owned())].into();
    let mut bytes = Vec::new();
    encode(&mut bytes, &tensors, DType::F32, &metadata).unwrap();
    bytes
}

fn agree(bytes: &[u8]) {
    let theirs = SafeTensors::deserialize(bytes);
    let ours = Weights::from_bytes("x", bytes.to_vec());
    match (theirs, ours) {
        (Ok(theirs), Ok(ours)) => {
            let mut names = theirs.names();
            names.sort_unstable();
            assert_eq!(names, ours.names().collect::<Vec<_>>());
            for name in names {
                let (is, entry) = (theirs.tensor(name).unwrap(), &ours.manifest().tensors[name]);
                assert_eq!((is.shape(), is.data()), (&*entry.shape, &bytes[entry.bytes.clone()]));
                assert_eq!(is.dtype().to_string(), entry.dtype);
            }
        }
        (Err(_), Err(_)) => {}
        (Ok(_), Err(error)) => panic!("the official crate accepts what is refused: {error}"),
        (Err(error), Ok(_)) => panic!("the official crate refuses what is accepted: {error}"),
    }
}

fn file(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

#[test]
fn about_every_flip_and_every_length() {
    let whole = small_file();
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        agree(&bytes);
    }
    for length in 0..whole.len() {
        agree(&whole[..length]);
    }
    agree(&[&whole[..], b"\0"].concat());
}

#[test]
fn about_headers_that_are_unusual() {
    let one = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    for header in [
        one.to_owned(),
        format!(" \n\t{one}  "),
        format!("{}{one}", " ".repeat(123 - one.len())),
        format!("{one}x"),
        format!("\u{feff}{one}"),
        "{}".into(),
        "".into(),
        "[]".into(),
        r#"{"__metadata__":{"a":1}}"#.into(),
        r#"{"__metadata__":null}"#.into(),
        r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#.into(),
        r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"more":[1,{"x":2}]}}"#.into(),
        r#"{"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}}"#.into(),
        r#"{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}"#.into(),
        r#"{"a":{"dtype":"F64","shape":[1],"data_offsets":[0,4]}}"#.into(),
        r#"{"a":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}}"#.into(),
        r#"{"a":{"dtype":"F4","shape":[8],"data_offsets":[0,4]}}"#.into(),
        r#"{"a":{"dtype":"F4","shape":[7],"data_offsets":[0,4]}}"#.into(),
        r#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}"#.into(),
        r#"{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}"#.into(),
        r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}"#.into(),
        r#"{"a":{"dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,18446744073709551615]}}"#.into(),
    ] {
        for data in [0, 3, 4, 5] {
            agree(&file(&header, data));
        }
    }
}

proptest! {
    #[test]
    fn about_any_edit(at in 0..500usize, byte in any::<u8>(), insert in any::<bool>()) {
        let mut bytes = small_file();
        let at = at % bytes.len();
        if insert {
            bytes.insert(at, byte);
            // The header is one longer, and all may still be well.
            bytes[0] = bytes[0].wrapping_add(1);
        } else {
            bytes[at] = byte;
        }
        agree(&bytes);
    }
}
