//! Ctrl-C. The work is asked to stop, which it does after the tasks it is at; if that takes too
//! long the program ends anyway, but never while a file is being written.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use aquatint_tensor::CancelToken;

use crate::console;
use crate::failure::INTERRUPTED;

static REQUESTED: AtomicBool = AtomicBool::new(false);
static TOKEN: LazyLock<CancelToken> = LazyLock::new(CancelToken::new);
static WRITING: Mutex<()> = Mutex::new(());

/// How long the work has to end by itself.
const GRACE: Duration = Duration::from_millis(800);

/// Listens from now on.
#[allow(clippy::disallowed_methods, reason = "a handler has no main to return to; see `whole`")]
pub fn listen() {
    let handler = || {
        let again = REQUESTED.swap(true, Ordering::SeqCst);
        TOKEN.cancel();
        if !again {
            std::thread::sleep(GRACE);
        }
        let _writing = WRITING.lock();
        console::note("error: interrupted; nothing was left half-written");
        std::process::exit(INTERRUPTED.into());
    };
    // Without a handler Ctrl-C still ends the program, and files are still written atomically.
    if let Err(error) = ctrlc::set_handler(handler) {
        console::note(&format!("note: Ctrl-C will not be caught ({error})"));
    }
}

/// Whether Ctrl-C was pressed.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}

/// What says so to the work.
pub fn token() -> CancelToken {
    TOKEN.clone()
}

/// Writes a file without being interrupted.
pub fn whole<T>(write: impl FnOnce() -> T) -> T {
    let _writing = WRITING.lock();
    write()
}
