//! Reading the body of a request: as much as is allowed, as fast as is decent.

use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, StatusCode, header};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::{App, Takes};
use crate::{Kind, Refusal};

/// How long what is too large is listened to, so that the sender hears the answer.
const LINGER: Duration = Duration::from_secs(10);

/// A body, and the room that it takes.
pub(super) struct Held {
    pub bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

/// The body of a request to a route that takes one.
pub(super) async fn read(
    app: &App,
    takes: Takes,
    headers: &HeaderMap,
    body: Body,
) -> Result<Held, Refusal> {
    if takes == Takes::Nothing {
        return Ok(Held { bytes: Bytes::new(), _room: None });
    }
    if let Err(refusal) = check_type(takes, headers) {
        linger(body).await;
        return Err(refusal);
    }
    let most = app.engine.limits().body_bytes;
    let told = headers.get(header::CONTENT_LENGTH).and_then(|n| n.to_str().ok());
    let told: Option<usize> = told.and_then(|n| n.parse().ok());
    let too_large = || {
        Refusal::too_large(format!(
            "the request is too long: this server reads at most {most} bytes"
        ))
    };
    if told.is_some_and(|told| told > most) {
        linger(body).await;
        return Err(too_large());
    }
    let room = told.unwrap_or(most).div_ceil(1024).max(1) as u32;
    let Ok(room) = app.bodies.clone().try_acquire_many_owned(room) else {
        linger(body).await;
        let sentence = "too many long requests at once: try again in a moment";
        return Err(Refusal::new(Kind::Busy, sentence).retry_after(1));
    };
    let mut body = body;
    let reading = timeout(app.engine.limits().body_timeout, all(&mut body, most));
    match reading.await {
        Ok(Ok(bytes)) => Ok(Held { bytes, _room: Some(room) }),
        Ok(Err(Broken::TooLarge)) => {
            linger(body).await;
            Err(too_large())
        }
        Ok(Err(Broken::Lost)) => {
            Err(Refusal::invalid("the request ended too early")
                .with_status(StatusCode::BAD_REQUEST))
        }
        Err(_) => Err(Refusal::invalid("the request took too long to arrive: send it faster")
            .with_status(StatusCode::REQUEST_TIMEOUT)),
    }
}

/// Simple forms of other pages cannot send these types.
fn check_type(takes: Takes, headers: &HeaderMap) -> Result<(), Refusal> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let given = given.unwrap_or_default().to_ascii_lowercase();
    let essence = given.split(';').next().unwrap_or_default().trim();
    let (fits, wanted) = match takes {
        Takes::Nothing => (true, ""),
        Takes::Json(_) => (essence == "application/json", "application/json"),
        Takes::Picture => {
            let fits = essence.starts_with("image/") || essence == "application/octet-stream";
            (fits, "image/png, image/jpeg or image/webp")
        }
        Takes::Other(wanted) => (essence == wanted, wanted),
    };
    if fits {
        return Ok(());
    }
    let sentence = format!("the content type must be {wanted}");
    Err(Refusal::invalid(sentence).with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE))
}

enum Broken {
    TooLarge,
    Lost,
}

async fn all(body: &mut Body, most: usize) -> Result<Bytes, Broken> {
    let mut bytes = Vec::new();
    while let Some(part) = next(body).await {
        let part = part.ok_or(Broken::Lost)?;
        if bytes.len() + part.len() > most {
            return Err(Broken::TooLarge);
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes.into())
}

/// Listens to the rest without keeping it. Who is answered while sending may not hear it.
pub(super) async fn linger(mut body: Body) {
    let _ = timeout(LINGER, async { while let Some(Some(_)) = next(&mut body).await {} }).await;
}

/// The next part of a body; `Some(None)` if the connection is broken.
async fn next(body: &mut Body) -> Option<Option<Bytes>> {
    loop {
        let frame = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?;
        match frame.map(|frame| frame.into_data()) {
            Ok(Ok(data)) => return Some(Some(data)),
            // Trailers, which nobody asked for.
            Ok(Err(_)) => {}
            Err(_) => return Some(None),
        }
    }
}
