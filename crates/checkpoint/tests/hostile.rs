//! Damaged and hostile files of every container: an error or a valid load, within a second and
//! within four times the size of the file (and a constant), never a panic.

mod limits;

use std::fs;
use std::path::Path;

use aquatint_checkpoint::Weights;
use limits::{MEMORY, TURN, legacy, read_all};
use proptest::collection::vec;
use proptest::prelude::*;

const SMALL: &[&str] = &[
    "plain.safetensors",
    "plain.ckpt",
    "legacy.pt",
    "lightning.ckpt",
    "lightning_legacy.ckpt",
    "zip64.pt",
    "plain.gguf",
    "gguf/q4_0.gguf",
];

fn small(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/containers");
    fs::read(folder.join(name)).unwrap()
}

#[test]
fn truncated_at_every_byte() {
    let _turn = TURN.lock();
    for name in SMALL {
        let whole = small(name);
        read_all(whole.clone()).unwrap();
        for length in 0..whole.len() {
            let error = read_all(whole[..length].to_vec()).map(|_| ());
            assert!(error.is_err(), "{name} cut to {length} of {} bytes was opened", whole.len());
        }
    }
}

#[test]
fn every_bit_flipped() {
    let _turn = TURN.lock();
    for name in SMALL {
        let whole = small(name);
        let mut refused = 0;
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            refused += usize::from(read_all(bytes).is_err());
        }
        assert!(refused * 20 > whole.len() * 8, "{name}: {refused} flips were refused");
    }
}

/// A GGUF file of these counts and bytes.
fn gguf(tensors: u64, values: u64, rest: &[&[u8]]) -> Vec<u8> {
    [b"GGUF\x03\0\0\0", &tensors.to_le_bytes()[..], &values.to_le_bytes(), &rest.concat()].concat()
}

#[test]
fn gguf_that_wants_memory_or_time() {
    let _turn = TURN.lock();
    let word = |n: u64| n.to_le_bytes();
    let name = |n: &str| [&word(n.len() as u64), n.as_bytes()].concat();
    let tensor = |sizes: &[u64], kind: u32, offset: u64| {
        let sizes: Vec<u8> = sizes.iter().flat_map(|n| n.to_le_bytes()).collect();
        let count = (sizes.len() as u32 / 8).to_le_bytes();
        [&name("a"), &count[..], &sizes, &kind.to_le_bytes(), &word(offset)].concat()
    };
    let data = [0u8; 4096];
    let alignment =
        |n: u32| [&name("general.alignment"), &[4, 0, 0, 0][..], &n.to_le_bytes()].concat();
    assert!(read_all(gguf(1, 0, &[&tensor(&[32], 0, 0), &data])).is_ok());
    let arrays = [&name("a")[..], &[9, 0, 0, 0, 9, 0, 0, 0], &word(1)].concat();
    for bytes in [
        gguf(u64::MAX, 0, &[&data]),
        gguf(0, u64::MAX, &[&data]),
        gguf(0, 4_000_000_000, &[&data]),
        gguf(0, 1, &[&word(u64::MAX), &data]),
        gguf(0, 1, &[&word(3 << 30), &data]),
        gguf(0, 1, &[&name("a"), &[8, 0, 0, 0], &word(u64::MAX), &data]),
        gguf(0, 1, &[&name("a"), &[9, 0, 0, 0, 10, 0, 0, 0], &word(1 << 61), &data]),
        gguf(0, 1, &[&name("a"), &[9, 0, 0, 0, 8, 0, 0, 0], &word(u64::MAX), &data]),
        gguf(0, 1, &[&arrays, &[9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0].repeat(1 << 16)]),
        gguf(0, 1, &[&name("a"), &[99, 0, 0, 0], &data]),
        gguf(1, 1, &[&alignment(0), &tensor(&[4], 0, 0), &data]),
        gguf(1, 1, &[&alignment(u32::MAX), &tensor(&[4], 0, 0), &data]),
        gguf(1, 0, &[&tensor(&[1 << 40], 0, 0), &data]),
        gguf(1, 0, &[&tensor(&[1 << 32, 1 << 32], 0, 0), &data]),
        gguf(1, 0, &[&tensor(&[u64::MAX], 0, 0), &data]),
        gguf(1, 0, &[&tensor(&[0, 5], 0, 0), &data]),
        gguf(1, 0, &[&tensor(&[33], 2, 0), &data]),
        gguf(1, 0, &[&tensor(&[4], 0, u64::MAX - 31), &data]),
        gguf(1, 0, &[&tensor(&[4], 0, 7), &data]),
        gguf(1, 0, &[&tensor(&[4], 20, 0), &data]),
        gguf(1, 0, &[&tensor(&[1; 9], 0, 0), &data]),
        gguf(2, 0, &[&tensor(&[4], 0, 0), &tensor(&[4], 0, 32), &data]),
        gguf(2, 0, &[&tensor(&[32], 0, 0), &tensor(&[4], 0, 32), &data]),
    ] {
        read_all(bytes).err().expect("it contradicts itself");
    }
    let texts: Vec<u8> = (0..100_000)
        .flat_map(|i| [&name(&i.to_string()), &[0u8, 0, 0, 0, 7][..]].concat())
        .collect();
    read_all(gguf(0, 100_000, &[&texts])).unwrap();
}

/// Opening takes the memory of the head, not of the file; reading takes that of a tensor.
#[test]
fn a_large_file_stays_on_the_disk() {
    let _turn = TURN.lock();
    const NUMBERS: u64 = 64 << 20;
    let header = format!(
        r#"{{"large":{{"dtype":"F16","shape":[{NUMBERS}],"data_offsets":[0,{0}]}},"small":{{"dtype":"F16","shape":[1048576],"data_offsets":[{0},{1}]}}}}"#,
        NUMBERS * 2,
        NUMBERS * 2 + (2 << 20)
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.safetensors");
    fs::write(&path, [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat()).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(8 + header.len() as u64 + NUMBERS * 2 + (2 << 20)).unwrap();

    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let weights = Weights::open(&path).unwrap();
    let opened = MEMORY.peak_usage().saturating_sub(before);
    assert!(opened < 64 << 10, "{opened} bytes were taken to open the file");
    let small = weights.get("small").unwrap();
    let read = MEMORY.peak_usage().saturating_sub(before);
    // Four bytes a number, possibly copied once, and a piece of the file.
    assert!(read < 12 << 20, "{read} bytes were taken to read {} numbers", small.len());
}

proptest! {
    #[test]
    fn any_bytes_are_an_error_or_a_file(mut bytes in vec(any::<u8>(), 0..300), kind in 0..6usize) {
        let _turn = TURN.lock();
        let heads: [&[u8]; 6] = [
            b"", b"GGUF\x03\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0", b"PK\x03\x04", b"\x80\x02",
            b"\x40\0\0\0\0\0\0\0{\"", b"{\"weight_map\":",
        ];
        bytes.splice(0..0, heads[kind].iter().copied());
        let _ = read_all(bytes.clone());
        let _ = read_all(legacy(&bytes));
    }
}
