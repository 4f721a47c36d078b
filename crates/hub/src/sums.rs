//! A blob's name is its sum: SHA-256 of large files, git's SHA-1 of small ones. The sum is taken
//! of what lies on the disk, so that a part fetched yesterday is checked with the rest.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::HubError;

/// The sum that `tag` is one of, of the file at `path`, or `None` if the tag is no known sum: then
/// only the length says whether the file is whole, as in the Python tools.
///
/// # Errors
/// [`HubError::File`] if the file cannot be read.
pub(crate) fn of_file(path: &Path, tag: &str) -> Result<Option<String>, HubError> {
    let is_hex = tag.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
    let sum = || -> io::Result<Option<String>> {
        let mut file = File::open(path)?;
        match tag.len() {
            64 if is_hex => Ok(Some(digest(Sha256::new(), &mut file)?)),
            40 if is_hex => {
                let header = format!("blob {}\0", file.metadata()?.len());
                Ok(Some(digest(Sha1::new_with_prefix(header), &mut file)?))
            }
            _ => Ok(None),
        }
    };
    sum().map_err(|error| HubError::file(path, &error))
}

fn digest<D: Digest>(mut digest: D, file: &mut File) -> io::Result<String> {
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => digest.update(&buffer[..read]),
        }
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_git_and_of_sha256sum() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hello");
        std::fs::write(&path, "hello\n").unwrap();
        // `git hash-object` and `sha256sum` of the same file.
        let git = "ce013625030ba8dba906f756967f9e9ca394464a";
        let sha256 = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
        assert_eq!(of_file(&path, git).unwrap().as_deref(), Some(git));
        assert_eq!(of_file(&path, &"0".repeat(40)).unwrap().as_deref(), Some(git));
        assert_eq!(of_file(&path, sha256).unwrap().as_deref(), Some(sha256));
        assert_eq!(of_file(&path, "abc-5").unwrap(), None);
        assert!(of_file(&folder.path().join("none"), git).is_err());
    }
}
