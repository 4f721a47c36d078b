//! What is told to whoever waits.

use std::ops::ControlFlow;

/// Something that happened while a model was fetched.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the sentences say what the fields are")]
pub enum Event<'a> {
    /// So many files are wanted; this many bytes of them, as far as the hub says their sizes.
    Plan { files: usize, bytes: u64 },
    /// This file begins, or goes on where it broke off; its size may be unknown.
    File { name: &'a str, size: Option<u64> },
    /// So many bytes of the file are on the disk. The number falls when a file begins anew.
    Have(u64),
    /// The file is whole, of so many bytes: fetched now, or found in the cache.
    Whole { name: &'a str, bytes: u64, cached: bool },
    /// Another process is fetching the same file; we wait for it.
    Waiting { name: &'a str },
    /// The transfer broke off and is taken up again.
    Retry { name: &'a str, reason: &'a str },
}

/// Whoever waits.
pub trait Watch {
    /// Hears of an event; `Break` ends the work with [`HubError::Stopped`](crate::HubError).
    fn event(&mut self, event: Event<'_>) -> ControlFlow<()>;
}

/// Nobody waits.
impl Watch for () {
    fn event(&mut self, _: Event<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}
