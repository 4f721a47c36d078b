//! Who is let in, and that every route is behind the gate and in the document.

mod common;

use aquatint_server::Limits;
use aquatint_server::http::{Takes, document, routes};
use common::{Answer, Client, start};
use serde_json::json;

/// A request to a route of the table that would be understood.
fn ask(client: &Client, method: &str, path: &str, takes: Takes) -> Answer {
    let path = path.replace("{*path}", "x").replace("{picture}", "0").replace("{step}", "1");
    let path = path.replace("{id}", "x");
    let body: Option<(&str, &[u8])> = match takes {
        Takes::Nothing => None,
        Takes::Json(_) => Some(("application/json", b"{}")),
        Takes::Picture => Some(("image/png", b"x")),
        Takes::Other(content_type) => Some((content_type, b"")),
    };
    client.ask(method, &path, body)
}

#[test]
fn nobody_without_the_token() {
    let folder = tempfile::tempdir().unwrap();
    let token = "a-token-of-the-test";
    let server = start(folder.path(), Limits::default(), Some(token));
    let client = Client::new(server.address());
    let open: Vec<&str> = routes().iter().filter(|route| route.open).map(|r| r.path).collect();
    assert_eq!(open, ["/api/v1/session", "/health", "/", "/assets/{*path}"]);
    let knows = client.with("authorization", &format!("Bearer {token}"));
    let cookie = client.with("cookie", &format!("a=b; aquatint_token={token}"));
    let wrong = [
        client.clone(),
        client.with("authorization", "Bearer a-token-of-the-tesT"),
        client.with("authorization", token),
        client.with("cookie", "aquatint_token=x"),
    ];
    for route in routes() {
        // The session looks at the token itself.
        if route.open && route.path != "/api/v1/session" {
            assert_ne!(ask(&client, route.method, route.path, route.takes).status, 401);
            continue;
        }
        for client in &wrong {
            let answer = ask(client, route.method, route.path, route.takes);
            answer.refused(401);
            assert_eq!(answer.json()["error"]["kind"], "unauthorized");
        }
        for client in [&knows, &cookie] {
            let answer = ask(client, route.method, route.path, route.takes);
            assert!(answer.status != 401 || route.open, "{} {}", route.method, route.path);
        }
    }
    client.get("/no/such/address").refused(401);
    // Who sends much hears it, too.
    let long = vec![b'x'; 5_000_000];
    client.ask("POST", "/api/v1/jobs", Some(("application/json", &long))).refused(401);
    knows.ask("POST", "/api/v1/jobs", Some(("text/plain", &long))).refused(415);
    knows.get("/no/such/address").refused(404);
    client.post("/api/v1/session", &json!({"token": "a-token-of-the-tesT"})).refused(401);
    let session = client.post("/api/v1/session", &json!({ "token": token }));
    let cookie = session.header("set-cookie").expect("a cookie");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    assert_eq!(client.with("cookie", cookie).get("/api/v1/jobs").status, 200);
}

#[test]
fn other_names_other_pages_other_types() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), Limits::default(), None);
    let client = Client::new(server.address());
    for host in ["evil.example", "127.0.0.1.evil.example", ""] {
        client.with("host", host).get("/health").refused(403);
    }
    for host in ["localhost:1", "pictures.example", "[::1]:7860"] {
        assert_eq!(client.with("host", host).get("/health").status, 200, "{host}");
    }
    let own = format!("http://{}", server.address());
    let wish = json!({"steps": 1});
    assert_eq!(client.with("origin", &own).post("/api/v1/jobs", &wish).status, 202);
    for origin in ["http://evil.example", "null", "https://localhost"] {
        client.with("origin", origin).post("/api/v1/jobs", &wish).refused(403);
        client.with("origin", origin).ask("DELETE", "/api/v1/jobs/x", None).refused(403);
    }
    client.with("sec-fetch-site", "cross-site").post("/api/v1/jobs", &wish).refused(403);
    for content_type in ["", "text/plain", "application/x-www-form-urlencoded"] {
        client.ask("POST", "/api/v1/jobs", Some((content_type, b"{}"))).refused(415);
    }
    let charset = Some(("application/json; charset=utf-8", &b"{\"steps\": 1}"[..]));
    assert_eq!(client.ask("POST", "/api/v1/jobs", charset).status, 202);
    let put = client.ask("PUT", "/api/v1/jobs", None);
    put.refused(405);
    assert_eq!(put.header("allow"), Some("POST, GET"));
    for path in
        ["/assets/../Cargo.toml", "/assets/%2e%2e/index.html", "/api/v1/pictures/..%2flock.png"]
    {
        client.get(path).refused(404);
    }
    let page = client.get("/");
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'self';"));
    let known = client.with("if-none-match", page.header("etag").unwrap()).get("/");
    assert_eq!((known.status, known.body.len()), (304, 0));
    let head = client.ask("HEAD", "/health", None);
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[test]
fn the_document_has_every_route() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), Limits::default(), None);
    let client = Client::new(server.address());
    let answer = client.get("/openapi.json").json();
    assert_eq!(answer, document());
    for (path, operations) in answer["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let is = |route: &&aquatint_server::http::Route| {
                route.path.replace("{*", "{") == *path && route.method.eq_ignore_ascii_case(method)
            };
            let route = routes().iter().find(is).expect("a route of the table");
            let answer = ask(&client, route.method, route.path, route.takes);
            // Every refusal of such a request is a sentence of a handler; none is the router's.
            assert_ne!(answer.status, 405, "{method} {path}");
            if answer.status >= 400 {
                assert_ne!(answer.status, 500, "{method} {path}");
                assert!(
                    !answer.refused(answer.status).contains("nothing at this")
                        || path.starts_with("/assets")
                );
            }
        }
    }
}
