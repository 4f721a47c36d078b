//! Pictures over HTTP: an [engine](engine::Engine) with a queue and a gallery, and routes to it.
//!
//! ```no_run
//! use aquatint_pipeline::ModelSource;
//! use aquatint_server::engine::{Engine, ModelEntry, ModelFiles, Settings};
//! use aquatint_server::{Access, Server, Store};
//!
//! let source = ModelSource::folder("models/seven-styles")?;
//! let model = ModelEntry {
//!     name: "seven-styles".into(),
//!     title: "Seven styles".into(),
//!     files: ModelFiles::Diffusion(source),
//!     options: Default::default(),
//! };
//! let store = Store::open("data".as_ref())?;
//! let engine = Engine::start(Settings::default(), vec![model], store)?;
//! let listen = "127.0.0.1:7860".parse()?;
//! let access = Access { listen, token: None, insecure: false, allow_hosts: vec![] };
//! let server = Server::start(engine, &access)?;
//! let stopper = server.stopper(); // for a handler of signals
//! server.run(std::time::Duration::from_secs(60));
//! # drop(stopper);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Another API over the same engine
//!
//! An API is a file in `routes/` with `routes() -> Vec<Route>`, which [`http::routes`] joins to the
//! table. The router, the OpenAPI document, the gate (token, `Host`, `Origin`), the counting, and
//! the reading of bodies with all their limits come from the table; a [`Route`](http::Route) says
//! only what it takes, what it gives and what it does. Its handler gets the [`App`](http::App),
//! whose [`Engine`](engine::Engine) it asks:
//!
//! ```no_run
//! # use aquatint_server::engine::{Engine, Wish};
//! # use aquatint_server::Refusal;
//! # async fn handler(engine: Engine) -> Result<(), Refusal> {
//! // Blocks while pictures are decoded and the disk writes: inside of `http::blocking`, or so.
//! let asking = engine.clone();
//! let wish = Wish { request: Default::default(), ..Default::default() };
//! let taken = tokio::task::spawn_blocking(move || asking.submit(wish)).await;
//! let handle = taken.map_err(|_| Refusal::failed("…"))??; // its id, seed, position
//!
//! // For askers who wait on their connection: gone with it, so is the job.
//! let _guard = handle.cancel_on_drop();
//! let mut events = handle.events(0); // `events.next().await`, from any number on
//! let pictures = handle.pictures().await?; // PNG files, in order, or why there are none
//! # let _ = (&mut events, pictures);
//! # Ok(())
//! # }
//! ```
//!
//! - Progress of what is worked at: [`Engine::running`](engine::Engine::running) gives the
//!   [`Job`](engine::Job), whose `progress()` has step, steps and σ, and `latest_preview()` a PNG.
//! - Cancelling: [`Handle::cancel`](engine::Handle::cancel), within a second.
//! - What may be asked for is decided in [`limits`], what is possible in
//!   [`Engine::submit`](engine::Engine::submit); a [`Refusal`] has one sentence and a status, and
//!   [`Refusal::response_with`] says it in another API's words.
//! - Pictures in base64: [`engine::from_base64`]. No address is fetched, no path opened.
//!
//! This crate knows the time and the network, and does not print: an operator's lines go to
//! [`Settings::log`](engine::Settings).

mod clock;
pub mod engine;
pub mod http;
pub mod limits;
pub mod metrics;
mod refusal;
mod routes;
pub mod store;

pub use http::{Access, Server};
pub use limits::Limits;
pub use refusal::{Kind, Refusal};
pub use store::Store;
