//! The page, from the executable: it tells nothing that is not in everybody's.

use std::hash::{DefaultHasher, Hasher};

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use crate::Refusal;
use crate::http::{Answering, Asked, Gives, Route, answer, header_value};

/// Path below the page's folder, content. The build script lists them.
static FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/page.rs"));

pub(crate) fn routes() -> Vec<Route> {
    let get = |path, summary, content_type, handle| Route {
        open: true,
        ..Route::get(path, summary, Gives::Text(content_type), handle)
    };
    vec![
        get("/", "The page", "text/html; charset=utf-8", |_, asked| at("index.html".into(), asked)),
        get("/assets/{*path}", "Parts of the page", "application/octet-stream", |_, asked| {
            at(asked.param("path").to_owned(), asked)
        }),
    ]
}

fn at(path: String, asked: Asked) -> Answering {
    Box::pin(async move { file(&path, &asked) })
}

fn file(path: &str, asked: &Asked) -> Result<Response, Refusal> {
    let none = || Refusal::not_found("there is nothing at this address");
    let (_, content) = FILES.iter().find(|(own, _)| *own == path).ok_or_else(none)?;
    let etag = etag(content);
    let known = asked.headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let mut response = match known {
        Some(known) if known.split(',').any(|known| known.trim() == etag) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        }
        _ => answer(content_type(path), *content),
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, header_value(&etag)?);
    // The next version of the program has other parts under the same names.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// The same for the same content; who has the content may know it.
fn etag(content: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(content);
    format!("\"{:016x}-{}\"", hasher.finish(), content.len())
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, end)| end) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "webp" => "image/webp",
        "jpg" | "jpeg" => "image/jpeg",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_page_and_all_its_parts_have_a_type() {
        assert!(FILES.iter().any(|(path, _)| *path == "index.html"));
        for (path, content) in FILES {
            assert_ne!(content_type(path), "application/octet-stream", "{path}");
            assert_eq!(etag(content), etag(content));
        }
    }
}
