//! Addresses, as far as one must know which server they lead to: the token goes to one only.

use std::fmt;

/// An address of http or https, split after the server.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Url {
    /// `https://host[:port]`, in small letters and without the port that goes without saying.
    origin: String,
    /// Path and query, from the first slash.
    rest: String,
}

impl Url {
    /// Reads a whole address. Whatever two readers might take for different servers is refused:
    /// users, passwords, backslashes, blanks.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, after) = text.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let port = match scheme.as_str() {
            "http" => ":80",
            "https" => ":443",
            _ => return None,
        };
        let (host, rest) = after.split_at(after.find(['/', '?', '#']).unwrap_or(after.len()));
        let allowed =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
        if host.is_empty()
            || !host.chars().all(allowed)
            || !rest.chars().all(|c| c.is_ascii_graphic())
        {
            return None;
        }
        let host = host.to_ascii_lowercase();
        let host = host.strip_suffix(port).unwrap_or(&host);
        let rest = rest.split('#').next().unwrap_or_default();
        let slash = if rest.starts_with('/') { "" } else { "/" };
        Some(Self { origin: format!("{scheme}://{host}"), rest: format!("{slash}{rest}") })
    }

    /// Where a `Location` that was answered here leads.
    pub fn join(&self, location: &str) -> Option<Self> {
        let scheme = self.origin.split("://").next().unwrap_or_default();
        if location.starts_with("//") {
            Self::parse(&format!("{scheme}:{location}"))
        } else if location.starts_with('/') {
            Self::parse(&format!("{}{location}", self.origin))
        } else if location.contains("://") {
            Self::parse(location)
        } else {
            let path = self.rest.split('?').next().unwrap_or_default();
            let folder = &path[..=path.rfind('/').unwrap_or(0)];
            Self::parse(&format!("{}{folder}{location}", self.origin))
        }
    }

    /// This address with more at its end.
    pub fn under(&self, more: &str) -> Self {
        let rest = format!("{}/{more}", self.rest.trim_end_matches('/'));
        Self { origin: self.origin.clone(), rest }
    }

    /// The same protocol, host and port.
    pub fn same_server(&self, other: &Self) -> bool {
        self.origin == other.origin
    }

    /// Whether the way there is encrypted.
    pub fn is_secure(&self) -> bool {
        self.origin.starts_with("https:")
    }

    /// The server, for people.
    pub fn host(&self) -> &str {
        self.origin.split("://").last().unwrap_or_default()
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.rest)
    }
}

/// Without path and query, which may open a file to whoever reads them.
impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/…", self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(base: &str, location: &str) -> Option<String> {
        Some(Url::parse(base)?.join(location)?.to_string())
    }

    #[test]
    fn what_leads_to_one_server_is_one_origin() {
        let hub = Url::parse("https://Hub.example:443").unwrap();
        let same = |text: &str| hub.same_server(&Url::parse(text).unwrap());
        assert!(same("HTTPS://hub.example/a?b#c"));
        assert!(!same("http://hub.example/a"));
        assert!(!same("https://hub.example:444/a"));
        assert!(!same("https://hub.example.org/a"));
        assert_eq!(Url::parse("https://h?x").unwrap().to_string(), "https://h/?x");
    }

    #[test]
    fn ambiguous_addresses_are_refused() {
        for bad in [
            "hub",
            "ftp://h/",
            "https://",
            "https:///a",
            "https://a@h/",
            "https://a:b@h/",
            "https://h\\@g/",
            "https://h g/",
            "https://h/a b",
            "https://h/\r\nX: y",
            "https://ü/",
        ] {
            assert!(Url::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn locations() {
        let base = "https://h/a/b?q";
        assert_eq!(joined(base, "/x?y").as_deref(), Some("https://h/x?y"));
        assert_eq!(joined(base, "x").as_deref(), Some("https://h/a/x"));
        assert_eq!(joined(base, "//g/x").as_deref(), Some("https://g/x"));
        assert_eq!(joined(base, "http://g/x").as_deref(), Some("http://g/x"));
        assert_eq!(joined(base, "//a@g/x"), None);
        assert_eq!(Url::parse("http://h/m/").unwrap().under("a").to_string(), "http://h/m/a");
    }

    #[test]
    fn a_signature_is_not_shown() {
        let url = Url::parse("https://store.example/f?X-Signature=abc").unwrap();
        assert_eq!(format!("{url:?}"), "https://store.example/…");
    }
}
