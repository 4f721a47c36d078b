//! A picture on its way, as Server-Sent Events in OpenAI's words.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aquatint_pipeline::{Encoding, Picture, encode_picture, resize};
use axum::body::{Body, Bytes};
use axum::response::Response;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::super::events::Parts;
use super::super::web_ui::{encoded, run};
use super::super::words;
use super::answer::event;
use super::order::Order;
use crate::Refusal;
use crate::engine::{CancelOnDrop, Event, Handle};
use crate::http::{App, answer as answer_of};

/// Parts of an answer that wait for the listener.
const AHEAD: usize = 4;
/// How long it may take until it is seen that nobody listens any more.
const LOOK: Duration = Duration::from_millis(250);

/// The answer, and a task that goes on with it.
pub(super) fn answer(app: &App, order: Order, handle: Handle, guard: CancelOnDrop) -> Response {
    let (send, parts) = mpsc::channel(AHEAD);
    let heartbeat = app.engine.limits().heartbeat;
    tokio::spawn(async move {
        // Gone with the task, which ends when nobody listens.
        let _guard = guard;
        if let Err(refusal) = tell(Arc::new(order), &handle, heartbeat, &send).await {
            let mut said = words::openai(&refusal);
            said["type"] = "error".into();
            let _ = send.send(format!("event: error\ndata: {said}\n\n").into()).await;
        }
    });
    answer_of("text/event-stream", Body::new(Parts(parts)))
}

async fn tell(
    order: Arc<Order>,
    handle: &Handle,
    heartbeat: Duration,
    send: &mpsc::Sender<Bytes>,
) -> Result<(), Refusal> {
    let (mut events, mut sent, mut heard) = (handle.events(0), 0, Instant::now());
    loop {
        let news = match timeout(LOOK, events.next()).await {
            Err(_) if send.is_closed() => return Ok(()),
            Err(_) => {
                if heard.elapsed() >= heartbeat {
                    heard = Instant::now();
                    let _ = send.send(":\n\n".into()).await;
                }
                continue;
            }
            Ok(news) => news,
        };
        if send.is_closed() {
            return Ok(());
        }
        for event in &news {
            let Some(step) = due(event, sent, order.partial) else { continue };
            let Some(preview) = handle.job.preview(0, step) else { continue };
            let (order, number) = (order.clone(), sent);
            let part = run(move || on_the_way(&order, &preview, number)).await?;
            let _ = send.send(part.into()).await;
            (sent, heard) = (sent + 1, Instant::now());
        }
        if news.is_empty() || news.iter().any(Event::is_last) {
            break;
        }
    }
    let pictures = handle.pictures().await?;
    for (made, png) in pictures {
        let order = order.clone();
        let part = run(move || {
            let bytes = encoded(&png, order.encoding)?;
            Ok(event(&order, &bytes, (made.width, made.height), None))
        });
        let _ = send.send(part.await?.into()).await;
    }
    Ok(())
}

/// The step of an event, if the next picture on the way is to be of it: as many as are wanted, at
/// even distances.
fn due(event: &Event, sent: usize, wanted: usize) -> Option<usize> {
    let number = |name: &str| event.data[name].as_u64().map(|n| n as usize);
    if event.name != "step" || sent >= wanted || number("picture") != Some(0) {
        return None;
    }
    let (step, steps) = (number("step")?, number("steps")?);
    let due = (steps * (sent + 1)).div_ceil(wanted + 1);
    (step >= due && step < steps).then_some(step)
}

/// A preview in the size of the picture that it will be.
fn on_the_way(order: &Order, preview: &[u8], number: usize) -> Result<String, Refusal> {
    let failed = |error: String| Refusal::failed(format!("a preview cannot be sent: {error}"));
    let small = Picture::decode_opaque(preview).map_err(failed)?;
    let (width, height) = (small.width * order.factor, small.height * order.factor);
    let large = resize(&small, width, height);
    let encoding = Encoding { quality: order.encoding.quality.min(80), ..order.encoding };
    let bytes = encode_picture(&large, &Default::default(), encoding);
    let bytes = bytes.map_err(|error| failed(error.to_string()))?;
    Ok(event(order, &bytes, (width, height), Some(number)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn as_many_as_are_wanted_at_even_distances() {
        for (steps, wanted, expected) in [
            (20, 3, vec![5, 10, 15]),
            (4, 1, vec![2]),
            (2, 3, vec![1]),
            (9, 0, vec![]),
            (1, 2, vec![]),
        ] {
            let (mut sent, mut seen) = (0, Vec::new());
            for step in 1..=steps {
                let data = json!({"picture": 0, "step": step, "steps": steps});
                let event = Event { id: 1, name: "step", data };
                if let Some(step) = due(&event, sent, wanted) {
                    seen.push(step);
                    sent += 1;
                }
            }
            assert_eq!(seen, expected, "{wanted} of {steps}");
        }
        let other =
            Event { id: 1, name: "step", data: json!({"picture": 1, "step": 3, "steps": 4}) };
        assert_eq!(due(&other, 0, 1), None);
    }
}
