//! Pictures that cannot be read: how many, the first by name, and when they are too many.

use std::path::Path;

use crate::error::TrainError;

/// Pictures that are left out of a run because they cannot be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unreadable {
    /// How many.
    pub count: usize,
    /// Of how many.
    pub of: usize,
    /// The first of them, each with the reason.
    pub first: Vec<String>,
}

/// How many are named.
pub(super) const NAMED: usize = 5;

impl Unreadable {
    /// "3 of 1200 pictures cannot be read and are left out: a.png: it is empty; …".
    pub fn sentence(&self) -> String {
        let Self { count, of, .. } = self;
        format!("{count} of {of} pictures cannot be read and are left out: {}", self.names())
    }

    /// Refuses a run if none can be read, or more than the part `most` cannot.
    pub(super) fn check(&self, most: f64, folder: &Path) -> Result<(), TrainError> {
        let Self { count, of, .. } = *self;
        let (folder, names) = (folder.display(), self.names());
        if count > 0 && count == of {
            return Err(TrainError::Data(format!(
                "{folder}: none of {of} pictures can be read: {names}"
            )));
        }
        if count as f64 > most * of as f64 {
            return Err(TrainError::Data(format!(
                "{folder}: {count} of {of} pictures cannot be read, and `data.most_unreadable` is \
                 {most}: {names}"
            )));
        }
        Ok(())
    }

    fn names(&self) -> String {
        let more = self.count - self.first.len();
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        self.first.join("; ") + &more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_are_left_out_and_many_are_refused() {
        let first = vec!["a.png: it is empty".to_owned(), "b.jpg: it ends too early".to_owned()];
        let some = Unreadable { count: 4, of: 40, first };
        let sentence = "4 of 40 pictures cannot be read and are left out: a.png: it is empty; b.jpg: \
                        it ends too early; and 2 more";
        assert_eq!(some.sentence(), sentence);
        let check = |some: &Unreadable, most| {
            some.check(most, Path::new("d")).map_err(|error| error.to_string())
        };
        assert_eq!(check(&some, 0.1), Ok(()));
        let message = check(&some, 0.05).unwrap_err();
        let begin =
            "d: 4 of 40 pictures cannot be read, and `data.most_unreadable` is 0.05: a.png: it";
        assert!(message.starts_with(begin), "{message}");
        let all = Unreadable { of: 4, ..some };
        assert!(check(&all, 0.99).unwrap_err().starts_with("d: none of 4 pictures can be read: a"));
        assert_eq!(check(&Unreadable::default(), 0.0), Ok(()));
    }
}
