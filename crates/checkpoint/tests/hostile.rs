//! Damaged and hostile files of every container: an error or a valid load, within a second and
//! within four times the size of the file (and a constant), never a panic.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use aquatint_checkpoint::{LoadError, Weights};
use peak_alloc::PeakAlloc;
use proptest::collection::vec;
use proptest::prelude::*;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The memory of one test at a time is measured.
static TURN: Mutex<()> = Mutex::new(());

/// What a file of any size may take: the budget's constant, and what an error message needs.
const CONSTANT: usize = 3 << 20;

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

/// Opens a file under the limits, then reads all that it has.
fn read_all(bytes: Vec<u8>) -> Result<Weights, LoadError> {
    let size = bytes.len();
    MEMORY.reset_peak_usage();
    let (before, start) = (MEMORY.current_usage(), Instant::now());
    let result = Weights::from_bytes("a file", bytes);
    let (taken, time) = (MEMORY.peak_usage().saturating_sub(before), start.elapsed());
    assert!(taken <= 3 * size + CONSTANT, "{taken} bytes were taken to open {size}");
    assert!(time < Duration::from_secs(1), "{time:?} were taken to open {size} bytes");
    let weights = match result {
        Ok(weights) => weights,
        Err(error) => {
            let line = error.to_string();
            assert!(
                line.starts_with("a file ") && !line.contains('\n') && line.len() < 2000,
                "{line}"
            );
            return Err(error);
        }
    };
    let mut numbers = 0;
    for name in weights.names() {
        match (weights.get(name), weights.integers(name)) {
            (Ok(tensor), _) => numbers += tensor.len(),
            (Err(LoadError::DType { .. }), Ok(integers)) => numbers += integers.len(),
            (Err(LoadError::DType { .. }), Err(LoadError::Unusable { .. })) => {}
            (Err(other), _) => {
                panic!("what was opened must be readable: {other}")
            }
        }
    }
    // The tensors of a pickle may overlap, up to four times the file; and 2.6 bits make a number.
    assert!(numbers <= 4 * size + (1 << 16), "{numbers} numbers came out of {size} bytes");
    Ok(weights)
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

/// A file of the old PyTorch format around a pickle.
fn legacy(object: &[u8]) -> Vec<u8> {
    let magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    [&magic[..], b"\x80\x02M\xe9\x03.", b"\x80\x02}.", object, b"\x80\x02]."].concat()
}

#[test]
fn pickles_that_want_memory_or_time() {
    let _turn = TURN.lock();
    const MUCH: usize = 4 << 20;
    let filled = |before: &[u8], unit: &[u8], after: &[u8]| {
        legacy(&[before, &unit.repeat(MUCH / unit.len()), after].concat())
    };
    // Dictionaries that each hold the one before ten times: 10^1000 paths.
    let mut laughs = b"\x80\x02}q\0".to_vec();
    for _ in 0..1000 {
        laughs.extend(b"}(");
        for key in 0..10 {
            laughs.extend([b'U', 1, b'a' + key, b'h', 0]);
        }
        laughs.extend(b"uq\0");
    }
    laughs.extend(b".");
    let long_key = [b"X\0\0\x10\0", &[b'k'; 1 << 20][..], b"q\0"].concat();
    for (what, bytes) in [
        ("constants", filled(b"", b"N", b".")),
        ("marks", filled(b"", b"(", b".")),
        ("tuples of tuples", filled(b")", b"\x85", b".")),
        ("tuples of one tuple twice", filled(b")", b"2\x86", b".")),
        ("lists", filled(b"", b"]", b".")),
        ("a list of itself", filled(b"]q\0", b"h\0a", b".")),
        ("a long list", filled(b"](", b"K\x01", b"e.")),
        ("a dictionary of one key", filled(b"}(", b"U\x01aN", b"u.")),
        ("names", filled(b"", b"ca\nb\n", b".")),
        ("a name recalled", filled(b"ca\nb\nq\0", b"h\0", b".")),
        ("memos", filled(b"N", b"r\xff\xff\xff\xff", b".")),
        ("calls", filled(b"ccollections\nOrderedDict\nq\0", b"h\0)R", b".")),
        (
            "copies",
            filled(b"ccollections\nOrderedDict\nq\0}(U\x01aNu", b"q\x01h\0h\x01\x85R", b"."),
        ),
        ("a long key", filled(&[b"}", &*long_key, b"0q\x01("].concat(), b"h\0}", b"u.")),
        ("digits", filled(b"L", b"9", b"L\n.")),
        ("a long integer", filled(b"\x8b\0\0\x40\0", b"9", b".")),
        ("dictionaries of dictionaries", legacy(&laughs)),
        ("a text beyond the end", legacy(b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff.")),
        ("a frame beyond the end", legacy(b"\x95\xff\xff\xff\xff\xff\xff\xff\xff.")),
    ] {
        let result = read_all(bytes);
        assert!(result.map_or(true, |weights| weights.names().count() == 0), "{what}");
    }
}

/// A tensor of the one storage `0`, which holds four f32; `view` is offset, shape, strides.
fn tensor(view: &[u8]) -> Vec<u8> {
    let storage = b"(U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuK\x04tQ";
    let parts: &[&[u8]] =
        &[b"}U\x01actorch._utils\n_rebuild_tensor_v2\n(", storage, view, b"\x89}tRs."];
    let mut bytes = legacy(&parts.concat());
    bytes.truncate(bytes.len() - 4);
    bytes.extend(b"\x80\x02]U\x010a.\x04\0\0\0\0\0\0\0");
    bytes.extend([1.0f32, 2.0, 3.0, 4.0].iter().flat_map(|v| v.to_le_bytes()));
    bytes
}

#[test]
fn views_stay_within_their_storage() {
    let _turn = TURN.lock();
    let good = read_all(tensor(b"K\x01K\x03\x85K\x01\x85")).unwrap();
    assert_eq!(good.get("a").unwrap().to_vec(), [2.0, 3.0, 4.0]);
    for view in [
        &b"K\x02K\x03\x85K\x01\x85"[..],
        b"K\x00K\x03\x85K\x02\x85",
        b"K\x05))",
        b"J\xff\xff\xff\xffK\x02\x85K\x01\x85",
        b"K\x00J\xff\xff\xff\xff\x85K\x01\x85",
        b"K\x00K\x02\x85J\xff\xff\xff\xff\x85",
        // Expanded to 2^32, to 2^94, to 2^94 with none along one axis.
        b"K\x00\x8a\x05\0\0\0\0\x01\x85K\x00\x85",
        b"K\x00\x8a\x06\0\0\0\0\0\x20\x8a\x06\0\0\0\0\0\x20\x86K\x00K\x00\x86",
        b"K\x00\x8a\x06\0\0\0\0\0\x20\x8a\x06\0\0\0\0\0\x20K\x00\x87K\x00K\x00K\x00\x87",
        b"K\x00\x8a\x07\0\0\0\0\0\0\x20\x85\x8a\x07\0\0\0\0\0\0\x20\x85",
        b"K\x00K\x02\x85K\x01K\x01\x86",
        b"K\x00NN",
    ] {
        let error = read_all(tensor(view)).err().expect("no such view").to_string();
        assert!(error.contains("is damaged"), "{error}");
    }
}

#[test]
fn code_is_refused_in_every_spelling() {
    let _turn = TURN.lock();
    for (name, pickle) in [
        ("os.system", &b"cos\nsystem\n(S'ls'\ntR."[..]),
        ("os.system", b"\x80\x02cos\nsystem\nU\x02ls\x85R."),
        ("os.system", b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02ls\x85R."),
        ("os.system", b"\x80\x02(U\x02lsios\nsystem\n."),
        ("os.system", b"\x80\x02(cos\nsystem\nU\x02lso."),
        ("os.system", b"\x80\x02cos\nsystem\nU\x02ls\x85\x81."),
        ("builtins.eval", b"\x80\x02c__builtin__\neval\nU\x011\x85R."),
        ("posix.system", b"\x80\x02cposix\nsystem\n."),
        ("thing.made", b"\x80\x02cthing\nmade\n)R."),
        ("thing.made", b"\x80\x02(ithing\nmade\n."),
        ("torch.hub.load", b"\x80\x02ctorch.hub\nload\n)R."),
        ("torch.storage._load_from_bytes", b"\x80\x02ctorch.storage\n_load_from_bytes\nC\0\x85R."),
    ] {
        let mut files = vec![pickle.to_vec()];
        files.extend(pickle.starts_with(b"\x80").then(|| legacy(pickle)));
        for bytes in files {
            let error = read_all(bytes).err().expect("it would run code");
            assert!(matches!(&error, LoadError::Refused { name: n, .. } if n == name), "{error}");
        }
    }
    // Objects of unknown classes are values that nobody looks into.
    let weights = read_all(legacy(b"\x80\x02}U\x01acthing\nMade\n)\x81}bs.")).unwrap();
    assert_eq!(weights.names().count(), 0);
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
