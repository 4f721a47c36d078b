//! Writing so that a file is either whole or absent.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};

/// The first bytes of every PNG file: signature, then the IHDR chunk's length and name.
const PNG_START: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
/// The last bytes of every PNG file: the empty IEND chunk with its checksum.
const PNG_END: &[u8] = b"\0\0\0\0IEND\xaeB`\x82";

/// Writes beside `path`, then renames.
///
/// With `sync` the bytes reach the disk before the name does; images do without, because
/// [`is_whole_png`] finds the ones that a power failure spoilt.
///
/// # Errors
/// When the file system refuses; the path is named.
pub fn write_atomically(path: &Path, bytes: &[u8], sync: bool) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        if sync {
            file.sync_all()?;
        }
        fs::rename(&temporary, path)
    };
    write().with_context(|| format!("could not write {}", path.display()))
}

/// Whether `path` holds a PNG of `size`×`size` from signature to end.
pub fn is_whole_png(path: &Path, size: u32) -> bool {
    let Ok(bytes) = fs::read(path) else { return false };
    let side = size.to_be_bytes();
    bytes.strip_prefix(PNG_START).is_some_and(|rest| rest.starts_with(&[side, side].concat()))
        && bytes.ends_with(PNG_END)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::render;

    #[test]
    fn whole_truncated_and_other_sizes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        assert!(!is_whole_png(&path, 4), "absent");
        let bytes = render::png(&image::RgbaImage::new(4, 4)).unwrap();
        write_atomically(&path, &bytes, true).unwrap();
        assert!(is_whole_png(&path, 4));
        assert!(!is_whole_png(&path, 8), "another size");
        for cut in [0, 8, 20, bytes.len() - 1] {
            fs::write(&path, &bytes[..cut]).unwrap();
            assert!(!is_whole_png(&path, 4), "cut to {cut}");
        }
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(names.len(), 1, "no temporary file stays");
    }

    #[test]
    fn refused_write_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("absent/a.png");
        let message = format!("{:#}", write_atomically(&path, b"", false).unwrap_err());
        assert!(message.starts_with("could not write") && message.contains("a.png"), "{message}");
    }
}
