//! Names of one part of a model in two namings, as rules over their beginnings.

use std::collections::BTreeMap;

use super::binding::{Binding, Rows, Then};

/// The names of one part: ours, which are diffusers', and those of a file.
///
/// A rule ties what names begin with, up to a dot, or whole names. The longest that fits counts. A
/// fused tensor has a rule for each of its parts.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// By our beginning; one rule each.
    ours: BTreeMap<String, Rule>,
    /// By their beginning; several for a fused tensor.
    theirs: BTreeMap<String, Vec<Rule>>,
    /// Their beginnings that nobody needs, with the reason.
    ignored: Vec<(String, &'static str)>,
}

#[derive(Clone, Debug)]
struct Rule {
    ours: String,
    theirs: String,
    rows: Option<Rows>,
    then: Then,
}

impl Table {
    /// Names beginning with `ours` begin with `theirs` in the file, and the tensors are the same.
    pub(super) fn same(&mut self, ours: impl Into<String>, theirs: impl Into<String>) {
        self.bind(ours, theirs, None, Then::Same);
    }

    /// As [`Table::same`], with an expression.
    pub(super) fn bind(
        &mut self,
        ours: impl Into<String>,
        theirs: impl Into<String>,
        rows: Option<Rows>,
        then: Then,
    ) {
        let rule = Rule { ours: ours.into(), theirs: theirs.into(), rows, then };
        self.theirs.entry(rule.theirs.clone()).or_default().push(rule.clone());
        self.ours.insert(rule.ours.clone(), rule);
    }

    /// Another beginning under which files have it, which we read and do not write.
    pub(super) fn alias(&mut self, ours: impl Into<String>, theirs: impl Into<String>) {
        self.bind_alias(ours, theirs, None, Then::Same);
    }

    /// As [`Table::alias`], with an expression.
    pub(super) fn bind_alias(
        &mut self,
        ours: impl Into<String>,
        theirs: impl Into<String>,
        rows: Option<Rows>,
        then: Then,
    ) {
        let rule = Rule { ours: ours.into(), theirs: theirs.into(), rows, then };
        self.theirs.entry(rule.theirs.clone()).or_default().push(rule);
    }

    /// Names in the file that begin so are not needed.
    pub(super) fn ignore(&mut self, theirs: impl Into<String>, reason: &'static str) {
        self.ignored.push((theirs.into(), reason));
    }

    /// What our tensor `name` is in the file.
    pub fn binding(&self, name: &str) -> Option<Binding> {
        let rule = longest(&self.ours, name)?;
        let stored = format!("{}{}", rule.theirs, &name[rule.ours.len()..]);
        Some(Binding { stored, rows: rule.rows, then: rule.then })
    }

    /// Our tensors that are made of the file's `stored`: one, or the parts of a fused one.
    pub fn made_of(&self, stored: &str) -> Vec<(String, Binding)> {
        let rules = longest(&self.theirs, stored).map_or(&[][..], Vec::as_slice);
        let made = rules.iter().map(|rule| {
            let name = format!("{}{}", rule.ours, &stored[rule.theirs.len()..]);
            let binding = Binding { stored: stored.into(), rows: rule.rows, then: rule.then };
            (name, binding)
        });
        made.collect()
    }

    /// Why the file's `stored` is not needed, if that is known.
    pub fn ignored(&self, stored: &str) -> Option<&'static str> {
        let found = self.ignored.iter().find(|(start, _)| stored.starts_with(start.as_str()));
        found.map(|&(_, reason)| reason)
    }
}

/// The value of the longest key that is `name`, or a beginning of it that ends with a dot, or
/// nothing.
fn longest<'a, T>(map: &'a BTreeMap<String, T>, name: &str) -> Option<&'a T> {
    let ends = name.rmatch_indices('.').map(|(dot, _)| dot + 1);
    std::iter::once(name.len()).chain(ends).chain([0]).find_map(|end| map.get(&name[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_beginning_counts_and_beginnings_end_at_dots() {
        let mut table = Table::default();
        table.same("a.", "x.");
        table.same("a.b.", "y.z.");
        table.same("whole", "w");
        table.alias("a.b.", "old.");
        assert_eq!(table.binding("a.c"), Some(Binding::same("x.c")));
        assert_eq!(table.binding("a.b.c"), Some(Binding::same("y.z.c")));
        assert_eq!(table.binding("whole"), Some(Binding::same("w")));
        assert_eq!(table.binding("wholesale"), None);
        assert_eq!(table.made_of("y.z.c"), [("a.b.c".to_owned(), Binding::same("y.z.c"))]);
        assert_eq!(table.made_of("old.c"), [("a.b.c".to_owned(), Binding::same("old.c"))]);
        assert_eq!(table.made_of("y.c"), []);
    }
}
