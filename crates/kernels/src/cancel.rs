//! Ending work in its middle.
//!
//! Kernels ask between their tasks whether the work that they are part of is still wanted. If it is
//! not, they leave out the tasks that are left and unwind to where the work began, as a panic does
//! but without its message; what is on the way is dropped. No layer between needs a `Result`.

use std::cell::RefCell;
use std::fmt::{self, Display};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Says from any thread that some work is no longer wanted. Clones say the same.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// One that has not said so yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says so, for good.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether it was said.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Work has ended before it was done, because it was no longer wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled;

impl Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped before it was done")
    }
}

impl std::error::Error for Cancelled {}

/// What unwinds. Nobody else can make one, so nobody's panic is taken for it.
struct Unwinding;

thread_local! {
    /// The token of the work that this thread is at.
    static TOKEN: RefCell<Option<CancelToken>> = const { RefCell::new(None) };
}

/// Gives the thread's place back to what was there before.
struct Before(Option<CancelToken>);

impl Before {
    fn replace(token: Option<CancelToken>) -> Self {
        Self(TOKEN.replace(token))
    }
}

impl Drop for Before {
    fn drop(&mut self) {
        TOKEN.replace(self.0.take());
    }
}

/// Does `work`, which ends early if `token` says so, within a task of a kernel: a few milliseconds.
/// Without a token this is `work` alone. Of nested calls the innermost one's token counts.
///
/// `work` is left as a panic leaves it: what it borrows must be in order at any time, which holds
/// for models, as they are only read.
///
/// # Errors
/// If it has ended early.
pub fn cancellable<T>(
    token: Option<&CancelToken>,
    work: impl FnOnce() -> T,
) -> Result<T, Cancelled> {
    let Some(token) = token else { return Ok(work()) };
    if token.is_cancelled() {
        return Err(Cancelled);
    }
    let before = Before::replace(Some(token.clone()));
    let outcome = catch_unwind(AssertUnwindSafe(work));
    drop(before);
    outcome.map_err(|payload| match payload.downcast::<Unwinding>() {
        Ok(_) => Cancelled,
        Err(panic) => resume_unwind(panic),
    })
}

/// The work that the calling thread is at, taken along to the threads that help with it.
pub(crate) struct Work(Option<CancelToken>);

impl Work {
    /// That of this thread. Unwinds if it is not wanted.
    pub fn here() -> Self {
        let work = Self(TOKEN.with_borrow(Clone::clone));
        work.go_on();
        work
    }

    /// A part of it, on any thread, unless it is no longer wanted. Then [`Work::go_on`] must be
    /// called before anybody looks at the results.
    pub fn part(&self, part: impl FnOnce()) {
        if self.wanted() {
            // Also if there is no token: the thread may have come here from work that has one.
            let _before = Before::replace(self.0.clone());
            part();
        }
    }

    /// Unwinds if the work is not wanted.
    pub fn go_on(&self) {
        if !self.wanted() {
            resume_unwind(Box::new(Unwinding));
        }
    }

    fn wanted(&self) -> bool {
        !self.0.as_ref().is_some_and(CancelToken::is_cancelled)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::parallel;

    #[test]
    fn the_tasks_that_are_left_are_left_out() {
        let (token, done) = (CancelToken::new(), AtomicUsize::new(0));
        let outcome = cancellable(Some(&token), || {
            parallel::tasks(10_000, |_| {
                if done.fetch_add(1, Ordering::SeqCst) == 99 {
                    token.cancel();
                }
            });
            unreachable!("the work is not wanted")
        });
        let _: Result<(), Cancelled> = outcome;
        assert_eq!(outcome, Err(Cancelled));
        let done = done.into_inner();
        assert!((100..100 + 2 * rayon::current_num_threads()).contains(&done), "{done} tasks");
        // The thread is at nobody's work any more.
        parallel::tasks(3, |_| {});
    }

    #[test]
    fn nested_tasks_hear_of_it() {
        let token = CancelToken::new();
        let outcome = cancellable(Some(&token), || {
            parallel::tasks(4, |i| {
                parallel::tasks(100, |_| ());
                if i == 0 {
                    token.cancel();
                    parallel::tasks(100, |_| unreachable!("the work is not wanted"));
                }
            });
        });
        assert_eq!(outcome, Err(Cancelled));
    }

    /// A thread that waits for its own tasks may take somebody else's in the meantime.
    #[test]
    fn works_side_by_side_do_not_hear_of_each_other() {
        let rounds = if cfg!(miri) { 2 } else { 200 };
        let (cancelled, wanted) = (CancelToken::new(), CancelToken::new());
        let work = |token: Option<&CancelToken>| {
            let sum = AtomicUsize::new(0);
            let outcome = cancellable(token, || {
                for _ in 0..rounds {
                    parallel::tasks(8, |_| {
                        parallel::tasks(8, |i| {
                            sum.fetch_add(i, Ordering::Relaxed);
                        });
                    });
                }
            });
            outcome.map(|()| sum.into_inner())
        };
        let ((first, third), second) = rayon::join(
            || rayon::join(|| work(Some(&wanted)), || work(None)),
            || {
                cancelled.cancel();
                let token = CancelToken::new();
                cancellable(Some(&token), || {
                    parallel::tasks(1000, |i| {
                        if i == 10 {
                            token.cancel();
                        }
                    });
                })
            },
        );
        assert_eq!(first, Ok(rounds * 8 * 28));
        assert_eq!(third, Ok(rounds * 8 * 28));
        assert_eq!(second, Err(Cancelled));
        assert_eq!(work(Some(&cancelled)), Err(Cancelled));
    }

    #[test]
    fn a_panic_stays_a_panic() {
        let token = CancelToken::new();
        let outcome = catch_unwind(|| cancellable(Some(&token), || resume_unwind(Box::new(7))));
        let payload: Box<dyn std::any::Any + Send> = match outcome {
            Ok(answer) => {
                let _: Result<(), Cancelled> = answer;
                unreachable!("it panics")
            }
            Err(payload) => payload,
        };
        assert_eq!(payload.downcast_ref(), Some(&7));
        assert_eq!(cancellable(Some(&token), || 5), Ok(5));
    }
}
