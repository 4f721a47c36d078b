//! What a revision of a repository holds.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::name::{is_commit, is_path};
use crate::{HubError, RepoId, client::Client};

/// The files of one commit. A commit never changes, so neither does this.
#[derive(Debug)]
pub(crate) struct Listing {
    pub commit: String,
    /// Paths, with sizes where they are known.
    pub files: BTreeMap<String, Option<u64>>,
}

#[derive(Deserialize)]
struct Answer {
    sha: String,
    #[serde(default)]
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
}

impl Listing {
    /// Asks the hub.
    pub fn fetch(client: &Client, repo: &RepoId, revision: &str) -> Result<Self, HubError> {
        let text = client.listing(repo, revision)?;
        Self::parse(&text).map_err(|what| HubError::answer(client.host(), what))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let answer: Answer =
            serde_json::from_str(text).map_err(|_| "no list of files".to_owned())?;
        if !is_commit(&answer.sha) {
            return Err("a commit that is none".into());
        }
        if let Some(bad) = answer.siblings.iter().find(|file| !is_path(&file.rfilename)) {
            return Err(format!("a file called {:?}", bad.rfilename));
        }
        let files = answer.siblings.into_iter().map(|file| (file.rfilename, file.size));
        Ok(Self { commit: answer.sha, files: files.collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listings_are_read_and_hostile_ones_refused() {
        let sha = "0123456789abcdef0123456789abcdef01234567";
        let of =
            |name: &str| {
                Listing::parse(&serde_json::json!({"sha": sha, "siblings": [
                {"rfilename": "a.json"}, {"rfilename": name, "size": 5, "lfs": {"sha256": "x"}},
            ]}).to_string())
            };
        let listing = of("unet/b").unwrap();
        assert_eq!(listing.commit, sha);
        assert_eq!(listing.files["unet/b"], Some(5));
        assert_eq!(listing.files["a.json"], None);
        for bad in ["../b", "/etc/passwd", "a/../../b", "a\\b", ""] {
            assert!(of(bad).unwrap_err().contains("a file called"), "{bad}");
        }
        for bad in ["", "{}", r#"{"sha": "../../x"}"#, "<html>"] {
            assert!(Listing::parse(bad).is_err(), "{bad}");
        }
    }
}
