//! Pickles that want memory, time, numbers that are not theirs, or to run code.

mod limits;

use aquatint_checkpoint::LoadError;
use limits::{TURN, legacy, read_all};

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
