//! Python's pickles, read as data.
//!
//! A pickle is a program for a small stack machine, and one of its instructions calls any function
//! by name. [`run`] executes such programs on a machine whose calls do not exist: a handful of names
//! that PyTorch's weights consist of have a meaning here ([`globals`]), unknown classes become values
//! that nobody can look into, and whatever else wants to be called is refused by name.
//!
//! Memory is bounded: every value is charged to a budget that follows from the size of the file.
//! Values lie in one list and refer to each other by number, so that neither a pickle which contains
//! itself nor one that nests a million times can leak memory or exhaust the stack.
//!
//! The instructions are those of CPython's `pickletools`, protocols 0 to 5.

mod calls;
mod globals;
mod heap;
mod machine;
mod operands;
mod stack;

pub(crate) use heap::{Heap, Number, Storage, Value, View};
pub(crate) use machine::run;

/// Why a pickle was not read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    /// It goes on beyond the bytes.
    End,
    /// It does not follow the rules.
    Malformed(String),
    /// It names something that weights have no need of.
    Refused(String),
}

impl Halt {
    pub fn malformed<T>(reason: impl Into<String>) -> Result<T, Self> {
        Err(Self::Malformed(reason.into()))
    }
}

/// What a pickle made.
pub(crate) struct Pickle<'a> {
    /// Its one value.
    pub root: Value,
    /// The values that it refers to.
    pub heap: Heap<'a>,
    /// Where its last byte was.
    pub end: usize,
}

/// How many bytes of values a pickle in a file of this size may make. With the pickle itself that is
/// less than four times the file, but for a constant that even small ones may have.
pub(crate) fn budget(file_size: usize) -> usize {
    (1 << 20) + (file_size.saturating_mul(3)).min(256 << 20)
}
