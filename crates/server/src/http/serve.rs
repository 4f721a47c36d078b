//! Sockets and tasks: as many connections as allowed, each with a time to say what it wants.

use std::future::Future;
use std::net::{SocketAddr, TcpListener as Socket};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Sleep, sleep};

use super::route::router;
use super::{Access, App};
use crate::engine::{Closer, Engine};

/// How long a client may take to read what it asked for, before the next part is sent.
const STALLED: Duration = Duration::from_secs(60);
/// How long connections have to end after the last job.
const FAREWELL: Duration = Duration::from_secs(2);
/// Threads for HTTP; the work has its own.
const THREADS: usize = 2;
/// Threads for what would hold these up.
const BLOCKING: usize = 16;

/// A server at work.
pub struct Server {
    app: Arc<App>,
    address: SocketAddr,
    runtime: Runtime,
    closing: watch::Sender<bool>,
    connections: Arc<Semaphore>,
}

/// Ends a [`Server`] from another thread.
#[derive(Clone)]
pub struct Stopper(Closer);

impl Stopper {
    /// Takes no more jobs from now on. [`Server::run`] returns when those that there are have
    /// ended.
    pub fn drain(&self) {
        self.0.close();
    }
}

impl Server {
    /// Answers requests from now on.
    ///
    /// # Errors
    /// If the address cannot be had, or everybody would be let in by mistake: one sentence.
    pub fn start(engine: Engine, access: &Access) -> Result<Self, String> {
        let app = App::new(engine, access)?;
        let listen = access.listen;
        let cannot = |error: std::io::Error| {
            let reason = error.to_string();
            let reason = reason.split(" (os error").next().unwrap_or_default().to_lowercase();
            format!("{listen} cannot be listened to: {reason}; give another with --listen")
        };
        let socket = Socket::bind(listen).map_err(cannot)?;
        socket.set_nonblocking(true).map_err(cannot)?;
        let address = socket.local_addr().map_err(cannot)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .max_blocking_threads(BLOCKING)
            .thread_name("http")
            .enable_io()
            .enable_time()
            .build()
            .map_err(cannot)?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(socket).map_err(cannot)?
        };
        let connections = Arc::new(Semaphore::new(app.engine.limits().connections));
        let closing = watch::Sender::new(false);
        let accepting = accept(listener, app.clone(), connections.clone(), closing.clone());
        runtime.spawn(accepting);
        Ok(Self { app, address, runtime, closing, connections })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What works for it.
    pub fn engine(&self) -> &Engine {
        &self.app.engine
    }

    /// What ends it.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.app.engine.closer())
    }

    /// Waits until somebody [drains](Stopper::drain) it and its jobs have ended, for which they
    /// have `most`. Answers how many are left for the next start.
    pub fn run(self, most: Duration) -> usize {
        self.app.engine.wait_until_closed();
        self.end(most)
    }

    /// Takes no more jobs, and ends with those that there are.
    pub fn end(self, most: Duration) -> usize {
        let left = self.app.engine.drain(most);
        self.closing.send_replace(true);
        let all = self.app.engine.limits().connections as u32;
        let connections = self.connections.clone();
        self.runtime.block_on(async {
            // Those that are at an answer may finish it.
            let _ = tokio::time::timeout(FAREWELL, connections.acquire_many(all)).await;
        });
        self.runtime.shutdown_timeout(Duration::from_secs(1));
        left
    }
}

async fn accept(
    listener: TcpListener,
    app: Arc<App>,
    connections: Arc<Semaphore>,
    closing: watch::Sender<bool>,
) {
    let router = router(&app);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                // Who finds no room waits, and all others in the system's queue.
                let Ok(permit) = connections.clone().acquire_owned().await else { return };
                let serving =
                    serve(stream, router.clone(), app.clone(), closing.subscribe(), permit);
                tokio::spawn(serving);
            }
            // Too many open files, say.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn serve(
    stream: TcpStream,
    router: Router,
    app: Arc<App>,
    mut closing: watch::Receiver<bool>,
    permit: OwnedSemaphorePermit,
) {
    app.connections.fetch_add(1, Ordering::Relaxed);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(app.engine.limits().head_timeout)
        .max_buf_size(64 * 1024)
        .serve_connection(
            TokioIo::new(Patient { stream, stalled: None }),
            TowerToHyperService::new(router),
        );
    let mut connection = pin!(connection);
    {
        let mut closed = pin!(closing.wait_for(|closing| *closing));
        let mut told = false;
        std::future::poll_fn(|cx| {
            if !told && closed.as_mut().poll(cx).is_ready() {
                told = true;
                connection.as_mut().graceful_shutdown();
            }
            // What went wrong went wrong for the client, who knows.
            connection.as_mut().poll(cx).map(drop)
        })
        .await;
    }
    app.connections.fetch_sub(1, Ordering::Relaxed);
    drop(permit);
}

/// A stream whose reader may not stop reading for ever.
struct Patient {
    stream: TcpStream,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    /// What a write answers, unless there was none for too long.
    fn patiently<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<std::io::Result<T>>,
    ) -> Poll<std::io::Result<T>> {
        match write(Pin::new(&mut self.stream), cx) {
            Poll::Ready(done) => {
                self.stalled = None;
                Poll::Ready(done)
            }
            Poll::Pending => {
                let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(STALLED)));
                match stalled.as_mut().poll(cx) {
                    Poll::Ready(()) => Poll::Ready(Err(std::io::ErrorKind::TimedOut.into())),
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.patiently(cx, |stream, cx| stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        self.patiently(cx, |stream, cx| stream.poll_write_vectored(cx, parts))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.patiently(cx, |stream, cx| stream.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.patiently(cx, |stream, cx| stream.poll_shutdown(cx))
    }
}
