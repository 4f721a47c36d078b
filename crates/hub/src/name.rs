//! Names that come from people and servers and end up in addresses and paths. What passes here
//! cannot leave the folder it is joined to.

use std::fmt;

use crate::HubError;

/// `OWNER/NAME`, as hubs allow it: letters, digits, `-`, `_` and `.`, neither `--` nor `..`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RepoId {
    owner: String,
    name: String,
}

/// `OWNER/NAME[@REVISION]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelName {
    /// The repository.
    pub repo: RepoId,
    /// A branch, a tag or a commit.
    pub revision: String,
}

/// What is fetched where no revision is given.
const MAIN: &str = "main";
/// Characters of a name at most, as hubs have it.
const LONGEST: usize = 96;

impl RepoId {
    /// Reads `OWNER/NAME`.
    pub fn parse(text: &str) -> Option<Self> {
        let (owner, name) = text.split_once('/')?;
        let is_part = |part: &str| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            let edge = |c: char| matches!(c, '-' | '.');
            !part.is_empty()
                && part.len() <= LONGEST
                && part.chars().all(allowed)
                && !part.starts_with(edge)
                && !part.ends_with(edge)
                && !part.contains("--")
                && !part.contains("..")
        };
        (is_part(owner) && is_part(name)).then(|| Self { owner: owner.into(), name: name.into() })
    }

    /// The name of its folder in the cache, `models--OWNER--NAME`.
    pub fn folder(&self) -> String {
        format!("models--{}--{}", self.owner, self.name)
    }

    /// The repository that a folder of the cache holds.
    pub fn of_folder(folder: &str) -> Option<Self> {
        let (owner, name) = folder.strip_prefix("models--")?.split_once("--")?;
        Self::parse(&format!("{owner}/{name}"))
    }
}

impl fmt::Display for RepoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

impl ModelName {
    /// Reads `OWNER/NAME`, with `@REVISION` or without.
    ///
    /// # Errors
    /// [`HubError::MalformedName`].
    pub fn parse(text: &str) -> Result<Self, HubError> {
        let (repo, revision) = text.split_once('@').unwrap_or((text, MAIN));
        match RepoId::parse(repo) {
            Some(repo) if is_revision(revision) => Ok(Self { repo, revision: revision.into() }),
            _ => Err(HubError::MalformedName(text.into())),
        }
    }
}

/// Git's rules for names of branches and tags, and those of paths.
pub(crate) fn is_revision(text: &str) -> bool {
    is_path(text)
        && text.chars().all(|c| c.is_ascii_graphic() && !"~^:?*[@".contains(c))
        && text.split('/').all(|part| !part.starts_with(['.', '-']) && !part.ends_with(".lock"))
}

/// 40 hexadecimal digits.
pub(crate) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
}

/// Whether `text` is a path downwards, on any system: `a/b`, with nothing that means another place.
pub(crate) fn is_path(text: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && part != "." && part != ".." && part.len() < 256;
    let is_plain = |c: char| !c.is_control() && c != '\\' && c != ':';
    text.len() < 1024 && text.chars().all(is_plain) && text.split('/').all(is_part)
}

/// Whether an entity tag can name a blob.
pub(crate) fn is_tag(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    !text.is_empty() && text.len() <= 128 && text.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_models() {
        let parse = |text| ModelName::parse(text).ok().map(|n| (n.repo.to_string(), n.revision));
        let found = |repo: &str, revision: &str| Some((repo.to_owned(), revision.to_owned()));
        assert_eq!(parse("a-b/c_d.e-1"), found("a-b/c_d.e-1", "main"));
        assert_eq!(parse("a/b@refs/pr/1"), found("a/b", "refs/pr/1"));
        for bad in [
            "",
            "a",
            "a/",
            "/b",
            "a/b/c",
            "../b",
            "a/..",
            "a/b..c",
            "a--b/c",
            "/etc/passwd",
            "a/b@",
            "a/b@../x",
            "a/b@/x",
            "a/b@x y",
            "a/b@-x",
            "a/b@x/../y",
            "a/b?x",
            "a/b\n",
            "a\\b",
            "https://hub/a/b",
            "a/-b",
            "a/b.",
            "é/b",
            "a/b@x.lock",
            "a/b@.hidden",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn folders_and_names_are_one_to_one() {
        let id = RepoId::parse("o-w/n-a.me").unwrap();
        assert_eq!(id.folder(), "models--o-w--n-a.me");
        assert_eq!(RepoId::of_folder("models--o-w--n-a.me"), Some(id));
        for other in ["datasets--a--b", "models--a", "models--a--..", ".locks", "models--a--b--c"] {
            assert_eq!(RepoId::of_folder(other), None, "{other}");
        }
    }

    #[test]
    fn paths_lead_downwards() {
        for good in ["a", "unet/config.json", "a b/ü.txt", ".gitattributes", "a..b"] {
            assert!(is_path(good), "{good}");
        }
        for bad in ["", "/a", "a/", "a//b", "../a", "a/../b", "./a", "a\\b", "c:/a", "a\0", "a\nb"]
        {
            assert!(!is_path(bad), "{bad}");
        }
    }
}
