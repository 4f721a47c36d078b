//! Tests across the whole crate: one program, so that it links once.

mod convergence;
mod counterparts;
mod draws;
mod gaussian;
mod golden;
mod identities;
mod training;
mod watching;
