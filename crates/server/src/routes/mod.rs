//! What each address does, one file for each group.

pub(crate) mod about;
pub(crate) mod gallery;
pub(crate) mod health;
pub(crate) mod jobs;
pub(crate) mod page;

mod events;
