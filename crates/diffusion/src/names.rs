//! Looking names up as people write them.

/// The name without capitals and without what is neither letter nor digit; a plus is a p.
pub(crate) fn plain(name: &str) -> String {
    let letters = name.chars().map(|c| if c == '+' { 'p' } else { c });
    letters.filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// What has the name most like `wanted`, which is plain, and whether it is the very name.
pub(crate) fn nearest<'a, T>(
    named: impl Iterator<Item = (&'a str, &'a T)>,
    wanted: &str,
) -> (bool, &'a T) {
    let (distance, found) = named
        .map(|(name, item)| (strsim::levenshtein(&plain(name), wanted), item))
        .min_by_key(|(distance, _)| *distance)
        .expect("the list is not empty");
    (distance == 0, found)
}
