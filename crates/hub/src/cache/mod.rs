//! Where everything lies, as in the Python tools' cache:
//!
//! ```text
//! models--OWNER--NAME/blobs/SUM               what a file holds, once
//! models--OWNER--NAME/snapshots/COMMIT/PATH   a link to its blob
//! models--OWNER--NAME/refs/REVISION           the commit that a branch or tag meant
//! .locks/models--OWNER--NAME/SUM.lock
//! ```

mod folders;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::name::{is_commit, is_revision};
use crate::{HubError, RepoId, settings};
use folders::{names, tree};

/// A folder of models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache(PathBuf);

/// One revision of a model in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedModel {
    /// Whose it is.
    pub repo: RepoId,
    /// Its commit.
    pub commit: String,
    /// The branches and tags that meant this commit when they were last asked for.
    pub revisions: Vec<String>,
    /// Paths within the revision, sorted.
    pub files: Vec<String>,
    /// Bytes of its files together.
    pub bytes: u64,
    /// The folder that holds it.
    pub path: PathBuf,
}

impl Cache {
    /// The cache at this folder, which need not be there yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// The cache that the environment names; `look` reads a variable of it.
    ///
    /// # Errors
    /// [`HubError::NoHome`].
    pub fn from_environment(look: impl Fn(&str) -> Option<OsString>) -> Result<Self, HubError> {
        settings::cache(look)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// Every revision of every model that is there, by name. What is no model is passed over.
    ///
    /// # Errors
    /// [`HubError::File`] if a folder cannot be read; none if there is no cache yet.
    pub fn models(&self) -> Result<Vec<CachedModel>, HubError> {
        let mut models = Vec::new();
        for folder in names(&self.0)? {
            let Some(repo) = RepoId::of_folder(&folder) else { continue };
            let place = self.repo(&repo);
            let mut refs: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for revision in tree(&place.0.join("refs"))?.into_keys() {
                if let Some(commit) = place.commit_of(&revision)? {
                    refs.entry(commit).or_default().push(revision);
                }
            }
            for commit in names(&place.0.join("snapshots"))?.into_iter().filter(|c| is_commit(c)) {
                let path = place.snapshot(&commit);
                let files = tree(&path)?;
                let bytes = files.values().sum();
                let files: Vec<String> = files.into_keys().collect();
                let revisions = refs.remove(&commit).unwrap_or_default();
                models.push(CachedModel {
                    repo: repo.clone(),
                    commit,
                    revisions,
                    files,
                    bytes,
                    path,
                });
            }
        }
        models.sort_by(|a, b| (&a.repo, &a.commit).cmp(&(&b.repo, &b.commit)));
        Ok(models)
    }

    pub(crate) fn repo(&self, repo: &RepoId) -> RepoFolder {
        RepoFolder(self.0.join(repo.folder()), self.0.join(".locks").join(repo.folder()))
    }
}

/// The folder of one repository, and that of its locks. Callers give checked names only.
#[derive(Debug)]
pub(crate) struct RepoFolder(PathBuf, PathBuf);

impl RepoFolder {
    pub fn blob(&self, tag: &str) -> PathBuf {
        self.0.join("blobs").join(tag)
    }

    pub fn lock(&self, tag: &str) -> PathBuf {
        self.1.join(format!("{tag}.lock"))
    }

    pub fn snapshot(&self, commit: &str) -> PathBuf {
        self.0.join("snapshots").join(commit)
    }

    /// The files of a snapshot with their lengths; none if it is not there.
    pub fn files(&self, commit: &str) -> Result<BTreeMap<String, u64>, HubError> {
        tree(&self.snapshot(commit))
    }

    /// The commit that `revision` meant when it was last asked for.
    pub fn commit_of(&self, revision: &str) -> Result<Option<String>, HubError> {
        if is_commit(revision) {
            return Ok(Some(revision.into()));
        }
        if !is_revision(revision) {
            return Ok(None);
        }
        let path = self.0.join("refs").join(revision);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text.trim().to_owned()).filter(|commit| is_commit(commit))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(HubError::file(&path, &error)),
        }
    }

    /// Remembers that `revision` means `commit`.
    pub fn set_commit_of(&self, revision: &str, commit: &str) -> Result<(), HubError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let is_known = || Ok(self.commit_of(revision)?.as_deref() == Some(commit));
        if revision == commit || is_known()? {
            return Ok(());
        }
        let path = self.0.join("refs").join(revision);
        let write = || {
            let folder = path.parent().unwrap_or(Path::new("."));
            fs::create_dir_all(folder)?;
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let temporary = folder.join(format!(".{}-{count}.tmp", std::process::id()));
            fs::File::create(&temporary)?.write_all(commit.as_bytes())?;
            fs::rename(&temporary, &path)
        };
        match write() {
            // In containers another process may have our number, and have said the same.
            Err(error) if !is_known()? => Err(HubError::file(&path, &error)),
            _ => Ok(()),
        }
    }

    /// Gives the blob its name in the snapshot.
    pub fn link(&self, tag: &str, commit: &str, file: &str) -> Result<(), HubError> {
        let (blob, link) = (self.blob(tag), self.snapshot(commit).join(file));
        let make = || {
            fs::create_dir_all(link.parent().unwrap_or(Path::new(".")))?;
            match fs::remove_file(&link) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            point(&blob, &link, file)
        };
        make().map_err(|error| HubError::file(&link, &error))
    }
}

/// Relative, so that the cache can be moved.
#[cfg(unix)]
fn point(blob: &Path, link: &Path, file: &str) -> io::Result<()> {
    let up = "../".repeat(2 + file.matches('/').count());
    let name = blob.file_name().unwrap_or_default();
    std::os::unix::fs::symlink(Path::new(&up).join("blobs").join(name), link)
}

/// Links need rights there that few have: the file itself is moved, as the Python tools do.
#[cfg(not(unix))]
fn point(blob: &Path, link: &Path, _: &str) -> io::Result<()> {
    fs::rename(blob, link)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn what_is_linked_is_listed() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path());
        assert_eq!(Cache::new(folder.path().join("none")).models().unwrap(), []);
        let repo = RepoId::parse("owner/name").unwrap();
        let place = cache.repo(&repo);
        fs::create_dir_all(place.blob("x").parent().unwrap()).unwrap();
        fs::write(place.blob("abc"), "12345").unwrap();
        for file in ["a.json", "unet/b.json"] {
            place.link("abc", COMMIT, file).unwrap();
            let link = place.snapshot(COMMIT).join(file);
            assert_eq!(fs::read_to_string(link).unwrap(), "12345");
        }
        place.set_commit_of("main", COMMIT).unwrap();
        place.set_commit_of("refs/pr/1", COMMIT).unwrap();
        fs::write(place.0.join("refs/broken"), "no commit").unwrap();
        fs::create_dir_all(folder.path().join("datasets--a--b/snapshots").join(COMMIT)).unwrap();
        let models = cache.models().unwrap();
        assert_eq!(models.len(), 1);
        assert_eq!((models[0].bytes, models[0].repo.clone()), (10, repo));
        assert_eq!(models[0].files, ["a.json", "unet/b.json"]);
        assert_eq!(models[0].revisions, ["main", "refs/pr/1"]);
        assert_eq!(place.commit_of("main").unwrap().as_deref(), Some(COMMIT));
        assert_eq!(place.commit_of("other").unwrap(), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_moved_cache_still_holds_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old"), folder.path().join("new"));
        let place = Cache::new(&old).repo(&RepoId::parse("a/b").unwrap());
        fs::create_dir_all(old.join("models--a--b/blobs")).unwrap();
        fs::write(place.blob("abc"), "12345").unwrap();
        place.link("abc", COMMIT, "unet/x/b.json").unwrap();
        fs::rename(&old, &new).unwrap();
        assert_eq!(Cache::new(&new).models().unwrap()[0].bytes, 5);
    }
}
