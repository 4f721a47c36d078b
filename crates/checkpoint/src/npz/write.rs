//! Writing an archive that NumPy reads: entries stored, not compressed.

use std::io::{self, Write};
use std::path::Path;

use flate2::Crc;

use crate::atomic;

/// Numbers to be written.
#[derive(Clone, Copy, Debug)]
pub enum Floats<'a> {
    /// As `float32`.
    F32(&'a [f32]),
    /// As `float64`.
    F64(&'a [f64]),
}

impl Floats<'_> {
    fn len(self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
        }
    }

    fn bytes(self) -> Vec<u8> {
        match self {
            Self::F32(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Self::F64(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        }
    }

    fn descr(self) -> &'static str {
        match self {
            Self::F32(_) => "<f4",
            Self::F64(_) => "<f8",
        }
    }
}

/// Writes arrays of these names and shapes as an archive, whole or not at all.
///
/// # Errors
/// Those of the file system, and if there are 4 GiB or more.
///
/// # Panics
/// If an array does not hold as many numbers as its shape says.
#[track_caller]
pub fn save_npz(path: &Path, arrays: &[(&str, &[usize], Floats<'_>)]) -> io::Result<()> {
    atomic::with_file(path, |file| {
        let mut file = io::BufWriter::new(file);
        let mut directory = Vec::new();
        let mut at = 0u32;
        for &(name, shape, floats) in arrays {
            assert_eq!(floats.len(), shape.iter().product::<usize>(), "{name} of shape {shape:?}");
            let name = format!("{name}.npy");
            let mut data = header(floats.descr(), shape);
            data.extend(floats.bytes());
            let about = about(&name, &data)?;
            file.write_all(b"PK\x03\x04")?;
            file.write_all(&about)?;
            file.write_all(name.as_bytes())?;
            file.write_all(&data)?;
            directory.extend(b"PK\x01\x02\x14\0");
            directory.extend(&about);
            // No comment, the first disk, no attributes.
            directory.extend([0; 10]);
            directory.extend(at.to_le_bytes());
            directory.extend(name.as_bytes());
            let len = (30 + name.len() + data.len()) as u64;
            at = u32::try_from(u64::from(at) + len).map_err(|_| too_large())?;
        }
        file.write_all(&directory)?;
        let (count, size) = (arrays.len() as u16, directory.len() as u32);
        file.write_all(b"PK\x05\x06\0\0\0\0")?;
        file.write_all(&[count.to_le_bytes(), count.to_le_bytes()].concat())?;
        file.write_all(&[size.to_le_bytes(), at.to_le_bytes()].concat())?;
        file.write_all(&[0; 2])?;
        file.flush()
    })
}

/// What the header of an entry and its line of the directory have in common: version, flags,
/// method, time (1980, January 1), checksum, sizes, length of the name.
fn about(name: &str, data: &[u8]) -> io::Result<Vec<u8>> {
    let mut crc = Crc::new();
    crc.update(data);
    let size = u32::try_from(data.len()).map_err(|_| too_large())?.to_le_bytes();
    let mut about = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
    about.extend(crc.sum().to_le_bytes());
    about.extend([size, size].concat());
    about.extend((name.len() as u16).to_le_bytes());
    about.extend([0; 2]);
    Ok(about)
}

fn header(descr: &str, shape: &[usize]) -> Vec<u8> {
    let sizes: String = shape.iter().map(|size| format!("{size},")).collect();
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({sizes}), }}");
    // The numbers begin at a multiple of 64 bytes.
    let padded = (10 + text.len() + 1).next_multiple_of(64) - 10;
    text.extend(std::iter::repeat_n(' ', padded - text.len() - 1));
    text.push('\n');
    let mut bytes = b"\x93NUMPY\x01\0".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.into_bytes());
    bytes
}

fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, "an .npz file may have 4 GiB")
}
