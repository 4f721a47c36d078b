//! How a wanted tensor is made of a stored one: an expression that can be run backwards.

/// A wanted tensor as an expression of a stored one: `then(rows(stored))`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The name in the file.
    pub stored: String,
    /// Which rows of it; all of them if `None`.
    pub rows: Option<Rows>,
    /// What is done with them.
    pub then: Then,
}

/// A part of a fused tensor. Its first axis, read as `[groups, parts, n]`, holds `parts` tensors of
/// `groups · n` rows each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    /// Which of the parts.
    pub part: usize,
    /// How many were fused: 3 for query, key and value.
    pub parts: usize,
    /// 1 if the parts follow each other whole, the number of heads if they take turns head by head.
    pub groups: usize,
}

/// What is done with the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Nothing.
    Same,
    /// A 1×1 convolution becomes a linear layer: `[O, I, 1, …]` → `[O, I]`. Backwards, this many
    /// ones are appended to a matrix. A vector, which is a bias, stays as it is.
    Squeeze(usize),
    /// `[A, B]` → `[B, A]`.
    Transpose,
}

/// Numbers, row-major, and their shape.
pub type Array<T> = (Vec<T>, Vec<usize>);

impl Binding {
    /// The stored tensor of this name as it is.
    pub fn same(stored: impl Into<String>) -> Self {
        Self { stored: stored.into(), rows: None, then: Then::Same }
    }

    /// Whether the stored bytes are the wanted ones, whatever the shape is written as.
    pub fn keeps_bytes(&self) -> bool {
        self.rows.is_none() && self.then != Then::Transpose
    }

    /// The shape of what is made of a tensor of the shape `stored`; `None` if it cannot be made.
    pub fn shape(&self, stored: &[usize]) -> Option<Vec<usize>> {
        let mut shape = stored.to_vec();
        if let Some(rows) = self.rows {
            let first = shape.first_mut()?;
            let groups_of_parts = rows.parts * rows.groups;
            if groups_of_parts == 0 || rows.part >= rows.parts || *first % groups_of_parts != 0 {
                return None;
            }
            *first /= rows.parts;
        }
        match self.then {
            Then::Same => {}
            Then::Squeeze(_) => {
                while shape.len() > 2 && shape.last() == Some(&1) {
                    shape.pop();
                }
            }
            Then::Transpose if shape.len() == 2 => shape.reverse(),
            Then::Transpose => return None,
        }
        Some(shape)
    }

    /// Makes the wanted tensor of the stored one. `None` if the shape does not allow it.
    ///
    /// # Panics
    /// If `values` are not as many as the shape says.
    #[track_caller]
    pub fn load<T: Copy>(&self, values: &[T], shape: &[usize]) -> Option<Array<T>> {
        assert_eq!(
            values.len(),
            shape.iter().product::<usize>(),
            "{} values of shape {shape:?}",
            values.len()
        );
        let wanted = self.shape(shape)?;
        let mut values = match self.rows {
            None => values.to_vec(),
            Some(rows) => {
                let block = values.len() / (rows.parts * rows.groups);
                let starts = (0..rows.groups).map(|group| (group * rows.parts + rows.part) * block);
                starts.flat_map(|start| &values[start..start + block]).copied().collect()
            }
        };
        if self.then == Then::Transpose {
            values = transposed(&values, wanted[1], wanted[0]);
        }
        Some((values, wanted))
    }
}

/// The shape of the stored tensor to which the wanted ones, each with its binding and shape, are
/// bound: the inverse of [`Binding::shape`]. `None` if a part of a fused tensor is missing, there
/// twice, or of another shape.
pub fn stored_shape(made: &[(&Binding, &[usize])]) -> Option<Vec<usize>> {
    let (first, shape) = made.first()?;
    let mut shape = undo_shape(first.then, shape)?;
    let Some(Rows { parts, groups, .. }) = first.rows else {
        return (made.len() == 1).then_some(shape);
    };
    let is = |part| made.iter().any(|(b, _)| b.rows == Some(Rows { part, parts, groups }));
    let alike = |(b, s): &(&Binding, &[usize])| undo_shape(b.then, s).as_ref() == Some(&shape);
    let whole = made.len() == parts && (0..parts).all(is) && made.iter().all(alike);
    let rows = shape.first_mut().filter(|rows| whole && groups > 0 && **rows % groups == 0)?;
    *rows *= parts;
    Some(shape)
}

/// Makes the stored tensor of the wanted ones that are bound to it: the inverse of
/// [`Binding::load`]. `None` where [`stored_shape`] is.
pub fn store<T: Copy>(made: &[(&Binding, &[T], &[usize])]) -> Option<Array<T>> {
    let shapes: Vec<_> = made.iter().map(|&(binding, _, shape)| (binding, shape)).collect();
    let shape = stored_shape(&shapes)?;
    let undo = |&(binding, values, shape): &(&Binding, &[T], &[usize])| match (binding.then, shape)
    {
        (Then::Transpose, &[rows, columns]) => transposed(values, rows, columns),
        _ => values.to_vec(),
    };
    let mut parts: Vec<(Option<Rows>, Vec<T>)> =
        made.iter().map(|one| (one.0.rows, undo(one))).collect();
    parts.sort_by_key(|(rows, _)| rows.map(|rows| rows.part));
    let groups = made[0].0.rows.map_or(1, |rows| rows.groups);
    let mut values = Vec::with_capacity(shape.iter().product());
    for group in 0..groups {
        for (_, part) in &parts {
            let block = part.len() / groups;
            values.extend_from_slice(&part[group * block..(group + 1) * block]);
        }
    }
    Some((values, shape))
}

/// The inverse of a [`Then`], for the shape.
fn undo_shape(then: Then, shape: &[usize]) -> Option<Vec<usize>> {
    match (then, shape) {
        (Then::Squeeze(ones), [_, _]) => {
            Some(shape.iter().copied().chain(std::iter::repeat_n(1, ones)).collect())
        }
        (Then::Transpose, &[rows, columns]) => Some(vec![columns, rows]),
        (Then::Transpose, _) => None,
        (Then::Same | Then::Squeeze(_), _) => Some(shape.to_vec()),
    }
}

/// `[rows, columns]` → `[columns, rows]`.
fn transposed<T: Copy>(values: &[T], rows: usize, columns: usize) -> Vec<T> {
    let at = |i: usize| values[i % rows * columns + i / rows];
    (0..values.len()).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(part: usize, groups: usize, then: Then) -> Binding {
        Binding { stored: "qkv".into(), rows: Some(Rows { part, parts: 3, groups }), then }
    }

    #[test]
    fn parts_of_a_fused_tensor_follow_each_other_or_take_turns() {
        let values: Vec<u8> = (0..12).collect();
        let whole = part(1, 1, Then::Same).load(&values, &[6, 2]);
        assert_eq!(whole, Some((vec![4, 5, 6, 7], vec![2, 2])));
        let by_head = part(1, 2, Then::Squeeze(1)).load(&values, &[6, 2, 1]);
        assert_eq!(by_head, Some((vec![2, 3, 8, 9], vec![2, 2])));
    }

    #[test]
    fn what_was_taken_apart_is_put_together() {
        let values: Vec<u16> = (0..72).collect();
        for (groups, shape) in [(1, vec![12, 6, 1]), (2, vec![12, 6, 1]), (4, vec![12, 6, 1])] {
            let bindings: Vec<_> = (0..3).map(|i| part(i, groups, Then::Squeeze(1))).collect();
            let parts: Vec<_> =
                bindings.iter().map(|b| b.load(&values, &shape).expect("divisible")).collect();
            let made = |i: usize| (&bindings[i], parts[i].0.as_slice(), parts[i].1.as_slice());
            assert_eq!(store(&[made(2), made(0), made(1)]), Some((values.clone(), shape)));
            assert_eq!(store(&[made(0), made(1)]), None);
            assert_eq!(store(&[made(0), made(1), made(1)]), None);
        }
    }

    #[test]
    fn a_transposed_matrix_comes_back() {
        let binding = Binding { stored: "p".into(), rows: None, then: Then::Transpose };
        let made = binding.load(&[1, 2, 3, 4, 5, 6], &[2, 3]);
        assert_eq!(made, Some((vec![1, 4, 2, 5, 3, 6], vec![3, 2])));
        let (values, shape) = made.expect("a matrix");
        assert_eq!(
            store(&[(&binding, &values, &shape)]),
            Some((vec![1, 2, 3, 4, 5, 6], vec![2, 3]))
        );
    }

    #[test]
    fn shapes_that_cannot_be_taken_apart_are_refused() {
        assert_eq!(part(0, 1, Then::Same).shape(&[7, 2]), None);
        assert_eq!(part(0, 4, Then::Same).shape(&[6, 2]), None);
        assert_eq!(part(0, 0, Then::Same).shape(&[6, 2]), None);
        assert_eq!(part(0, 1, Then::Same).shape(&[]), None);
        assert_eq!(part(0, 1, Then::Transpose).shape(&[6]), None);
    }
}
