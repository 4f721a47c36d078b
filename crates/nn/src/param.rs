//! A weight that knows its shape before it has a value.

use aquatint_tensor::{Precision, Tensor, Use};

use crate::{Beside, Init};

/// A parameter: shape, initial distribution and, once filled, the numbers.
#[derive(Clone, Debug)]
pub struct Param {
    shape: Box<[usize]>,
    init: Init,
    value: Option<Tensor>,
    tracked: bool,
    precision: Precision,
    used: Use,
    int8: bool,
    beside: Option<Box<Beside>>,
}

impl Param {
    /// An empty parameter. Nothing of the size of `shape` is allocated.
    pub fn new(shape: &[usize], init: Init) -> Self {
        let precision = Precision::default();
        let (value, tracked, used, int8, beside) = (None, false, Use::Any, false, None);
        Self { shape: shape.into(), init, value, tracked, precision, used, int8, beside }
    }

    /// Says what the parameter does in its layer.
    pub fn used_as(mut self, used: Use) -> Self {
        self.used = used;
        self
    }

    /// What the parameter does in its layer.
    pub fn used(&self) -> Use {
        self.used
    }

    /// Asks [`Param::prepare`] to round the numbers to 8 bits: see [`Tensor::quantized`].
    pub fn set_int8(&mut self) {
        self.int8 = true;
    }

    /// Makes the parameter ready for inference: see [`Tensor::prepared`]. It cannot be trained
    /// or saved afterwards.
    ///
    /// # Panics
    /// If it was never filled, or a gradient with respect to it is wanted.
    #[track_caller]
    pub fn prepare(&mut self) {
        assert!(!self.tracked, "a parameter that is trained cannot be prepared");
        let value = self.value.take().expect("it was filled");
        let prepare = if self.int8 { Tensor::quantized } else { Tensor::prepared };
        let used = match (&self.beside, self.used) {
            // What is added comes before the gate.
            (Some(_), Use::LinearGeglu) => Use::Linear,
            (_, used) => used,
        };
        self.value = Some(prepare(value, used));
        let ready = |beside: Box<Beside>| Box::new(beside.prepared(self.precision, used));
        self.beside = self.beside.take().map(ready);
    }

    /// Puts a change beside the weight of a [`crate::Linear`] or a [`crate::Conv2d`], before
    /// [`Param::prepare`].
    ///
    /// # Panics
    /// If it is no change of a weight of this shape, or the parameter is no such weight, or it is
    /// trained.
    #[track_caller]
    pub fn set_beside(&mut self, beside: Beside) {
        let of_layer = !matches!(self.used, Use::Any | Use::Table);
        assert!(of_layer && !self.tracked, "a change beside a parameter that is {:?}", self.used);
        assert!(beside.fits(&self.shape), "a change of another shape than {:?}", self.shape);
        self.beside = Some(Box::new(beside));
    }

    /// Takes what stands beside the weight away.
    pub fn clear_beside(&mut self) {
        self.beside = None;
    }

    /// What stands beside the weight.
    pub fn beside(&self) -> Option<&Beside> {
        self.beside.as_deref()
    }

    /// The shape, filled or not.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How many numbers it holds when filled.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }

    /// The distribution that [`crate::ModuleExt::init`] draws from.
    pub fn initial(&self) -> Init {
        self.init
    }

    /// Chooses another distribution, before it is drawn from.
    pub fn set_init(&mut self, init: Init) {
        self.init = init;
    }

    /// Whether there are numbers.
    pub fn is_filled(&self) -> bool {
        self.value.is_some()
    }

    /// The numbers.
    ///
    /// # Panics
    /// If the parameter was never filled.
    #[track_caller]
    pub fn value(&self) -> &Tensor {
        match &self.value {
            Some(value) => value,
            None => panic!("parameter of shape {:?} was never filled", self.shape),
        }
    }

    /// The numbers, for an optimizer that changes them in place. They keep their track.
    ///
    /// # Panics
    /// If the parameter was never filled.
    #[track_caller]
    pub fn value_mut(&mut self) -> &mut Tensor {
        match &mut self.value {
            Some(value) => value,
            None => panic!("parameter of shape {:?} was never filled", self.shape),
        }
    }

    /// Fills the parameter. It stays tracked, and keeps its precision, if it was set so before.
    ///
    /// # Panics
    /// If `value` has another shape.
    #[track_caller]
    pub fn set(&mut self, value: Tensor) {
        assert_eq!(value.shape(), &*self.shape, "a value does not have the parameter's shape");
        let value = value.detach().with_precision(self.precision);
        self.value = Some(if self.tracked { value.tracked() } else { value });
    }

    /// Whether gradients with respect to this parameter are wanted.
    pub fn is_tracked(&self) -> bool {
        self.tracked
    }

    /// Begins a new track at this parameter, or (`false`) ends it.
    pub fn set_tracked(&mut self, tracked: bool) {
        self.tracked = tracked;
        if let Some(value) = self.value.take() {
            self.value = Some(if tracked { value.detach().tracked() } else { value.detach() });
        }
    }

    /// Chooses the precision of products with this parameter.
    pub fn set_precision(&mut self, precision: Precision) {
        self.precision = precision;
        self.value = self.value.take().map(|value| value.with_precision(precision));
    }
}
