//! `aquatint serve`.

mod models;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aquatint_server::engine::{Engine, Settings};
use aquatint_server::{Access, Server, Store};
use clap::ValueEnum;

use crate::args::{AccessArgs, ServeArgs};
use crate::console;
use crate::failure::{Failure, INTERRUPTED};
use crate::machine;

/// Answers requests until it is told to end. Everything that can be wrong is looked at before.
pub fn run(args: &ServeArgs) -> Result<(), Failure> {
    let access = access(&args.access)?;
    access.check().map_err(Failure::new)?;
    machine::start_threads(args.machine.threads)?;
    let models = models::entries(args)?;
    let folder = data_folder(args)?;
    let store = Store::open(&folder).map_err(|error| Failure::new(error.to_string()))?;
    let dtype = args.machine.dtype.to_possible_value();
    let settings = Settings {
        limits: args.limits.limits(),
        memory: memory(args)?,
        lora_folders: args.lora_folder.clone(),
        dtype: dtype.as_ref().map_or("f32", |value| value.get_name()).to_owned(),
        tiling: args.machine.vae_tiling.into(),
        log: Arc::new(|line| console::note(&format!("note: {line}"))),
    };
    let failure = |sentence: String| Failure::new(sentence);
    let engine = Engine::start(settings, models, store).map_err(|e| failure(e.to_string()))?;
    let server = Server::start(engine, &access).map_err(failure)?;
    listen_to_signals(&server);
    console::result(&format!("listening on http://{}", server.address()));
    let left = server.run(Duration::from_secs(args.drain_seconds));
    if left > 0 {
        console::note(&format!("note: jobs that are left for the next start: {left}"));
    }
    Ok(())
}

fn access(args: &AccessArgs) -> Result<Access, Failure> {
    let token = match (&args.token, &args.token_file) {
        (Some(token), _) => Some(token.clone()),
        (None, Some(file)) => {
            let text = std::fs::read_to_string(file).map_err(|error| {
                Failure::new(format!("the token cannot be read from {}: {error}", file.display()))
            })?;
            Some(text.lines().next().unwrap_or_default().trim().to_owned())
        }
        (None, None) => None,
    };
    let (listen, insecure) = (args.listen, args.insecure);
    Ok(Access { listen, token, insecure, allow_hosts: args.allow_host.clone() })
}

/// The first signal lets everything be finished, the second does not.
#[allow(
    clippy::disallowed_methods,
    reason = "a handler has no main to return to; nothing that was \
    acknowledged is lost by that"
)]
fn listen_to_signals(server: &Server) {
    let (stopper, again) = (server.stopper(), AtomicBool::new(false));
    let handler = move || {
        if again.swap(true, Ordering::SeqCst) {
            std::process::exit(INTERRUPTED.into());
        }
        console::note("ending when what waits is finished; once more ends at once");
        stopper.drain();
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        console::note(&format!("note: Ctrl-C will not be caught ({error})"));
    }
}

fn data_folder(args: &ServeArgs) -> Result<PathBuf, Failure> {
    if let Some(folder) = &args.data {
        return Ok(folder.clone());
    }
    let at = |name: &str| std::env::var_os(name).filter(|path| !path.is_empty());
    let data = at("XDG_DATA_HOME").map(PathBuf::from);
    let data = data.or_else(|| Some(PathBuf::from(at("HOME")?).join(".local/share")));
    let data = data.or_else(|| at("LOCALAPPDATA").map(PathBuf::from));
    let folder = data.map(|data| data.join("aquatint"));
    folder.ok_or_else(|| Failure::new("it is not known where your data is: give --data FOLDER"))
}

/// Bytes of weights that may be in memory.
fn memory(args: &ServeArgs) -> Result<u64, Failure> {
    /// Where the machine does not tell.
    const USUAL: u64 = 8 << 30;
    match args.memory {
        Some(gigabytes) if gigabytes > 0.0 && gigabytes < 1e6 => Ok((gigabytes * 1e9) as u64),
        Some(gigabytes) => {
            let reason = "it must be more than 0, in GB";
            Err(Failure::new(format!("a memory of {gigabytes} is not possible: {reason}")))
        }
        None => Ok(machine::memory().map_or(USUAL, |bytes| bytes / 2)),
    }
}
