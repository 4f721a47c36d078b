//! The trait of everything that has weights.

use aquatint_tensor::{Precision, Rng};

use crate::{Param, fnv1a};

/// Something with parameters. Derive it: the path of a field is the name of its weight.
pub trait Module {
    /// Shows every parameter and its full name to `f`, in a fixed order.
    fn visit<'a>(&'a self, path: &str, f: &mut dyn FnMut(&str, &'a Param));

    /// Shows every parameter to `f` to be changed, in the order of [`Module::visit`].
    fn visit_mut<'a>(&'a mut self, path: &str, f: &mut dyn FnMut(&str, &'a mut Param));
}

/// What can be done with any module.
pub trait ModuleExt: Module {
    /// All parameters with their names.
    fn named_parameters(&self) -> Vec<(String, &Param)> {
        let mut found = Vec::new();
        self.visit("", &mut |name, param| found.push((name.to_owned(), param)));
        found
    }

    /// All parameters with their names, to be changed.
    fn named_parameters_mut(&mut self) -> Vec<(String, &mut Param)> {
        let mut found = Vec::new();
        self.visit_mut("", &mut |name, param| found.push((name.to_owned(), param)));
        found
    }

    /// How many numbers the parameters hold together.
    fn parameter_count(&self) -> usize {
        let mut count = 0;
        self.visit("", &mut |_, param| count += param.count());
        count
    }

    /// Draws every parameter anew.
    ///
    /// Each has a random stream of its own, made of `seed` and its name, so that adding a layer
    /// changes no other layer's numbers.
    fn init(&mut self, seed: u64) {
        self.visit_mut("", &mut |name, param| {
            let mut rng = Rng::new(stream(seed, name));
            param.set(param.initial().draw(param.shape(), &mut rng));
        });
    }

    /// Asks for gradients with respect to every parameter.
    fn track(&mut self) {
        self.visit_mut("", &mut |_, param| param.set_tracked(true));
    }

    /// Asks for no gradients any more.
    fn untrack(&mut self) {
        self.visit_mut("", &mut |_, param| param.set_tracked(false));
    }

    /// Chooses the precision in which products with the weights are formed.
    fn set_precision(&mut self, precision: Precision) {
        self.visit_mut("", &mut |_, param| param.set_precision(precision));
    }
}

impl<M: Module + ?Sized> ModuleExt for M {}

/// `path` and `name` with a dot between them, if both are there.
pub fn join(path: &str, name: &str) -> String {
    match (path, name) {
        ("", _) => name.to_owned(),
        (_, "") => path.to_owned(),
        _ => format!("{path}.{name}"),
    }
}

/// The seed of the parameter `name`: a hash of the bytes of the seed, then the name.
fn stream(seed: u64, name: &str) -> u64 {
    fnv1a(seed.to_le_bytes().into_iter().chain(name.bytes()))
}

impl Module for Param {
    fn visit<'a>(&'a self, path: &str, f: &mut dyn FnMut(&str, &'a Param)) {
        f(path, self);
    }

    fn visit_mut<'a>(&'a mut self, path: &str, f: &mut dyn FnMut(&str, &'a mut Param)) {
        f(path, self);
    }
}

/// The index is the name: `blocks.0`, `blocks.1`, …
impl<M: Module> Module for Vec<M> {
    fn visit<'a>(&'a self, path: &str, f: &mut dyn FnMut(&str, &'a Param)) {
        for (i, module) in self.iter().enumerate() {
            module.visit(&join(path, &i.to_string()), f);
        }
    }

    fn visit_mut<'a>(&'a mut self, path: &str, f: &mut dyn FnMut(&str, &'a mut Param)) {
        for (i, module) in self.iter_mut().enumerate() {
            module.visit_mut(&join(path, &i.to_string()), f);
        }
    }
}

impl<M: Module> Module for Option<M> {
    fn visit<'a>(&'a self, path: &str, f: &mut dyn FnMut(&str, &'a Param)) {
        if let Some(module) = self {
            module.visit(path, f);
        }
    }

    fn visit_mut<'a>(&'a mut self, path: &str, f: &mut dyn FnMut(&str, &'a mut Param)) {
        if let Some(module) = self {
            module.visit_mut(path, f);
        }
    }
}

impl<M: Module + ?Sized> Module for Box<M> {
    fn visit<'a>(&'a self, path: &str, f: &mut dyn FnMut(&str, &'a Param)) {
        (**self).visit(path, f);
    }

    fn visit_mut<'a>(&'a mut self, path: &str, f: &mut dyn FnMut(&str, &'a mut Param)) {
        (**self).visit_mut(path, f);
    }
}
