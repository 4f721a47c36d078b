//! The tensor itself: shape, numbers, and the way back.

use std::fmt;
use std::sync::Arc;

use aquatint_kernels::Precision;

use crate::pool::Buffer;
use crate::storage::Storage;
use crate::tape::{Node, Track};

/// A contiguous array of f32 numbers with a shape. Cloning is cheap: the numbers are shared.
///
/// A weight that is only used, not trained, may be stored in other ways: see
/// [`Tensor::prepared`].
#[derive(Clone)]
pub struct Tensor {
    shape: Arc<[usize]>,
    data: Arc<Storage>,
    track: Option<Track>,
    precision: Precision,
}

impl Tensor {
    /// A tensor of these numbers, in row-major order.
    ///
    /// # Panics
    /// If `values` does not hold as many numbers as `shape` says.
    #[track_caller]
    pub fn new(values: Vec<f32>, shape: &[usize]) -> Self {
        Self::from_buffer(values.into(), shape)
    }

    /// A tensor of the numbers that `write` appends to an empty list, in row-major order. The list
    /// is in memory that was used before, where there is some.
    ///
    /// # Errors
    /// Those of `write`.
    ///
    /// # Panics
    /// If it appends another number of them than `shape` says.
    #[track_caller]
    pub fn written<E>(
        shape: &[usize],
        write: impl FnOnce(&mut Vec<f32>) -> Result<(), E>,
    ) -> Result<Self, E> {
        Ok(Self::from_buffer(Buffer::written(volume(shape), write)?, shape))
    }

    #[track_caller]
    pub(crate) fn from_buffer(data: Buffer, shape: &[usize]) -> Self {
        assert_eq!(data.len(), volume(shape), "{} numbers cannot have shape {shape:?}", data.len());
        Self::from_storage(Storage::Plain(data), shape)
    }

    pub(crate) fn from_storage(data: Storage, shape: &[usize]) -> Self {
        Self { shape: shape.into(), data: Arc::new(data), track: None, precision: Precision::F32 }
    }

    pub(crate) fn storage(&self) -> &Storage {
        &self.data
    }

    /// Zeros.
    #[track_caller]
    pub fn zeros(shape: &[usize]) -> Self {
        Self::from_buffer(Buffer::zeros(volume(shape)), shape)
    }

    /// One number everywhere.
    #[track_caller]
    pub fn full(shape: &[usize], value: f32) -> Self {
        let mut data = Buffer::stale(volume(shape));
        data.fill(value);
        Self::from_buffer(data, shape)
    }

    /// The number at each row-major index, from a function.
    #[track_caller]
    pub fn from_fn(shape: &[usize], value: impl FnMut(usize) -> f32) -> Self {
        Self::new((0..volume(shape)).map(value).collect(), shape)
    }

    /// Whether both are the same numbers in memory, not only equal ones.
    pub fn is_same(&self, other: &Tensor) -> bool {
        Arc::ptr_eq(&self.data, &other.data)
    }

    /// The sizes of the dimensions, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The size of dimension `i`.
    #[track_caller]
    pub fn dim(&self, i: usize) -> usize {
        self.shape[i]
    }

    /// The size of the last dimension (channels).
    pub fn channels(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// The product of all dimensions but the last.
    pub fn rows(&self) -> usize {
        self.len() / self.channels().max(1)
    }

    /// How many numbers there are.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers in row-major order.
    ///
    /// # Panics
    /// If this is a [prepared](Tensor::prepared) weight.
    #[track_caller]
    pub fn to_vec(&self) -> Vec<f32> {
        match self.widened() {
            None => self.data().to_vec(),
            Some(wide) => wide.data().to_vec(),
        }
    }

    /// The only number of a tensor that holds one.
    #[track_caller]
    pub fn item(&self) -> f32 {
        assert_eq!(self.len(), 1, "item() of a tensor of shape {:?}", self.shape);
        self.data()[0]
    }

    #[track_caller]
    pub(crate) fn data(&self) -> &[f32] {
        match &*self.data {
            Storage::Plain(data) => data,
            other => panic!("the numbers of shape {:?} are {}", self.shape, other.what()),
        }
    }

    /// The numbers, to be changed: copied first if anyone else holds them.
    pub(crate) fn data_mut(&mut self) -> &mut [f32] {
        if Arc::get_mut(&mut self.data).is_none() {
            self.data = Arc::new(Storage::Plain(Buffer::copy_of(self.data())));
        }
        match Arc::get_mut(&mut self.data).expect("just made unique") {
            Storage::Plain(data) => data,
            other => panic!("numbers to be changed are {}", other.what()),
        }
    }

    /// The same numbers under another shape of the same size. Differentiable.
    #[track_caller]
    pub fn reshape(&self, shape: &[usize]) -> Self {
        assert_eq!(self.len(), volume(shape), "cannot reshape {:?} to {shape:?}", self.shape);
        let old = self.shape.clone();
        let mut out = self.clone();
        out.shape = shape.into();
        out.track = Node::record([Some(self)], move |dy, _| [Some(dy.reshape(&old))]);
        out
    }

    /// The same numbers, forgetting how they were made.
    pub fn detach(&self) -> Self {
        Self { track: None, ..self.clone() }
    }

    /// The same numbers as the beginning of a new track: [`Tensor::backward`] will find the
    /// gradient with respect to this tensor.
    pub fn tracked(&self) -> Self {
        Self { track: Some(Node::leaf()), ..self.clone() }
    }

    /// Whether the gradient with respect to this tensor is wanted or flows through it.
    pub fn is_tracked(&self) -> bool {
        self.track.is_some()
    }

    pub(crate) fn track(&self) -> Option<&Track> {
        self.track.as_ref()
    }

    /// The same numbers with another way back.
    pub(crate) fn with_track(self, track: Track) -> Self {
        Self { track: Some(track), ..self }
    }

    /// For a weight: the precision in which products with it are formed. For what
    /// [`Tensor::linear`] made of one: that of its products. Other results are f32.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The same numbers, used in another precision.
    pub fn with_precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// The result of an operation on `inputs`: its numbers, and how the gradient of the result
    /// (the closure's first argument) becomes gradients of those inputs that need one (the
    /// second). There is no way to make a result without saying this.
    #[track_caller]
    pub(crate) fn from_op<const N: usize>(
        inputs: [Option<&Tensor>; N],
        shape: &[usize],
        data: Buffer,
        backward: impl Fn(&Tensor, [bool; N]) -> [Option<Tensor>; N] + Send + Sync + 'static,
    ) -> Self {
        Self::from_buffer(data, shape).with_backward(inputs, backward)
    }

    /// The result of an operation with a prepared weight on `inputs`.
    ///
    /// # Panics
    /// If a gradient is wanted.
    #[track_caller]
    pub(crate) fn without_backward<const N: usize>(
        inputs: [Option<&Tensor>; N],
        shape: &[usize],
        data: Buffer,
    ) -> Self {
        Self::from_buffer(data, shape).without_track(inputs)
    }

    /// This result of an operation with a prepared weight on `inputs`.
    ///
    /// # Panics
    /// If a gradient is wanted.
    #[track_caller]
    pub(crate) fn without_track<const N: usize>(self, inputs: [Option<&Tensor>; N]) -> Self {
        let tracked = inputs.into_iter().flatten().any(Tensor::is_tracked);
        assert!(!tracked, "no gradient flows through a prepared weight");
        self
    }

    /// This result of an operation on `inputs`, with its way back as in [`Tensor::from_op`]:
    /// for operations whose backward needs their result.
    pub(crate) fn with_backward<const N: usize>(
        self,
        inputs: [Option<&Tensor>; N],
        backward: impl Fn(&Tensor, [bool; N]) -> [Option<Tensor>; N] + Send + Sync + 'static,
    ) -> Self {
        Self { track: Node::record(inputs, backward), ..self }
    }
}

/// How many numbers a shape holds. A product that wraps around would fit a buffer that is shorter
/// than its shape says, and the kernels rely on the shape.
#[track_caller]
fn volume(shape: &[usize]) -> usize {
    let volume = shape.iter().try_fold(1, |product: usize, &size| product.checked_mul(size));
    volume.unwrap_or_else(|| panic!("no memory holds a tensor of shape {shape:?}"))
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Storage::Plain(data) = &*self.data else {
            return write!(f, "Tensor{:?} ({})", self.shape, self.data.what());
        };
        let shown = &data[..self.len().min(8)];
        let more = if self.len() > shown.len() { ", …" } else { "" };
        write!(f, "Tensor{:?} {shown:?}{more}", self.shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "no memory holds a tensor of shape [4294967296, 4294967296]")]
    fn a_shape_whose_product_wraps_around_is_refused() {
        Tensor::new(Vec::new(), &[1 << 32, 1 << 32]);
    }
}
