//! Models fetched from a hub, that is a server which speaks as huggingface.co does, into the cache
//! that the Python tools share: what either has fetched, the other finds.
//!
//! `pull` asks what a repository holds (`listing`), decides what of it is wanted (`choose`),
//! and fetches each file (`download`): locked against other processes, resumed where it broke
//! off, its sum checked before it gets its name. [`Cache`] knows where everything lies.
//!
//! Everything that a server says is untrusted: names of files, tags, addresses and lengths.

mod cache;
mod choose;
mod client;
mod download;
mod error;
mod listing;
mod lock;
mod name;
mod pull;
mod settings;
mod sums;
mod token;
mod url;
mod watch;
mod weights;

pub use cache::{Cache, CachedModel};
pub use choose::{Choice, Pattern};
pub use error::HubError;
pub use name::{ModelName, RepoId};
pub use pull::{Pulled, Request, pull};
pub use settings::{Patience, Settings};
pub use token::Token;
pub use watch::{Event, Watch};
