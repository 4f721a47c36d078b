//! Archives of NumPy's, ours, and hostile ones.

use std::path::PathBuf;

use super::*;

/// numpy.savez(f, mu=np.arange(3) / 4, sigma=np.array([[1, 2], [3, 4]], order="F", dtype="f4"),
/// label=np.array("x")) and the same with savez_compressed.
fn written_by_numpy(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/containers");
    std::fs::read(folder.join(name)).unwrap()
}

#[test]
fn archives_of_numpy() {
    for name in ["numpy.npz", "numpy_compressed.npz"] {
        let npz = Npz::from_bytes(name, written_by_numpy(name)).unwrap();
        assert_eq!(npz.names().collect::<Vec<_>>(), ["label", "mu", "sigma"]);
        assert_eq!(
            npz.array("mu").unwrap(),
            Array { shape: vec![3], values: vec![0.0, 0.25, 0.5] }
        );
        let sigma = Array { shape: vec![2, 2], values: vec![1.0, 2.0, 3.0, 4.0] };
        assert_eq!(npz.array("sigma").unwrap(), sigma);
        let error = npz.array("label").unwrap_err().to_string();
        assert_eq!(
            error,
            format!("{name} cannot be used: its array `label` is of `<U1`, not of numbers")
        );
        let error = npz.array("mean").unwrap_err().to_string();
        assert!(error.ends_with("it has no array `mean`: it holds label, mu, sigma"), "{error}");
    }
}

#[test]
fn what_is_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    let (mu, features) = ([0.1, -2.5], [1.5f32, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let arrays: [(&str, &[usize], Floats<'_>); 2] =
        [("mu", &[2], Floats::F64(&mu)), ("features", &[3, 2], Floats::F32(&features))];
    save_npz(&path, &arrays).unwrap();
    let npz = Npz::open(&path).unwrap();
    assert_eq!(npz.array("mu").unwrap().values, mu);
    let read = npz.array("features").unwrap();
    assert_eq!((read.shape, read.values), (vec![3, 2], features.map(f64::from).to_vec()));
}

/// Cut anywhere, or with any byte changed: one sentence or an array, never a panic, and never more
/// numbers than the file can hold.
#[test]
fn damaged_archives() {
    for name in ["numpy.npz", "numpy_compressed.npz"] {
        let whole = written_by_numpy(name);
        let try_all = |bytes: Vec<u8>| {
            let most = bytes.len() * 1032;
            let Ok(npz) = Npz::from_bytes("x.npz", bytes) else { return };
            let names: Vec<String> = npz.names().map(str::to_owned).collect();
            for name in names {
                match npz.array(&name) {
                    Ok(array) => assert!(array.values.len() <= most),
                    Err(error) => assert!(error.to_string().starts_with("x.npz ")),
                }
            }
        };
        for end in 0..whole.len() {
            try_all(whole[..end].to_vec());
        }
        for at in 0..whole.len() {
            for flip in [1, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] ^= flip;
                try_all(bytes);
            }
        }
    }
    assert!(Npz::from_bytes("e.npz", Vec::new()).err().unwrap().to_string().contains("is empty"));
    let error = Npz::from_bytes("t.npz", b"text".to_vec()).err().unwrap().to_string();
    assert_eq!(error, "t.npz cannot be used: it is no .npz file of NumPy's");
}

#[test]
fn headers_that_lie() {
    let array = |header: &str, data: &[u8]| {
        let mut bytes = b"\x93NUMPY\x01\0".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        npy::read(&bytes)
    };
    let header =
        |shape: &str| format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}");
    assert_eq!(array(&header("()"), &1f64.to_le_bytes()).unwrap().values, [1.0]);
    for shape in ["(2,)", "(18446744073709551615, 18446744073709551615)", "(-1,)", "(", ""] {
        assert!(array(&header(shape), &[0; 8]).is_err(), "{shape}");
    }
    let objects = header("(1,)").replace("<f8", "|O");
    assert_eq!(array(&objects, &[0; 8]).unwrap_err(), "is of `|O`, not of numbers");
    let big = header("(1,)").replace("<f8", ">i2");
    assert_eq!(array(&big, &[0xff, 0xfe]).unwrap().values, [-2.0]);
}
