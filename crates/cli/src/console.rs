//! The only place that prints. Results go to stdout, everything else to stderr; whoever closed one
//! of them does not want to read, which is no error.

use std::io::{IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A line of the result.
pub fn result(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// A line for the person who waits.
pub fn note(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Characters for the terminal, as they are.
pub fn draw(text: &str) {
    let mut terminal = std::io::stderr().lock();
    let _ = terminal.write_all(text.as_bytes()).and_then(|()| terminal.flush());
}

/// A bar for bytes that are fetched, if somebody sees it.
pub fn bytes_bar() -> Option<ProgressBar> {
    let template = "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} (left: {eta}) {wide_msg}";
    let style = ProgressStyle::with_template(template).unwrap_or(ProgressStyle::default_bar());
    let bar = || ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    std::io::stderr().is_terminal().then(|| bar().with_style(style))
}

/// How far the work is: a bar in a terminal, about ten lines elsewhere.
pub enum Progress {
    Bar(ProgressBar),
    Lines { what: &'static str, total: u64, done: u64 },
}

impl Progress {
    pub fn new(what: &'static str, total: u64) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Lines { what, total, done: 0 };
        }
        let style =
            ProgressStyle::with_template("{msg} {bar:40} {pos}/{len} {elapsed} (left: {eta})");
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        Self::Bar(bar.with_message(what).with_style(style.unwrap_or(ProgressStyle::default_bar())))
    }

    /// One more is done.
    pub fn step(&mut self) {
        match self {
            Self::Bar(bar) => bar.inc(1),
            Self::Lines { what, total, done } => {
                *done += 1;
                if *done * 10 / *total > (*done - 1) * 10 / *total {
                    note(&format!("{what} {done}/{total}"));
                }
            }
        }
    }

    /// Does something to the terminal without the bar in the way.
    pub fn suspended(&self, draw: &dyn Fn()) {
        match self {
            Self::Bar(bar) => bar.suspend(draw),
            Self::Lines { .. } => draw(),
        }
    }

    /// Leaves the terminal as it was.
    pub fn finish(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
