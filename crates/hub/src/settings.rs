//! What the environment says, with the names and the defaults of the Python tools.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ureq::tls::{Certificate, PemItem, parse_pem};

use crate::token::Token;
use crate::url::Url;
use crate::{Cache, HubError};

const ENDPOINT: &str = "https://huggingface.co";

/// Where models come from and go to.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) endpoint: Url,
    pub(crate) token: Option<Token>,
    /// Whose certificates are believed; if there are none, those that Mozilla believes.
    pub(crate) authorities: Vec<Certificate<'static>>,
    /// Where models are kept.
    pub cache: Cache,
    /// Whether to do without the network.
    pub offline: bool,
    /// Whether to go through the proxy that the environment names, as `HTTPS_PROXY`.
    pub proxy: bool,
    /// How long to wait for a server.
    pub patience: Patience,
}

/// How long to wait for a server, and how often to try again.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Failures in a row, without a byte between them, that end a transfer.
    pub attempts: u32,
    /// The pause after the first failure; it doubles with each.
    pub pause: Duration,
    /// Until a connection stands.
    pub connect: Duration,
    /// Until the next bytes come.
    pub read: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempts: 5,
            pause: Duration::from_secs(1),
            connect: Duration::from_secs(15),
            read: Duration::from_secs(30),
        }
    }
}

impl Settings {
    /// Settings for a hub at `endpoint` that keep models in `cache`, without a token.
    ///
    /// # Errors
    /// [`HubError::MalformedEndpoint`].
    pub fn new(endpoint: &str, cache: Cache) -> Result<Self, HubError> {
        Ok(Self {
            endpoint: Url::parse(endpoint).ok_or(HubError::MalformedEndpoint)?,
            token: None,
            authorities: Vec::new(),
            cache,
            offline: false,
            proxy: false,
            patience: Patience::default(),
        })
    }

    /// What the environment says; `look` reads a variable of it.
    ///
    /// # Errors
    /// For an endpoint, a token or a file of certificates that cannot be one, and if there is no
    /// home folder.
    pub fn from_environment(look: impl Fn(&str) -> Option<OsString>) -> Result<Self, HubError> {
        let text = |name| set(&look, name).map(|value| value.to_string_lossy().into_owned());
        let endpoint = text("HF_ENDPOINT");
        let token = match text("HF_TOKEN").or_else(|| text("HUGGING_FACE_HUB_TOKEN")) {
            Some(token) => Token::new(&token)?,
            None => token_file(&look)?,
        };
        let is_true = |name| {
            let value = text(name).unwrap_or_default().to_ascii_uppercase();
            matches!(value.as_str(), "1" | "ON" | "YES" | "TRUE")
        };
        let certificates = set(&look, "SSL_CERT_FILE").or_else(|| set(&look, "REQUESTS_CA_BUNDLE"));
        Ok(Self {
            token,
            authorities: certificates
                .map_or(Ok(Vec::new()), |path| authorities(Path::new(&path)))?,
            offline: is_true("HF_HUB_OFFLINE") || is_true("TRANSFORMERS_OFFLINE"),
            proxy: true,
            ..Self::new(endpoint.as_deref().unwrap_or(ENDPOINT), cache(look)?)?
        })
    }

    /// The same with this token.
    pub fn with_token(self, token: Option<Token>) -> Self {
        Self { token, ..self }
    }
}

/// Where the environment says that models are kept.
pub(crate) fn cache(look: impl Fn(&str) -> Option<OsString>) -> Result<Cache, HubError> {
    for name in ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"] {
        if let Some(folder) = set(&look, name) {
            return Ok(Cache::new(expand(&look, folder)));
        }
    }
    Ok(Cache::new(home(&look)?.join("hub")))
}

fn token_file(look: &impl Fn(&str) -> Option<OsString>) -> Result<Option<Token>, HubError> {
    let path = match set(look, "HF_TOKEN_PATH") {
        Some(path) => expand(look, path),
        None => home(look)?.join("token"),
    };
    match fs::read_to_string(&path) {
        Ok(text) => Token::new(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(HubError::file(&path, &error)),
    }
}

/// The certificates in a PEM file, for hubs within a company and proxies that read along.
fn authorities(path: &Path) -> Result<Vec<Certificate<'static>>, HubError> {
    let text = fs::read(path).map_err(|error| HubError::file(path, &error))?;
    let certificate = |item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    };
    let found: Vec<_> = parse_pem(&text).filter_map(certificate).collect();
    if found.is_empty() {
        return Err(HubError::NoCertificates(path.to_owned()));
    }
    Ok(found)
}

/// The folder of everything that the Python tools keep.
fn home(look: &impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, HubError> {
    if let Some(folder) = set(look, "HF_HOME") {
        return Ok(expand(look, folder));
    }
    let caches = match set(look, "XDG_CACHE_HOME") {
        Some(folder) => expand(look, folder),
        None => user(look).ok_or(HubError::NoHome)?.join(".cache"),
    };
    Ok(caches.join("huggingface"))
}

fn user(look: &impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    set(look, "HOME").or_else(|| set(look, "USERPROFILE")).map(PathBuf::from)
}

/// A variable that is empty is not set.
fn set(look: &impl Fn(&str) -> Option<OsString>, name: &str) -> Option<OsString> {
    look(name).filter(|value| !value.is_empty())
}

/// A leading `~` is the home folder.
fn expand(look: &impl Fn(&str) -> Option<OsString>, path: OsString) -> PathBuf {
    let path = PathBuf::from(path);
    match (path.strip_prefix(Path::new("~")), user(look)) {
        (Ok(rest), Some(user)) => user.join(rest),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<Settings, HubError> {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name);
        Settings::from_environment(|name| find(name).map(|(_, value)| value.into()))
    }

    #[test]
    fn the_cache_is_where_the_python_tools_have_it() {
        for (variables, expected) in [
            (&[("HOME", "/u")][..], "/u/.cache/huggingface/hub"),
            (&[("HOME", "/u"), ("XDG_CACHE_HOME", "/x")], "/x/huggingface/hub"),
            (&[("HOME", "/u"), ("HF_HOME", "~/h"), ("XDG_CACHE_HOME", "/x")], "/u/h/hub"),
            (&[("HOME", "/u"), ("HF_HOME", "/h"), ("HF_HUB_CACHE", "/c")], "/c"),
            (&[("HOME", "/u"), ("HF_HUB_CACHE", ""), ("HUGGINGFACE_HUB_CACHE", "/o")], "/o"),
        ] {
            let found = settings(variables).unwrap();
            assert_eq!(found.cache.folder(), Path::new(expected), "{variables:?}");
        }
        assert!(matches!(settings(&[]), Err(HubError::NoHome)));
    }

    #[test]
    fn the_token_is_found_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_str().unwrap();
        assert!(settings(&[("HF_HOME", home)]).unwrap().token.is_none());
        fs::write(folder.path().join("token"), "hf_file\n").unwrap();
        let header = |variables: &[_]| settings(variables).unwrap().token.unwrap().header();
        assert_eq!(header(&[("HF_HOME", home)]), "Bearer hf_file");
        assert_eq!(header(&[("HF_HOME", home), ("HF_TOKEN", " hf_own ")]), "Bearer hf_own");
        let shown = format!("{:?}", settings(&[("HF_HOME", home)]).unwrap());
        assert!(!shown.contains("hf_file"), "{shown}");
        let bad = settings(&[("HF_HOME", home), ("HF_TOKEN", "hf\nX-Evil: 1")]).unwrap_err();
        assert!(matches!(bad, HubError::MalformedToken));
        assert!(!bad.to_string().contains("Evil"));
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        let error = settings(&[("HOME", "/u"), ("SSL_CERT_FILE", path)]).unwrap_err();
        assert!(matches!(error, HubError::NoCertificates(_)), "{error}");
        assert!(settings(&[("HOME", "/u"), ("SSL_CERT_FILE", "/none")]).is_err());
    }

    #[test]
    fn endpoint_and_offline() {
        let with = |name, value| settings(&[("HOME", "/u"), (name, value)]);
        assert_eq!(with("X", "").unwrap().endpoint.to_string(), "https://huggingface.co/");
        let endpoint = with("HF_ENDPOINT", "http://localhost:8/m/").unwrap().endpoint;
        assert_eq!(endpoint.to_string(), "http://localhost:8/m/");
        assert!(matches!(with("HF_ENDPOINT", "hub"), Err(HubError::MalformedEndpoint)));
        assert!(with("HF_HUB_OFFLINE", "true").unwrap().offline);
        assert!(!with("HF_HUB_OFFLINE", "0").unwrap().offline);
    }
}
