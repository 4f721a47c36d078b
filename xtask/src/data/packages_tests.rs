//! Tests of fetching: no network, npm is absent or a script.

use super::*;

/// SHA-256 of `abc`, from FIPS 180-2, appendix B.1.
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

const TINY: Package = Package {
    name: "@scope/tiny",
    version: "1.0.0",
    file: "scope-tiny-1.0.0.tgz",
    sha256: ABC,
    licence: "MIT",
};

fn without_npm() -> Npm {
    Npm { path: Some("/nonexistent".into()) }
}

/// A folder with an executable `npm` that runs `script`; `$6` is the destination.
#[cfg(unix)]
fn fake_npm(folder: &Path, script: &str) -> Npm {
    use std::os::unix::fs::PermissionsExt;
    let file = folder.join("npm");
    fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    Npm { path: Some(folder.into()) }
}

#[test]
fn missing_npm_is_one_clear_line() {
    let cache = tempfile::tempdir().unwrap();
    let message = format!("{:#}", obtain(&TINY, cache.path(), &without_npm()).unwrap_err());
    assert!(message.contains("npm is needed to fetch @scope/tiny@1.0.0"), "{message}");
    assert!(message.contains("put scope-tiny-1.0.0.tgz into the cache"), "{message}");
    assert!(!message.contains('\n'), "{message}");
    assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 0, "nothing may be left behind");
}

#[test]
fn cached_package_needs_no_client() {
    let cache = tempfile::tempdir().unwrap();
    fs::write(cache.path().join(TINY.file), "abc").unwrap();
    let path = obtain(&TINY, cache.path(), &without_npm()).unwrap();
    assert_eq!(fs::read(path).unwrap(), b"abc");
}

#[cfg(unix)]
#[test]
fn wrong_sum_names_package_expected_and_got() {
    let (cache, bin) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let npm = fake_npm(bin.path(), "printf '' > \"$6/scope-tiny-1.0.0.tgz\"");
    let message = format!("{:#}", obtain(&TINY, cache.path(), &npm).unwrap_err());
    // The sum of nothing at all.
    let got = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(
        message,
        format!("@scope/tiny 1.0.0 has the wrong sha256: expected {ABC}, got {got}")
    );
    assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 0, "a bad file must not be kept");
}

#[cfg(unix)]
#[test]
fn spoilt_cache_is_fetched_again() {
    let (cache, bin) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(cache.path().join(TINY.file), "ab").unwrap();
    let npm = fake_npm(bin.path(), "printf abc > \"$6/scope-tiny-1.0.0.tgz\"");
    let path = obtain(&TINY, cache.path(), &npm).unwrap();
    assert_eq!(fs::read(path).unwrap(), b"abc");
}

#[cfg(unix)]
#[test]
fn failing_npm_is_quoted() {
    let (cache, bin) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let npm = fake_npm(bin.path(), "echo 'npm error code E404' >&2; exit 1");
    let message = format!("{:#}", obtain(&TINY, cache.path(), &npm).unwrap_err());
    assert_eq!(message, "npm pack @scope/tiny@1.0.0 failed (exit status: 1): code E404");
}

#[test]
fn pins_are_well_formed() {
    assert_eq!(SEVEN_STYLES.len(), 8);
    for package in SEVEN_STYLES {
        assert_eq!(package.sha256.len(), 64, "{}", package.name);
        let stem = package.name.trim_start_matches('@').replace('/', "-");
        assert_eq!(package.file, format!("{stem}-{}.tgz", package.version));
    }
}
