//! The one gate in front of all routes: who asks, from which page, and by which name.
//!
//! A browser sends requests for any page. What it says of them cannot be forged by the page: `Host`
//! is the name that the page believes we have, so that a name of somebody else's that suddenly leads
//! here (DNS rebinding) is seen, and `Origin` says which page changes something.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;

use super::route::{Answered, is_open};
use super::{App, body};
use crate::routes::words::refused;
use crate::{Kind, Refusal};

/// The cookie with the token.
pub(crate) const COOKIE: &str = "aquatint_token";

/// Who may ask.
#[derive(Clone, Debug)]
pub struct Access {
    /// Where the server listens.
    pub listen: SocketAddr,
    /// What everybody must say who asks.
    pub token: Option<String>,
    /// Whether everybody may ask who can reach the server.
    pub insecure: bool,
    /// Other names under which it is reached.
    pub allow_hosts: Vec<String>,
}

impl Access {
    /// Looks at whether it would let in everybody by mistake.
    ///
    /// # Errors
    /// One sentence.
    pub fn check(&self) -> Result<(), String> {
        let Self { listen, token, insecure, .. } = self;
        if let Some(token) = token {
            let plain = |c: char| c.is_ascii_graphic() && !"\",;\\".contains(c);
            if token.len() < 8 || !token.chars().all(plain) {
                return Err("a token has at least 8 letters, digits or signs, without spaces, \
                            quotes, commas, semicolons or backslashes: give another"
                    .into());
            }
        }
        if !listen.ip().is_loopback() && token.is_none() && !insecure {
            return Err(format!(
                "{listen} can be reached from other machines: give a token with --token-file, or \
                 --insecure if everybody there may use this server"
            ));
        }
        Ok(())
    }
}

/// [`Access`], looked at.
pub(crate) struct Gate {
    token: Option<String>,
    listen: IpAddr,
    allow_hosts: Vec<String>,
}

impl Gate {
    pub fn new(access: &Access) -> Result<Self, String> {
        access.check()?;
        let allow_hosts = access.allow_hosts.iter().map(|host| host.to_lowercase()).collect();
        Ok(Self { token: access.token.clone(), listen: access.listen.ip(), allow_hosts })
    }

    /// Whether this is the token, in a time that tells nothing about it but its length.
    pub fn is_token(&self, given: &str) -> bool {
        let ours = self.token.as_deref();
        ours.is_none_or(|token| bool::from(token.as_bytes().ct_eq(given.as_bytes())))
    }

    /// Whether there is one.
    pub fn has_token(&self) -> bool {
        self.token.is_some()
    }

    fn check(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let forbidden = |sentence: &str| {
            Err(Refusal::new(Kind::Unauthorized, sentence).with_status(StatusCode::FORBIDDEN))
        };
        let authority = uri.authority().map(|authority| authority.as_str());
        let host = text(headers, header::HOST).or(authority).unwrap_or_default();
        if headers.get_all(header::HOST).iter().count() > 1 || !self.knows(host) {
            return forbidden(
                "this server is not known under that name: use its address, or start it with \
                 --allow-host NAME",
            );
        }
        if ![Method::GET, Method::HEAD, Method::OPTIONS].contains(method) {
            let elsewhere = text(headers, header::ORIGIN).is_some_and(|origin| {
                let own = origin.split_once("://").map(|(_, authority)| authority);
                !own.is_some_and(|own| own.eq_ignore_ascii_case(host))
            });
            let site = headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
            if elsewhere || site.is_some_and(|site| site != "same-origin" && site != "none") {
                return forbidden("another page asked for this: only this server's own pages may");
            }
        }
        Ok(())
    }

    /// Whether we have this name.
    fn knows(&self, host: &str) -> bool {
        let name = name_of(host).to_lowercase();
        let literal: Option<IpAddr> = name.parse().ok();
        match literal {
            // Names can be made to lead anywhere, numbers cannot.
            Some(ip) => ip.is_loopback() || ip == self.listen || self.listen.is_unspecified(),
            None => name == "localhost" || self.allow_hosts.contains(&name),
        }
    }

    fn lets_in(&self, headers: &HeaderMap) -> bool {
        if self.token.is_none() {
            return true;
        }
        let bearer = text(headers, header::AUTHORIZATION).and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
        });
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|c| c.to_str().ok());
        let cookies = cookies.flat_map(|cookies| cookies.split(';'));
        let cookie = cookies.filter_map(|cookie| {
            let (name, value) = cookie.trim().split_once('=')?;
            (name == COOKIE).then_some(value)
        });
        let basic = text(headers, header::AUTHORIZATION).and_then(password);
        bearer.into_iter().chain(cookie).chain(basic.as_deref()).any(|token| self.is_token(token))
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The password of `Basic` authentication, which the web UI's programs know; any user has it.
fn password(header: &str) -> Option<String> {
    let (scheme, given) = header.split_once(' ')?;
    let decoded = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(given.trim()));
    let pair = String::from_utf8(decoded?.ok()?).ok()?;
    pair.split_once(':').map(|(_, password)| password.to_owned())
}

/// A host without its port and without brackets.
fn name_of(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

/// Everything passes here, and everything is counted here.
pub(super) async fn pass(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let checked = app.gate.check(&method, request.uri(), request.headers());
    let checked = checked.and_then(|()| {
        let known = is_open(&method, &path) || app.gate.lets_in(request.headers());
        let sentence = "this server wants its token: send it as `Authorization: Bearer TOKEN`";
        if known { Ok(()) } else { Err(Refusal::new(Kind::Unauthorized, sentence)) }
    });
    let mut response = match checked {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            body::linger(request.into_body()).await;
            refused(&path, &refusal)
        }
    };
    let route = response.extensions().get::<Answered>().map_or("none", |answered| answered.0);
    app.engine.metrics().answered(route, method.as_str(), response.status().as_u16());
    protect(response.headers_mut());
    response
}

/// What browsers are told of every answer.
fn protect(headers: &mut HeaderMap) {
    const ALWAYS: [(&str, &str); 5] = [
        (
            "content-security-policy",
            "default-src 'self'; img-src 'self' data: blob:; frame-ancestors 'none'; base-uri \
             'none'; form-action 'self'",
        ),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
    ];
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(listen: &str, token: Option<&str>, insecure: bool) -> Access {
        let (listen, token) = (listen.parse().unwrap(), token.map(Into::into));
        Access { listen, token, insecure, allow_hosts: vec!["Pictures.example".into()] }
    }

    #[test]
    fn beyond_this_machine_a_token_is_needed() {
        assert!(access("127.0.0.1:7860", None, false).check().is_ok());
        assert!(access("[::1]:7860", None, false).check().is_ok());
        let sentence = access("0.0.0.0:7860", None, false).check().unwrap_err();
        assert!(sentence.contains("--token-file") && sentence.contains("--insecure"));
        assert!(access("0.0.0.0:7860", None, true).check().is_ok());
        assert!(access("0.0.0.0:7860", Some("0123456789"), false).check().is_ok());
        for token in ["short", "with spaces in it", "with;signs", "ümläut-tokens"] {
            assert!(access("127.0.0.1:1", Some(token), false).check().is_err(), "{token}");
        }
    }

    #[test]
    fn names_that_lead_here() {
        let gate = Gate::new(&access("127.0.0.1:7860", None, false)).unwrap();
        for host in ["localhost:7860", "127.0.0.1:7860", "[::1]:9", "pictures.EXAMPLE", "127.0.0.2"]
        {
            assert!(gate.knows(host), "{host}");
        }
        for host in ["", "evil.example", "localhost.evil.example", "192.168.0.7", "[::2]", ":7860"]
        {
            assert!(!gate.knows(host), "{host}");
        }
        let gate = Gate::new(&access("0.0.0.0:7860", None, true)).unwrap();
        assert!(gate.knows("192.168.0.7:7860") && !gate.knows("evil.example"));
    }

    #[test]
    fn pages_of_others_change_nothing() {
        let gate = Gate::new(&access("127.0.0.1:7860", None, false)).unwrap();
        let ask = |method: Method, headers: &[(&'static str, &'static str)]| {
            let headers = headers.iter().map(|&(name, value)| {
                (header::HeaderName::from_static(name), HeaderValue::from_static(value))
            });
            let headers: HeaderMap = headers.collect();
            gate.check(&method, &Uri::from_static("/"), &headers).is_ok()
        };
        let host = ("host", "localhost:7860");
        assert!(ask(Method::POST, &[host]));
        assert!(ask(Method::POST, &[host, ("origin", "http://localhost:7860")]));
        assert!(ask(Method::GET, &[host, ("origin", "http://evil.example")]));
        for origin in ["http://evil.example", "null", "http://localhost:1", "localhost:7860"] {
            assert!(!ask(Method::POST, &[host, ("origin", origin)]), "{origin}");
            assert!(!ask(Method::DELETE, &[host, ("origin", origin)]), "{origin}");
        }
        assert!(!ask(Method::POST, &[host, ("sec-fetch-site", "cross-site")]));
        assert!(ask(Method::POST, &[host, ("sec-fetch-site", "same-origin")]));
        assert!(!ask(Method::GET, &[]));
    }
}
