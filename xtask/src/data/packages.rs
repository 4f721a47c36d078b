//! The pinned packages, and fetching them with the ordinary npm client.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

/// One npm package at one version, known by its sum.
#[derive(Debug)]
pub struct Package {
    /// Name in the npm registry.
    pub name: &'static str,
    /// Exact version.
    pub version: &'static str,
    /// What `npm pack` calls the file.
    pub file: &'static str,
    /// SHA-256 of that file, lower-case hexadecimal.
    pub sha256: &'static str,
    /// Licence of the drawings or data inside, which is not always what `package.json` says.
    pub licence: &'static str,
}

macro_rules! pins {
    ($($id:ident: $name:literal @ $version:literal, $file:literal, $licence:literal, $sha256:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "` ", $version, ".")]
            pub const $id: Package = Package {
                name: $name, version: $version, file: $file, sha256: $sha256, licence: $licence,
            };
        )*
        /// Every package that the data set `seven-styles` is built from.
        pub const SEVEN_STYLES: &[&Package] = &[$(&$id),*];
    };
}

pins! {
    NOTO: "@iconify-json/noto" @ "1.2.9", "iconify-json-noto-1.2.9.tgz", "Apache-2.0",
        "3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad";
    NOTO_V1: "@iconify-json/noto-v1" @ "1.2.5", "iconify-json-noto-v1-1.2.5.tgz", "Apache-2.0",
        "2bf62c26c2c2884aa99e90aec942cdaee17a5921f05690694f4978ad4b017c37";
    TWEMOJI: "@iconify-json/twemoji" @ "1.2.5", "iconify-json-twemoji-1.2.5.tgz", "CC-BY-4.0",
        "19046dff7d8707ce96212ec86468b36ac5f8e60409629dd13f809265c6d0ebb7";
    EMOJIONE: "@iconify-json/emojione" @ "1.2.3", "iconify-json-emojione-1.2.3.tgz", "CC-BY-4.0",
        "26a14f44284407e8bcde91799388dca2bfd91dbcd55a97f425524a1c5b73610e";
    FLUENT_FLAT: "@iconify-json/fluent-emoji-flat" @ "1.2.6",
        "iconify-json-fluent-emoji-flat-1.2.6.tgz", "MIT",
        "7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175";
    FLUENT_HIGH_CONTRAST: "@iconify-json/fluent-emoji-high-contrast" @ "1.2.6",
        "iconify-json-fluent-emoji-high-contrast-1.2.6.tgz", "MIT",
        "0b92d48c90d2200bd499e3cdd09a127ca6a8c8ddefd34c35eb5a1e4994012ae0";
    FLUENT_3D: "@lobehub/fluent-emoji-3d" @ "1.1.0", "lobehub-fluent-emoji-3d-1.1.0.tgz", "MIT",
        "c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58";
    EMOJIBASE: "emojibase-data" @ "17.0.0", "emojibase-data-17.0.0.tgz", "MIT AND Unicode-3.0",
        "d01d0e2ca4e22cb402679532155342c71e2e871f25c32223c013b8b166ebdf5a";
}

/// The package client.
#[derive(Debug, Default)]
pub struct Npm {
    /// Replaces `PATH` when the client is looked up; tests use it.
    pub path: Option<OsString>,
}

impl Npm {
    /// Runs `npm pack` so that the package's tarball lies in `folder`.
    fn pack(&self, package: &Package, folder: &Path) -> Result<()> {
        let program = if cfg!(windows) { "npm.cmd" } else { "npm" };
        let spec = format!("{}@{}", package.name, package.version);
        let mut command = Command::new(program);
        command.args(["pack", &spec, "--ignore-scripts", "--loglevel=error"]);
        command.arg("--pack-destination").arg(folder);
        if let Some(path) = &self.path {
            command.env("PATH", path);
        }
        let output = match command.output() {
            Ok(output) => output,
            Err(error) if error.kind() == ErrorKind::NotFound => bail!(
                "npm is needed to fetch {spec} but was not found; \
                 install Node.js, which brings it, or put {} into the cache folder",
                package.file
            ),
            Err(error) => return Err(error).context("could not start npm"),
        };
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            bail!("npm pack {spec} failed ({}): {}", output.status, summary(&stderr));
        }
        Ok(())
    }
}

/// npm's complaint on one line: its `npm error` lines without the one that names a log file.
fn summary(stderr: &str) -> String {
    let errors: Vec<&str> = stderr
        .lines()
        .filter_map(|line| line.strip_prefix("npm error "))
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("A complete log"))
        .take(3)
        .collect();
    if errors.is_empty() { stderr.trim().replace('\n', "; ") } else { errors.join("; ") }
}

/// The path of the package's tarball in `cache`, fetched with npm unless it is there already.
///
/// # Errors
/// When npm is missing or fails, or when what it brought has another sum than the pin.
pub fn obtain(package: &Package, cache: &Path, npm: &Npm) -> Result<PathBuf> {
    let path = cache.join(package.file);
    if path.is_file() {
        let got = sha256_of(&path)?;
        if got == package.sha256 {
            return Ok(path);
        }
        eprintln!("{} has the sum {got}, not the pinned one; fetching it again", path.display());
    } else {
        eprintln!("fetching {} {} ({})", package.name, package.version, package.licence);
    }
    // The client writes into a folder of its own, so that a half-written file never lies in the cache.
    let folder = cache.join(format!("{}.partial", package.file));
    fs::create_dir_all(&folder)
        .with_context(|| format!("could not create {}", folder.display()))?;
    let fetched = npm.pack(package, &folder).and_then(|()| {
        let file = folder.join(package.file);
        verify(package, &file)?;
        fs::rename(&file, &path).with_context(|| format!("could not write {}", path.display()))
    });
    // A leftover folder does no harm, and the fetch's own error matters more.
    let _ = fs::remove_dir_all(&folder);
    fetched.map(|()| path)
}

/// Fails unless `file` has the package's pinned sum.
fn verify(package: &Package, file: &Path) -> Result<()> {
    let got = sha256_of(file)?;
    if got != package.sha256 {
        bail!(
            "{} {} has the wrong sha256: expected {}, got {got}",
            package.name,
            package.version,
            package.sha256
        );
    }
    Ok(())
}

/// SHA-256 of a file in lower-case hexadecimal.
pub(super) fn sha256_of(path: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    File::open(path)
        .and_then(|mut file| io::copy(&mut file, &mut HashWriter(&mut hasher)))
        .with_context(|| format!("could not read {}", path.display()))?;
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "packages_tests.rs"]
mod tests;
