//! PyTorch's zip archives: the fuzzer writes the whole file, or the pickle within.
#![no_main]

/// A stored archive of `a/data.pkl` with this content and of `a/data/0` with sixteen bytes.
fn archive(pickle: &[u8]) -> Vec<u8> {
    let (mut data, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in [("a/data.pkl", pickle), ("a/data/0", &[0; 16])] {
        let size = (content.len() as u32).to_le_bytes();
        let name_len = (name.len() as u16).to_le_bytes();
        let common = [&[0; 12], &size[..], &size, &name_len, &[0; 2]].concat();
        directory.extend(
            [b"PK\x01\x02\0\0\0\0", &common[2..], &[0; 10], &(data.len() as u32).to_le_bytes()]
                .concat(),
        );
        directory.extend(name.bytes());
        data.extend([b"PK\x03\x04\0\0", &common[2..], name.as_bytes(), content].concat());
    }
    let (start, size) = (data.len() as u32, directory.len() as u32);
    data.extend(directory);
    data.extend([b"PK\x05\x06\0\0\0\0\x02\0\x02\0", &size.to_le_bytes()[..]].concat());
    data.extend([&start.to_le_bytes()[..], &[0; 2]].concat());
    data
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    aquatint_fuzz::read_all(bytes);
    aquatint_fuzz::read_all(&archive(bytes));
});
