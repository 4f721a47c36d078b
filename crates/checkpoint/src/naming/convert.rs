//! A file in another naming, one tensor at a time.

use std::collections::BTreeMap;

use aquatint_tensor::Tensor;

use super::Shapes;
use super::binding::{Array, Binding, store, stored_shape};
use super::layout::Layout;
use super::plan::Plan;

/// A tensor of the new file.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// The part it belongs to: in diffusers' naming, the folder.
    pub part: String,
    /// Its name in the new file.
    pub name: String,
    /// Its shape there.
    pub shape: Vec<usize>,
    /// Our tensors that it is made of: how each is made of the old file, and what it is in the new.
    from: Vec<(Binding, Binding)>,
}

/// The tensors of a file as they are in a file of layout `to`, sorted by part and name. `plan` is
/// that of the old file; what it ignores is left out.
///
/// # Errors
/// A sentence with the first tensor that has no name in the new naming, or is only a part of one.
pub fn outputs(file: &Shapes, plan: &Plan, to: &Layout) -> Result<Vec<Output>, String> {
    let mut outputs = Vec::new();
    for (part, bound) in &plan.bound {
        let mut by_name = BTreeMap::<String, Vec<(Binding, Binding)>>::new();
        for (ours, read) in bound {
            let nameless = || format!("`{}` has no name in the other naming", read.stored);
            let write = to.binding(part, ours).ok_or_else(nameless)?;
            by_name.entry(write.stored.clone()).or_default().push((read.clone(), write));
        }
        for (name, from) in by_name {
            let made = from
                .iter()
                .map(|(read, write)| Some((write, read.shape(file.get(read.stored.as_str())?)?)));
            let shape = made.collect::<Option<Vec<_>>>().and_then(|made| {
                let made: Vec<_> = made.iter().map(|(write, shape)| (*write, &shape[..])).collect();
                stored_shape(&made)
            });
            let shape = shape.ok_or_else(|| {
                let old = from.iter().map(|(read, _)| format!("`{}`", read.stored));
                let old = old.collect::<Vec<_>>().join(", ");
                format!("`{name}` cannot be made of {old}: a part is missing or of another shape")
            })?;
            outputs.push(Output { part: part.clone(), name, shape, from });
        }
    }
    Ok(outputs)
}

impl Output {
    /// The tensors of the old file that it is made of.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        self.from.iter().map(|(read, _)| read.stored.as_str())
    }

    /// The tensor `name` of the old file as it is.
    pub fn same(part: &str, name: &str, shape: &[usize]) -> Self {
        let from = vec![(Binding::same(name), Binding::same(name))];
        Self { part: part.into(), name: name.into(), shape: shape.to_vec(), from }
    }

    /// The one tensor of the old file whose bytes it has, in whatever shape; `None` if it is put
    /// together or taken apart.
    pub fn copied(&self) -> Option<&str> {
        match &self.from[..] {
            [(read, write)] if read.keeps_bytes() && write.keeps_bytes() => Some(&read.stored),
            _ => None,
        }
    }

    /// Makes it; `get` reads a tensor of the old file.
    ///
    /// # Errors
    /// Those of `get`.
    ///
    /// # Panics
    /// If `get` answers with other shapes than the file had when the output was planned.
    #[track_caller]
    pub fn make<E>(&self, mut get: impl FnMut(&str) -> Result<Tensor, E>) -> Result<Tensor, E> {
        let values = self.values(|name| {
            let tensor = get(name)?;
            Ok((tensor.to_vec(), tensor.shape().to_vec()))
        })?;
        Ok(Tensor::new(values, &self.shape))
    }

    /// Its numbers, whatever they are, in row-major order; `get` reads those of a tensor of the old
    /// file, and its shape.
    ///
    /// # Errors
    /// Those of `get`.
    ///
    /// # Panics
    /// As those of [`Output::make`].
    #[track_caller]
    pub fn values<T: Copy, E>(
        &self,
        mut get: impl FnMut(&str) -> Result<Array<T>, E>,
    ) -> Result<Vec<T>, E> {
        if let Some(name) = self.copied() {
            let (values, shape) = get(name)?;
            assert_eq!(
                values.len(),
                self.shape.iter().product::<usize>(),
                "`{name}` has become {shape:?}"
            );
            return Ok(values);
        }
        let mut ours = Vec::with_capacity(self.from.len());
        for (read, write) in &self.from {
            let (values, shape) = get(&read.stored)?;
            let made = read.load(&values, &shape);
            let fits = || panic!("`{}` has become {shape:?}", read.stored);
            ours.push((write, made.unwrap_or_else(fits)));
        }
        let made: Vec<_> = ours.iter().map(|(write, (v, s))| (*write, &v[..], &s[..])).collect();
        let (values, shape) = store(&made).expect("the shapes were compared when it was planned");
        assert_eq!(shape, self.shape, "the shape of `{}`", self.name);
        Ok(values)
    }
}
