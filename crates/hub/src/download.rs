//! One file, from the hub to its name in the cache. What came before a failure stays, as
//! `SUM.incomplete`, and the next attempt goes on from there; only what has the right sum gets a
//! name that others look for.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::cache::RepoFolder;
use crate::client::{Client, header, unreachable};
use crate::error::reason;
use crate::lock::Lock;
use crate::{Event, HubError, RepoId, Watch, sums};

/// Which file of which commit.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub repo: &'a RepoId,
    pub commit: &'a str,
    pub file: &'a str,
    /// Its size, if the listing said it.
    pub size: Option<u64>,
}

/// Tells, and stops if that is the answer.
pub(crate) fn tell(watch: &mut dyn Watch, event: Event<'_>) -> Result<(), HubError> {
    match watch.event(event) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(HubError::Stopped),
    }
}

/// Brings the file into the cache, if it is not there, and says where it lies.
pub(crate) fn fetch(
    client: &Client,
    place: &RepoFolder,
    wanted: Wanted<'_>,
    watch: &mut dyn Watch,
) -> Result<PathBuf, HubError> {
    let Wanted { repo, commit, file, size } = wanted;
    let link = place.snapshot(commit).join(file);
    let whole = |cached: bool| {
        let bytes = fs::metadata(&link).map_or(0, |found| found.len());
        Event::Whole { name: file, bytes, cached }
    };
    if is_whole(&link, size) {
        tell(watch, whole(true))?;
        return Ok(link);
    }
    let facts = client.facts(repo, commit, file)?;
    let size = facts.size.or(size);
    let blob = place.blob(&facts.tag);
    let lock = place.lock(&facts.tag);
    let _lock = Lock::take(&lock, || tell(watch, Event::Waiting { name: file }))?;
    let cached = is_whole(&blob, size);
    if !cached {
        tell(watch, Event::File { name: file, size })?;
        receive(client, Wanted { size, ..wanted }, &facts.tag, &blob, watch)?;
    }
    // Whoever had the lock before us has perhaps linked it, and somebody reads it already.
    if !is_whole(&link, size) {
        place.link(&facts.tag, commit, file)?;
    }
    tell(watch, whole(cached))?;
    Ok(link)
}

fn is_whole(path: &Path, size: Option<u64>) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && size.is_none_or(|s| s == found.len()))
}

/// Fetches a blob, checks it and names it. A part of an earlier run that turns out to be wrong
/// costs one more transfer, not the file.
fn receive(
    client: &Client,
    wanted: Wanted<'_>,
    tag: &str,
    blob: &Path,
    watch: &mut dyn Watch,
) -> Result<(), HubError> {
    let mut name = blob.as_os_str().to_owned();
    name.push(".incomplete");
    let path = PathBuf::from(name);
    loop {
        let mut part = Part::open(&path)?;
        let resumed = part.length > 0;
        transfer(client, wanted, &mut part, watch)?;
        let on_disk = |error: &io::Error| HubError::file(&path, error);
        part.file.sync_all().map_err(|error| on_disk(&error))?;
        match sums::of_file(&path, tag)? {
            Some(found) if found != tag => {
                fs::remove_file(&path).map_err(|error| on_disk(&error))?;
                if !resumed {
                    let (file, expected) = (wanted.file.into(), tag.into());
                    return Err(HubError::SumDiffers { file, expected, found });
                }
            }
            _ => return fs::rename(&path, blob).map_err(|error| HubError::file(blob, &error)),
        }
    }
}

/// Appends until the part is whole, through as many failures as patience allows.
fn transfer(
    client: &Client,
    wanted: Wanted<'_>,
    part: &mut Part<'_>,
    watch: &mut dyn Watch,
) -> Result<(), HubError> {
    let mut failures = 0;
    if wanted.size.is_some_and(|size| part.length > size) {
        part.restart()?;
    }
    while wanted.size != Some(part.length) {
        tell(watch, Event::Have(part.length))?;
        let before = part.length;
        let error = match part.append(client, wanted, watch) {
            Ok(()) if wanted.size.is_none_or(|size| size == part.length) => return Ok(()),
            Ok(()) => None,
            Err(error) if error.is_transient() => Some(error),
            Err(error) => return Err(error),
        };
        let why = match &error {
            Some(HubError::Unreachable { reason, .. }) => reason.clone(),
            Some(HubError::Status { host, status }) => format!("{host} answers {status}"),
            _ => "the connection ended early".into(),
        };
        failures = if part.length > before { 1 } else { failures + 1 };
        let Some(pause) = client.pause(failures) else {
            return Err(match error {
                // Not a byte of it ever came: there is nothing to go on from.
                Some(error) if part.length == 0 => error,
                _ => HubError::BrokenOff { file: wanted.file.into(), reason: why },
            });
        };
        tell(watch, Event::Retry { name: wanted.file, reason: &why })?;
        std::thread::sleep(pause);
    }
    Ok(())
}

/// The part of a blob that has come so far.
struct Part<'a> {
    path: &'a Path,
    file: File,
    length: u64,
}

impl<'a> Part<'a> {
    fn open(path: &'a Path) -> Result<Self, HubError> {
        let open = || {
            fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
            let file = OpenOptions::new().append(true).create(true).open(path)?;
            let length = file.metadata()?.len();
            Ok((file, length))
        };
        let (file, length) = open().map_err(|error| HubError::file(path, &error))?;
        Ok(Self { path, file, length })
    }

    fn restart(&mut self) -> Result<(), HubError> {
        self.length = 0;
        self.file.set_len(0).map_err(|error| HubError::file(self.path, &error))
    }

    /// Asks for the rest once and writes what comes.
    fn append(
        &mut self,
        client: &Client,
        wanted: Wanted<'_>,
        watch: &mut dyn Watch,
    ) -> Result<(), HubError> {
        let Wanted { repo, commit, file, size } = wanted;
        let (host, answer) = client.content(repo, commit, file, self.length)?;
        let begins = match answer.status().as_u16() {
            206 => header(answer.headers(), "content-range").and_then(first_byte),
            200 => Some(0),
            // There is no such rest: the part is of something longer.
            416 => {
                self.restart()?;
                return Err(HubError::Unreachable { host, reason: "no such range".into() });
            }
            status => return Err(HubError::Status { host, status }),
        };
        if begins == Some(0) && self.length > 0 {
            self.restart()?;
        } else if begins != Some(self.length) {
            return Err(HubError::answer(&host, "another range than was asked for"));
        }
        let mut body = answer.into_body().into_reader();
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = match body.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(broken(host, error)),
            };
            if size.is_some_and(|size| self.length + read as u64 > size) {
                self.restart()?;
                return Err(HubError::answer(&host, format!("{file} is longer than it said")));
            }
            let written = self.file.write_all(&buffer[..read]);
            written.map_err(|error| HubError::file(self.path, &error))?;
            self.length += read as u64;
            tell(watch, Event::Have(self.length))?;
        }
    }
}

/// The error of a body that ended early, without what `ureq` wraps it in.
fn broken(host: String, error: io::Error) -> HubError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>()) {
        Some(inner) => unreachable(&host, inner),
        None => HubError::Unreachable { host, reason: reason(&error) },
    }
}

/// N of `bytes N-M/L`.
fn first_byte(range: &str) -> Option<u64> {
    range.trim().strip_prefix("bytes")?.trim_start().split('-').next()?.parse().ok()
}
