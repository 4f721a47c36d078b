//! How far the fetching is: a bar in a terminal, a few lines elsewhere.

use std::ops::ControlFlow;

use aquatint_hub::{Event, Watch};
use indicatif::ProgressBar;

use super::human;
use crate::{console, stop};

/// Files from this size on are worth a line for every tenth.
const LARGE: u64 = 100_000_000;

/// Tells the progress and listens to Ctrl-C.
pub struct Shown {
    bar: Option<ProgressBar>,
    /// Bytes of all files, as far as they are known.
    total: u64,
    /// Bytes of the files that are whole.
    done: u64,
    /// The file that is coming, its size and how many tenths of it were told.
    file: String,
    size: u64,
    tenths: u64,
}

impl Shown {
    pub fn new() -> Self {
        let (file, bar) = (String::new(), console::bytes_bar());
        Self { bar, total: 0, done: 0, file, size: 0, tenths: 0 }
    }

    /// Leaves the terminal as it was.
    pub fn finish(&self) {
        self.bar.iter().for_each(ProgressBar::finish_and_clear);
    }

    fn note(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| console::note(line)),
            None => console::note(line),
        }
    }

    fn have(&mut self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.set_length(self.total.max(self.done + bytes));
            bar.set_position(self.done + bytes);
        } else if self.size >= LARGE && bytes * 10 / self.size > self.tenths {
            self.tenths = bytes * 10 / self.size;
            self.note(&format!("{} {} %", self.file, self.tenths * 10));
        }
    }
}

impl Watch for Shown {
    fn event(&mut self, event: Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Plan { files, bytes } => {
                (self.total, self.done) = (bytes, 0);
                let plural = if files == 1 { "" } else { "s" };
                self.note(&format!("{files} file{plural}, {}", human(bytes)));
            }
            Event::File { name, size } => {
                (self.file, self.size, self.tenths) = (name.into(), size.unwrap_or(0), 0);
                match (&self.bar, size) {
                    (Some(bar), _) => bar.set_message(name.to_owned()),
                    (None, Some(size)) => self.note(&format!("{name}, {}", human(size))),
                    (None, None) => self.note(name),
                }
            }
            Event::Have(bytes) => self.have(bytes),
            Event::Whole { bytes, .. } => {
                self.done += bytes;
                (self.size, self.tenths) = (0, 0);
                self.have(0);
            }
            Event::Waiting { name } => {
                self.note(&format!("note: waiting for another process that fetches {name}"));
            }
            Event::Retry { name, reason } => {
                self.note(&format!("note: {name} is taken up again ({reason})"));
            }
        }
        if stop::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
