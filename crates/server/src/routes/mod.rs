//! What each address does, one file for each group.

pub(crate) mod about;
pub(crate) mod gallery;
pub(crate) mod health;
pub(crate) mod jobs;
pub(crate) mod openai;
pub(crate) mod page;
pub(crate) mod web_ui;
pub(crate) mod words;

mod events;
mod fields;
