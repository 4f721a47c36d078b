//! Files that are replaced whole or not at all: written beside their place, flushed to the disk,
//! then renamed into it. Whoever reads the path sees the old content or the new one, also after a
//! power failure or `kill -9`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// How the temporary files end, so that [`remove_leftovers`] can know them.
const SUFFIX: &str = ".aquatint-tmp";

/// Replaces `path` by what `write` writes. If that fails, or panics, the old file stays as it was
/// and the temporary one is removed.
///
/// # Errors
/// Those of `write`, and those of the file system.
pub fn with_file<E: From<io::Error>>(
    path: impl AsRef<Path>,
    write: impl FnOnce(&mut File) -> Result<(), E>,
) -> Result<(), E> {
    let path = path.as_ref();
    let mut temporary = Temporary::beside(path)?;
    write(&mut temporary.file)?;
    temporary.file.sync_all()?;
    fs::rename(&temporary.path, path)?;
    temporary.renamed = true;
    sync_folder(folder_of(path))?;
    Ok(())
}

/// Replaces `path` by these bytes.
///
/// # Errors
/// Those of the file system.
pub fn write_file(path: impl AsRef<Path>, bytes: &[u8]) -> io::Result<()> {
    with_file(path, |file| file.write_all(bytes))
}

/// Puts a folder at `path` that `write` fills, and takes away what was there. If that fails, or
/// panics, what was there stays as it was and the new folder is removed. `write` is told where the
/// folder is meanwhile.
///
/// # Errors
/// Those of `write`, and those of the file system.
pub fn with_folder<E: From<io::Error>>(
    path: impl AsRef<Path>,
    write: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let path = path.as_ref();
    let (folder, ()) = beside(path, |name| fs::create_dir(name))?;
    let mut new = TemporaryFolder(folder);
    write(&new.0)?;
    sync_folder(&new.0)?;
    let mut old = None;
    if path.symlink_metadata().is_ok() {
        old = Some(beside(path, |name| fs::rename(path, name))?.0);
    }
    if let Err(error) = fs::rename(&new.0, path) {
        if let Some(old) = old {
            fs::rename(old, path)?;
        }
        return Err(error.into());
    }
    // What is to be removed now is the old folder, if there was one.
    new.0 = old.unwrap_or_default();
    sync_folder(folder_of(path))?;
    Ok(())
}

/// Removes the temporary files that a killed process left in `folder`, and says how many. Only for
/// a folder that nobody else writes to.
///
/// # Errors
/// Those of the file system.
pub fn remove_leftovers(folder: impl AsRef<Path>) -> io::Result<usize> {
    let mut removed = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(SUFFIX) {
            fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// A file under a name of its own that removes itself unless it was renamed.
struct Temporary {
    path: PathBuf,
    file: File,
    renamed: bool,
}

impl Temporary {
    fn beside(path: &Path) -> io::Result<Self> {
        let (path, file) =
            beside(path, |name| OpenOptions::new().write(true).create_new(true).open(name))?;
        Ok(Self { path, file, renamed: false })
    }
}

/// A folder that removes itself.
struct TemporaryFolder(PathBuf);

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        if !self.0.as_os_str().is_empty() {
            // As below: there is nobody to tell.
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// A name beside `path` that `make` found free, and what it made there.
fn beside<T>(path: &Path, make: impl Fn(&Path) -> io::Result<T>) -> io::Result<(PathBuf, T)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
    // The name is cut, not the unique part, where a file system allows 255 bytes only.
    let stem: String = name.to_string_lossy().chars().take(40).collect();
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!(".{stem}.{}-{count}{SUFFIX}", std::process::id());
        let path = folder_of(path).join(name);
        match make(&path) {
            Ok(made) => return Ok((path, made)),
            // Left by a killed process that had our number: in containers they come again.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.renamed {
            // There is nobody to tell: the error that led here is the one that is reported.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// The new name is on the disk only after its folder is.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_file(&path, b"old and long").unwrap();
        write_file(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[test]
    fn a_failure_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_file(&path, b"old").unwrap();
        let result = with_file(&path, |file| {
            file.write_all(b"half of the n")?;
            Err(io::Error::other("the disk is full"))
        });
        assert_eq!(result.unwrap_err().to_string(), "the disk is full");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[test]
    fn a_panic_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_file(&path, b"old").unwrap();
        let result = std::panic::catch_unwind(|| {
            with_file(&path, |_| -> io::Result<()> { panic!("a bug") })
        });
        assert!(result.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[test]
    fn what_a_process_of_the_same_number_left_is_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        for count in 0..64 {
            let name = format!(".a.txt.{}-{count}{SUFFIX}", std::process::id());
            fs::write(folder.path().join(name), b"half").unwrap();
        }
        write_file(folder.path().join("a.txt"), b"whole").unwrap();
        assert_eq!(fs::read(folder.path().join("a.txt")).unwrap(), b"whole");
    }

    #[test]
    fn a_folder_is_replaced_whole_or_stays() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("model");
        let put = |name: &'static str, fail: bool| {
            with_folder(&path, |folder| {
                write_file(folder.join(name), b"x")?;
                if fail { Err(io::Error::other("the disk is full")) } else { Ok(()) }
            })
        };
        put("a", true).unwrap_err();
        assert!(names(parent.path()).is_empty());
        put("a", false).unwrap();
        put("b", true).unwrap_err();
        assert_eq!((names(parent.path()), names(&path)), (vec!["model".into()], vec!["a".into()]));
        put("b", false).unwrap();
        assert_eq!((names(parent.path()), names(&path)), (vec!["model".into()], vec!["b".into()]));
    }

    #[test]
    fn a_missing_folder_is_an_error_and_a_leftover_can_be_removed() {
        let folder = tempfile::tempdir().unwrap();
        assert!(write_file(folder.path().join("none/a.txt"), b"x").is_err());
        assert!(write_file(folder.path().join(".."), b"x").is_err());
        fs::write(folder.path().join(".a.txt.123-0.aquatint-tmp"), b"half").unwrap();
        fs::write(folder.path().join("b.txt"), b"whole").unwrap();
        assert_eq!(remove_leftovers(folder.path()).unwrap(), 1);
        assert_eq!(names(folder.path()), ["b.txt"]);
    }
}
