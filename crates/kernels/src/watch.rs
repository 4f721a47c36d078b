//! Which kernels run, told to whoever wants to know: for tables of how fast they are.
//!
//! Who listens brings the clock. Without a listener a call costs a look at a thread's own variable.

use std::cell::RefCell;
use std::rc::Rc;

/// One call of a kernel.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Call {
    /// What is computed, and by which algorithm.
    pub kernel: &'static str,
    /// On how much.
    pub sizes: String,
    /// What it takes.
    pub work: Work,
}

/// What a call takes, by which to measure it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Work {
    /// Multiplications and additions of the direct algorithm, however it is really computed.
    Operations(Products, u64),
    /// Bytes of activations read and written, where there are no sums of products.
    Bytes(u64),
}

/// What products are formed of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Products {
    /// f32.
    F32,
    /// Pairs of bf16, summed in f32.
    Bf16,
    /// Fours of bytes, summed in i32.
    Int8,
}

impl From<crate::Precision> for Products {
    fn from(precision: crate::Precision) -> Self {
        match precision {
            crate::Precision::F32 => Self::F32,
            crate::Precision::Bf16 => Self::Bf16,
        }
    }
}

/// Hears of calls. Some kernels are made of others, which are then heard of in between.
pub trait Listener {
    /// One begins.
    fn begins(&self, call: &Call);
    /// It has ended.
    fn ended(&self, call: &Call);
}

thread_local! {
    static LISTENER: RefCell<Option<Rc<dyn Listener>>> = const { RefCell::new(None) };
}

/// Tells `listener` of the calls that `work` makes from this thread.
pub fn watched<T>(listener: Rc<dyn Listener>, work: impl FnOnce() -> T) -> T {
    /// Gives the place back also if the work panics.
    struct Before(Option<Rc<dyn Listener>>);
    impl Drop for Before {
        fn drop(&mut self) {
            LISTENER.replace(self.0.take());
        }
    }
    let _before = Before(LISTENER.replace(Some(listener)));
    work()
}

/// Begins a call, which ends when what is returned is dropped. It is described only if somebody
/// listens.
pub(crate) fn call(describe: impl FnOnce() -> Call) -> Running {
    let listener = LISTENER.with_borrow(Clone::clone);
    Running(listener.map(|listener| {
        let call = describe();
        listener.begins(&call);
        (listener, call)
    }))
}

/// [`call`] of a kernel on numbers that lie as `sizes` say, `touched` of which it reads or writes.
pub(crate) fn elements<const N: usize>(
    kernel: &'static str,
    sizes: [usize; N],
    touched: usize,
) -> Running {
    call(|| Call {
        kernel,
        sizes: sizes.map(|size| size.to_string()).join("x"),
        work: Work::Bytes((touched * size_of::<f32>()) as u64),
    })
}

/// A call that has begun.
pub(crate) struct Running(Option<(Rc<dyn Listener>, Call)>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some((listener, call)) = &self.0 {
            listener.ended(call);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elementwise::{add, scale};

    #[derive(Default)]
    struct Heard(RefCell<Vec<String>>);

    impl Listener for Heard {
        fn begins(&self, call: &Call) {
            self.0.borrow_mut().push(format!("{} {}", call.kernel, call.sizes));
        }

        fn ended(&self, call: &Call) {
            self.0.borrow_mut().push(format!("{:?}", call.work));
        }
    }

    #[test]
    fn calls_are_heard_of_while_somebody_listens() {
        let heard = Rc::new(Heard::default());
        let mut out = [0.0; 3];
        scale(&[1.0; 3], 2.0, &mut out);
        watched(heard.clone(), || add(&[1.0; 3], &[2.0; 3], &mut out));
        scale(&[1.0; 3], 2.0, &mut out);
        assert_eq!(*heard.0.borrow(), ["add 3", "Bytes(36)"]);
    }
}
