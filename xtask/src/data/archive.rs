//! Reading chosen files out of an npm tarball.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};
use flate2::read::GzDecoder;

/// The bytes of the files in a tarball that `wanted` accepts, by path below `package/`.
///
/// # Errors
/// When the tarball cannot be read.
pub fn read(path: &Path, wanted: impl Fn(&str) -> bool) -> Result<HashMap<String, Vec<u8>>> {
    let inner = || -> Result<HashMap<String, Vec<u8>>> {
        let mut files = HashMap::new();
        let mut archive = tar::Archive::new(GzDecoder::new(File::open(path)?));
        for entry in archive.entries()? {
            let mut entry = entry?;
            let name = entry.path()?.to_string_lossy().into_owned();
            let Some(name) = name.strip_prefix("package/").filter(|name| wanted(name)) else {
                continue;
            };
            let name = name.to_owned();
            let mut bytes = Vec::with_capacity(entry.size() as usize);
            entry.read_to_end(&mut bytes)?;
            files.insert(name, bytes);
        }
        Ok(files)
    };
    inner().with_context(|| format!("could not read the package {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn only_wanted_files_come_out() {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, text) in [("package/a.json", "1"), ("package/b.txt", "2")] {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            tar.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.tgz");
        let mut gzip =
            flate2::write::GzEncoder::new(File::create(&path).unwrap(), Default::default());
        gzip.write_all(&tar.into_inner().unwrap()).unwrap();
        gzip.finish().unwrap();

        let files = read(&path, |name| name.ends_with(".json")).unwrap();
        assert_eq!(files.len(), 1);
        assert_eq!(files["a.json"], b"1");
    }

    #[test]
    fn not_a_tarball_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.tgz");
        std::fs::write(&path, "no gzip").unwrap();
        let message = format!("{:#}", read(&path, |_| true).unwrap_err());
        assert!(message.starts_with("could not read the package"), "{message}");
    }
}
