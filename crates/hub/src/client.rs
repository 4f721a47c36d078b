//! Requests. The HTTP is `ureq`'s; which server a redirect may lead to, and which of them sees the
//! token, is decided here.

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ureq::http::{HeaderMap, Response};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body};

use crate::error::reason;
use crate::name::{is_commit, is_tag};
use crate::url::Url;
use crate::{HubError, RepoId, Settings, Token};

/// What stays as it is in a part of an address.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// The same for a whole path.
const PATH: &AsciiSet = &PART.remove(b'/');
/// Redirects in a row.
const HOPS: usize = 8;
/// The longest listing that is read: some 100,000 files.
const LISTING: u64 = 64 << 20;

pub(crate) struct Client {
    agent: Agent,
    endpoint: Url,
    token: Option<Token>,
    attempts: u32,
    pause: Duration,
}

/// What the hub says of a file before it is fetched.
#[derive(Debug)]
pub(crate) struct FileFacts {
    /// The name of its blob.
    pub tag: String,
    pub size: Option<u64>,
}

enum Kind {
    Head,
    /// From this byte on.
    Get(u64),
}

impl Client {
    pub fn new(settings: &Settings) -> Self {
        let mut config = Agent::config_builder()
            .max_redirects(0)
            .http_status_as_error(false)
            .accept_encoding("identity")
            .user_agent(concat!("aquatint/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(settings.patience.connect))
            .timeout_per_read(Some(settings.patience.read));
        if !settings.authorities.is_empty() {
            let roots = RootCerts::new_with_certs(&settings.authorities);
            config = config.tls_config(TlsConfig::builder().root_certs(roots).build());
        }
        if !settings.proxy {
            config = config.proxy(None);
        }
        Self {
            agent: config.build().new_agent(),
            endpoint: settings.endpoint.clone(),
            token: settings.token.clone(),
            attempts: settings.patience.attempts.max(1),
            pause: settings.patience.pause,
        }
    }

    /// The pause after `failures` failures in a row, or `None` if it is time to give up.
    pub fn pause(&self, failures: u32) -> Option<Duration> {
        (failures < self.attempts).then(|| self.pause * 2u32.pow(failures.min(8) - 1))
    }

    /// The hub, for people.
    pub fn host(&self) -> &str {
        self.endpoint.host()
    }

    /// What the hub answers when asked for the files of a revision: JSON.
    pub fn listing(&self, repo: &RepoId, revision: &str) -> Result<String, HubError> {
        let part = utf8_percent_encode(revision, PART);
        let url = self.endpoint.under(&format!("api/models/{repo}/revision/{part}?blobs=true"));
        let (_, answer) = self.patiently(|| self.send(&Kind::Get(0), url.clone(), true))?;
        self.check(&answer, repo, revision, "")?;
        let body = answer.into_body().into_with_config().limit(LISTING);
        body.read_to_string().map_err(|error| unreachable(self.host(), &error))
    }

    /// Asks for a file's sum and size. A redirect to another server ends the question: the hub has
    /// answered it by then.
    pub fn facts(&self, repo: &RepoId, commit: &str, file: &str) -> Result<FileFacts, HubError> {
        let url = self.file(repo, commit, file);
        let (_, answer) = self.patiently(|| self.send(&Kind::Head, url.clone(), false))?;
        self.check(&answer, repo, commit, file)?;
        let headers = answer.headers();
        let text = |name| header(headers, name);
        let tag = text("x-linked-etag").or_else(|| text("etag")).unwrap_or_default();
        let tag = tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"');
        if !is_tag(tag) {
            return Err(HubError::answer(self.host(), format!("no ETag for {file}")));
        }
        if text("x-repo-commit").is_some_and(|other| is_commit(other) && other != commit) {
            let what = format!("another commit of {file} than was asked for");
            return Err(HubError::answer(self.host(), what));
        }
        let length = text("content-length").filter(|_| !answer.status().is_redirection());
        let size = text("x-linked-size").or(length).and_then(|size| size.parse().ok());
        Ok(FileFacts { tag: tag.into(), size })
    }

    /// Fetches a file from byte `start` on: the host that sends it and its answer, which may begin
    /// at byte 0 nevertheless.
    pub fn content(
        &self,
        repo: &RepoId,
        commit: &str,
        file: &str,
        start: u64,
    ) -> Result<(String, Response<Body>), HubError> {
        let (host, answer) = self.send(&Kind::Get(start), self.file(repo, commit, file), true)?;
        if host == self.host() {
            self.check(&answer, repo, commit, file)?;
        } else if !answer.status().is_success() && answer.status() != 416 {
            return Err(HubError::Status { host, status: answer.status().as_u16() });
        }
        Ok((host, answer))
    }

    fn file(&self, repo: &RepoId, commit: &str, file: &str) -> Url {
        self.endpoint.under(&format!("{repo}/resolve/{commit}/{}", utf8_percent_encode(file, PATH)))
    }

    /// Sends a request and follows redirects: within the hub always, to another server if `away`.
    fn send(
        &self,
        kind: &Kind,
        mut url: Url,
        away: bool,
    ) -> Result<(String, Response<Body>), HubError> {
        for _ in 0..HOPS {
            let mut request = match kind {
                Kind::Head => self.agent.head(url.to_string()),
                Kind::Get(_) => self.agent.get(url.to_string()),
            };
            if let Kind::Get(start @ 1..) = kind {
                request = request.header("range", format!("bytes={start}-"));
            }
            if let Some(token) = self.token.as_ref().filter(|_| url.same_server(&self.endpoint)) {
                request = request.header("authorization", token.header());
            }
            let answer = request.call().map_err(|error| unreachable(url.host(), &error))?;
            if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok((url.host().into(), answer));
            }
            let location = header(answer.headers(), "location").unwrap_or_default();
            let next = url.join(location).filter(|next| next.is_secure() || !url.is_secure());
            let next = next.ok_or_else(|| HubError::answer(url.host(), "a redirect to nowhere"))?;
            if !away && !next.same_server(&self.endpoint) {
                return Ok((url.host().into(), answer));
            }
            url = next;
        }
        Err(HubError::answer(url.host(), "redirects without end"))
    }

    /// Asks again where the hub only had no time. A host that cannot be reached is told at once.
    fn patiently<T>(
        &self,
        ask: impl Fn() -> Result<(T, Response<Body>), HubError>,
    ) -> Result<(T, Response<Body>), HubError> {
        let mut failures = 0;
        loop {
            let (from, answer) = ask()?;
            let status = answer.status().as_u16();
            failures += 1;
            let busy = HubError::Status { host: String::new(), status }.is_transient();
            match self.pause(failures).filter(|_| busy) {
                Some(pause) => std::thread::sleep(pause),
                None => return Ok((from, answer)),
            }
        }
    }

    /// Turns the hub's refusals into sentences.
    fn check(
        &self,
        answer: &Response<Body>,
        repo: &RepoId,
        revision: &str,
        file: &str,
    ) -> Result<(), HubError> {
        let status = answer.status();
        if status.is_success() || status.is_redirection() || status == 416 {
            return Ok(());
        }
        let code = header(answer.headers(), "x-error-code").unwrap_or_default();
        let (repo, host) = (repo.to_string(), self.host().to_owned());
        Err(match (status.as_u16(), code) {
            (401 | 403, _) => {
                let page = self.endpoint.under(&repo).to_string();
                match self.token {
                    None => HubError::Locked { repo, page },
                    Some(_) => HubError::Refused { repo, page },
                }
            }
            (404, "RevisionNotFound") => HubError::NoRevision { repo, revision: revision.into() },
            (404, _) if !file.is_empty() => {
                HubError::NoFile { repo, file: file.into(), has: "other files".into() }
            }
            (404, _) => HubError::NoModel { repo, host },
            (status, _) => HubError::Status { host, status },
        })
    }
}

/// A header, if it is text.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The sentence for a server that does not answer. The errors of `ureq` that repeat the address
/// are not shown.
pub(crate) fn unreachable(host: &str, error: &ureq::Error) -> HubError {
    let reason = match error {
        ureq::Error::HostNotFound => "no such host".into(),
        ureq::Error::Timeout(_) => "no answer in time".into(),
        ureq::Error::ConnectionFailed => "no connection".into(),
        ureq::Error::Io(error) => reason(error),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => "not a proper address".into(),
        ureq::Error::BodyExceedsLimit(_) => "an endless answer".into(),
        other => other.to_string(),
    };
    match reason.contains("certificate") {
        true => HubError::Unproven { host: host.into(), reason },
        false => HubError::Unreachable { host: host.into(), reason },
    }
}
