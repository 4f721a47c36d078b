//! What a hub may refuse or lie about, and where the token goes.

mod server;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aquatint_hub::{
    Cache, Choice, HubError, ModelName, Patience, Pulled, Request, Settings, Token, pull,
};
use server::{COMMIT, Reply, Repo, Seen, Server, Whim, well};

const TOKEN: &str = "hf_VerySecret";

fn fetch(hub: &str, cache: &Path, token: &str) -> Result<Pulled, HubError> {
    let settings = Settings::new(hub, Cache::new(cache)).unwrap();
    let mut settings = settings.with_token(Token::new(token).unwrap());
    settings.patience = Patience {
        attempts: 3,
        pause: Duration::from_millis(1),
        connect: Duration::from_secs(5),
        read: Duration::from_secs(5),
    };
    let model = ModelName::parse("owner/name").unwrap();
    pull(&settings, &Request { model, files: Vec::new(), choice: Choice::default() }, &mut ())
}

fn refused(hub_whim: Whim, token: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let (hub, _store) = Repo::model().serve(hub_whim, well());
    let error = fetch(&hub.address, folder.path(), token).unwrap_err().to_string();
    assert!(
        !error.contains(TOKEN) && !error.contains("secret") && !error.contains('\n'),
        "{error}"
    );
    error
}

fn always(path: &'static str, status: u16, code: &'static str) -> Whim {
    let reply = move || Reply::new(status, "no").with("X-Error-Code", code);
    Box::new(move |seen: &Seen| seen.path.contains(path).then(reply))
}

#[test]
fn the_token_goes_to_the_hub_and_nowhere_else() {
    let (repo, folder) = (Repo::model(), tempfile::tempdir().unwrap());
    let (hub, store) = repo.serve(well(), well());
    fetch(&hub.address, folder.path(), TOKEN).unwrap();
    let has_token = |seen: &Seen| seen.headers.get("authorization").cloned();
    assert!(hub.seen("").iter().all(|s| has_token(s) == Some(format!("Bearer {TOKEN}"))));
    assert!(!store.seen("").is_empty() && store.seen("").iter().all(|s| has_token(s).is_none()));

    // A hub that sends the question itself elsewhere gets it answered without the token.
    let list = format!(r#"{{"sha": "{COMMIT}", "siblings": []}}"#);
    let other = Server::start(move |_| Reply::new(200, list.clone()));
    let address = other.address.clone();
    let away = move |_: &Seen| Some(Reply::new(307, "").with("Location", address.clone()));
    let (hub, _store) = Repo::model().serve(Box::new(away), well());
    fetch(&hub.address, folder.path(), TOKEN).unwrap_err();
    assert_eq!(other.seen("").len(), 1);
    assert!(has_token(&other.seen("")[0]).is_none());
}

#[test]
fn a_renamed_repository_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let renamed = |seen: &Seen| {
        let first = seen.path.contains("/resolve/") && !seen.path.contains('?');
        first.then(|| Reply::new(307, "").with("Location", format!("{}?new", seen.path)))
    };
    let (hub, _store) = Repo::model().serve(Box::new(renamed), well());
    fetch(&hub.address, folder.path(), TOKEN).unwrap();
    let moved = hub.seen("?new");
    assert!(!moved.is_empty() && moved.iter().all(|s| s.headers.contains_key("authorization")));
}

#[test]
fn refusals_say_what_to_do() {
    for (status, path) in [(401, "api"), (403, "resolve"), (401, "resolve")] {
        let locked = refused(always(path, status, "GatedRepo"), "");
        assert!(
            locked.starts_with("owner/name is not open to everyone: accept its licence at http")
        );
        assert!(locked.contains("/owner/name and set HF_TOKEN"), "{locked}");
        let refused = refused(always(path, status, "GatedRepo"), TOKEN);
        assert!(refused.starts_with("owner/name is not open to the owner of this HF_TOKEN"));
    }
    let none = refused(always("api", 404, "RepoNotFound"), "");
    assert!(none.contains("has no model owner/name"), "{none}");
    let revision = refused(always("api", 404, "RevisionNotFound"), "");
    assert!(revision.starts_with("owner/name has no revision main"), "{revision}");
    let broken = refused(always("api", 500, ""), "");
    assert!(broken.contains("answers with status 500: try again later"), "{broken}");
}

#[test]
fn a_busy_hub_is_asked_again() {
    let (folder, count) = (tempfile::tempdir().unwrap(), AtomicUsize::new(0));
    let busy = move |_: &Seen| {
        (count.fetch_add(1, Ordering::SeqCst) % 3 < 2).then(|| Reply::new(429, "slowly"))
    };
    let (hub, _store) = Repo::model().serve(Box::new(busy), well());
    fetch(&hub.address, folder.path(), "").unwrap();
}

#[test]
fn lies_of_a_hub_are_refused() {
    let list = |name: &str, sha: &str| -> Whim {
        let list = serde_json::json!({"sha": sha, "siblings": [{"rfilename": name}]}).to_string();
        Box::new(move |seen: &Seen| {
            seen.path.contains("api").then(|| Reply::new(200, list.clone()))
        })
    };
    for name in ["../../../evil", "/evil", "a/../../evil", "..\\evil"] {
        let error = refused(list(name, COMMIT), "");
        assert!(error.contains("answers as no hub does: a file called"), "{error}");
    }
    assert!(refused(list("a.json", "../../../evil"), "").contains("a commit that is none"));
    let tag = |tag: &'static str| -> Whim {
        Box::new(move |seen: &Seen| {
            (seen.method == "HEAD").then(|| Reply::new(200, "").with("ETag", tag))
        })
    };
    for bad in ["\"../../../evil\"", "", "\"a/b\"", "\"..\""] {
        assert!(refused(tag(bad), "").contains("no ETag for"), "{bad}");
    }
    let html = |_: &Seen| Some(Reply::new(200, "<html>Sign in to this network</html>"));
    assert!(refused(Box::new(html), "").contains("no list of files"));
    for to in ["ftp://x/", "https://a:b@c/", ""] {
        let away = move |_: &Seen| Some(Reply::new(302, "").with("Location", to));
        assert!(refused(Box::new(away), "").contains("redirect"), "{to}");
    }
    let around = |seen: &Seen| Some(Reply::new(302, "").with("Location", seen.path.clone()));
    assert!(refused(Box::new(around), "").contains("redirects without end"));
}

#[test]
fn a_file_longer_than_it_said_is_cut_short() {
    let folder = tempfile::tempdir().unwrap();
    let endless = |_: &Seen| Some(Reply::new(200, vec![0; 1 << 20]));
    let (hub, _store) = Repo::model().serve(well(), Box::new(endless));
    let error = fetch(&hub.address, folder.path(), "").unwrap_err().to_string();
    assert!(error.contains("is longer than it said"), "{error}");
    for entry in fs::read_dir(folder.path().join("models--owner--name/blobs")).unwrap() {
        assert!(entry.unwrap().metadata().unwrap().len() < 1000, "some of it was kept");
    }
}

#[test]
fn nobody_there() {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let start = Instant::now();
    let error = fetch(&format!("http://127.0.0.1:{port}"), folder.path(), TOKEN).unwrap_err();
    let sentence = error.to_string();
    assert!(sentence.starts_with(&format!("127.0.0.1:{port} cannot be reached (")), "{sentence}");
    assert!(sentence.contains("--offline") && !sentence.contains(TOKEN), "{sentence}");
    assert!(start.elapsed() < Duration::from_secs(5));
}
