//! A model, from its name to its folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use crate::cache::RepoFolder;
use crate::choose::{Choice, INDEX, parts};
use crate::client::Client;
use crate::download::{Wanted, fetch, tell};
use crate::error::some_of;
use crate::listing::Listing;
use crate::name::is_path;
use crate::{Event, HubError, ModelName, Settings, Watch};

/// What to fetch.
#[derive(Clone, Debug)]
pub struct Request {
    /// Of which repository and revision.
    pub model: ModelName,
    /// These files and nothing else; if there are none, what `choice` says.
    pub files: Vec<String>,
    /// Which files a model needs.
    pub choice: Choice,
}

/// What is in the cache now.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// The folder of the model, or the file if one was asked for.
    pub path: PathBuf,
    /// Which commit it is.
    pub commit: String,
    /// The files, by their paths in the repository.
    pub files: Vec<String>,
}

/// Fetches what is not in the cache yet; offline, only looks whether it is there.
///
/// # Errors
/// [`HubError`], each a sentence.
pub fn pull(
    settings: &Settings,
    request: &Request,
    watch: &mut dyn Watch,
) -> Result<Pulled, HubError> {
    if let Some(bad) = request.files.iter().find(|file| !is_path(file)) {
        return Err(HubError::MalformedFile(bad.clone()));
    }
    let place = settings.cache.repo(&request.model.repo);
    if settings.offline {
        look_up(&place, request)
    } else {
        download(settings, &place, request, watch)
    }
}

fn download(
    settings: &Settings,
    place: &RepoFolder,
    request: &Request,
    watch: &mut dyn Watch,
) -> Result<Pulled, HubError> {
    let ModelName { repo, revision } = &request.model;
    let client = Client::new(settings);
    let listing = Listing::fetch(&client, repo, revision)?;
    let commit = &listing.commit;
    let wanted = |file| {
        let size = listing.files.get(file).copied().flatten();
        Wanted { repo, commit, file, size }
    };
    let index = |watch: &mut dyn Watch| fetch(&client, place, wanted(INDEX), watch);
    let (chosen, _) = choose(request, &listing.files, || index(watch))?;
    let bytes = chosen.iter().filter_map(|file| wanted(file).size).sum();
    tell(watch, Event::Plan { files: chosen.len(), bytes })?;
    for file in &chosen {
        fetch(&client, place, wanted(file), watch)?;
    }
    // Only now: whoever looks for the revision finds all of it.
    place.set_commit_of(revision, commit)?;
    Ok(pulled(place, request, listing.commit, chosen))
}

/// The same from what is in the cache.
fn look_up(place: &RepoFolder, request: &Request) -> Result<Pulled, HubError> {
    let ModelName { repo, revision } = &request.model;
    let missing = |file: &str| HubError::NotCached {
        repo: repo.to_string(),
        file: if file.is_empty() { String::new() } else { format!("/{file}") },
    };
    let commit = place.commit_of(revision)?.ok_or_else(|| missing(""))?;
    let files = place.files(&commit)?;
    if let Some(file) = request.files.iter().find(|file| !files.contains_key(*file)) {
        return Err(missing(file));
    }
    let sizes = files.iter().map(|(file, &size)| (file.clone(), Some(size))).collect();
    let chosen = choose(request, &sizes, || Ok(place.snapshot(&commit).join(INDEX)));
    let (chosen, parts) = chosen.map_err(|error| match error {
        HubError::NoVariant { .. } => error,
        _ => missing(""),
    })?;
    let is_there = |part: &String| files.keys().any(|f| f.starts_with(&format!("{part}/")));
    if let Some(part) = parts.iter().find(|part| !is_there(part)) {
        return Err(missing(part));
    }
    Ok(pulled(place, request, commit, chosen))
}

/// The files that the request means, and the parts that the model says it has; `index` brings the
/// path of `model_index.json`.
fn choose(
    request: &Request,
    files: &BTreeMap<String, Option<u64>>,
    index: impl FnOnce() -> Result<PathBuf, HubError>,
) -> Result<(Vec<String>, BTreeSet<String>), HubError> {
    let repo = &request.model.repo;
    let none = BTreeSet::new();
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    if !request.files.is_empty() {
        return match request.files.iter().find(|file| !files.contains_key(*file)) {
            Some(file) => Err(HubError::NoFile {
                repo: repo.to_string(),
                file: file.clone(),
                has: some_of(names.into_iter()),
            }),
            None => Ok((request.files.clone(), none)),
        };
    }
    if !request.choice.asks_index(&names) {
        return Ok((request.choice.of(repo, &names, None)?, none));
    }
    let path = index()?;
    let text = fs::read_to_string(&path).map_err(|error| HubError::file(&path, &error))?;
    let parts = parts(&text).ok_or_else(|| HubError::File {
        path: path.clone(),
        reason: "no model_index.json as diffusers writes it".into(),
    })?;
    Ok((request.choice.of(repo, &names, Some(&parts))?, parts))
}

fn pulled(place: &RepoFolder, request: &Request, commit: String, files: Vec<String>) -> Pulled {
    let folder = place.snapshot(&commit);
    let path = match &request.files[..] {
        [file] => folder.join(file),
        _ => folder,
    };
    Pulled { path, commit, files }
}
