//! Server-Sent Events: what happens to a job, as it happens, from where the listener left off.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::StatusCode;
use axum::response::Response;
use hyper::body::Frame;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::Refusal;
use crate::engine::{Event, Events};
use crate::http::{Answering, App, Asked, answer};

/// Parts of an answer that wait for the listener.
const AHEAD: usize = 16;

pub(super) fn listen(app: Arc<App>, asked: Asked) -> Answering {
    Box::pin(async move {
        let last = asked.headers.get("last-event-id").and_then(|id| id.to_str().ok());
        let last = last.or(asked.query("last_event_id")).and_then(|id| id.parse().ok());
        let (engine, id) = (app.engine.clone(), asked.param("id").to_owned());
        let found = tokio::task::spawn_blocking(move || engine.job(&id)).await;
        let handle = found.unwrap_or_else(|_| Err(Refusal::failed("the job was not found")))?;
        let events = handle.events(last.unwrap_or(0));
        if events.is_over() {
            // Who has heard everything would ask again for ever.
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            return Ok(response);
        }
        let (send, parts) = mpsc::channel(AHEAD);
        tokio::spawn(tell(events, app, send));
        Ok(answer("text/event-stream", Body::new(Parts(parts))))
    })
}

async fn tell(mut events: Events, app: Arc<App>, send: mpsc::Sender<Bytes>) {
    let heartbeat = app.engine.limits().heartbeat;
    drop(app);
    loop {
        let part = match timeout(heartbeat, events.next()).await {
            Err(_) => ":\n\n".to_owned(),
            Ok(events) if events.is_empty() => return,
            Ok(events) => events.iter().map(written).collect(),
        };
        // A listener who is gone has nothing to do with the job.
        if send.send(part.into()).await.is_err() {
            return;
        }
    }
}

fn written(event: &Event) -> String {
    format!("id: {}\nevent: {}\ndata: {}\n\n", event.id, event.name, event.data)
}

/// A body whose parts come over a channel.
pub(crate) struct Parts(pub mpsc::Receiver<Bytes>);

impl HttpBody for Parts {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(cx).map(|part| part.map(|part| Ok(Frame::data(part))))
    }
}
