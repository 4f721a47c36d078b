//! Pictures of several requests in one batch.

use std::borrow::Cow;

use crate::GenerateRequest;
use crate::model::Told;
use crate::request::PictureSeed;

/// A picture that somebody wants.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    /// The number of the request that it is for.
    pub request: usize,
    /// Which of that request's.
    pub index: usize,
    /// What it is made from.
    pub seed: PictureSeed,
}

impl Wanted {
    /// All pictures of all requests.
    pub fn all(requests: &[&GenerateRequest]) -> Vec<Self> {
        let of = |(request, asked): (usize, &&GenerateRequest)| {
            let seeds = asked.picture_seeds().into_iter().enumerate();
            seeds.map(move |(index, seed)| Self { request, index, seed }).collect::<Vec<_>>()
        };
        requests.iter().enumerate().flat_map(of).collect()
    }
}

/// A batch in as few as the network can be told of, with what it is told; `told` is that of each
/// request.
pub(super) fn told_alike<'a>(
    batch: &'a [Wanted],
    told: &'a [Told],
) -> Vec<(Cow<'a, Told>, &'a [Wanted])> {
    let rows: Vec<&Told> = batch.iter().map(|wanted| &told[wanted.request]).collect();
    if batch.iter().all(|wanted| wanted.request == batch[0].request) {
        return vec![(Cow::Borrowed(rows[0]), batch)];
    }
    if let Some(joined) = Told::joined(&rows) {
        return vec![(Cow::Owned(joined), batch)];
    }
    let alone = batch.chunk_by(|a, b| a.request == b.request);
    alone.map(|of_one| (Cow::Borrowed(&told[of_one[0].request]), of_one)).collect()
}
