//! The values that a pickle makes.

use super::Halt;

/// A value: small, and copied freely. Compound ones are numbers of nodes in the [`Heap`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// A range of the pickle's own bytes, which hold UTF-8.
    Text(u32, u32),
    Node(u32),
    /// Something that weights do not consist of: a float, a set, an object of an unknown class.
    Opaque,
}

/// A compound value.
#[derive(Debug)]
pub(super) enum Node {
    Tuple(Box<[Value]>),
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    /// A function or class, by its full name.
    Global(Box<str>),
    Storage(Box<Storage>),
    View(Box<View>),
}

/// Numbers one after the other, which a pickle refers to by a key and does not contain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Storage {
    /// The key: a text.
    pub key: Value,
    /// The format of the numbers, in the spelling of safetensors.
    pub dtype: &'static str,
    /// How many there are under this key.
    pub count: usize,
    /// The first of them that is meant, and how many from there: all but in old files.
    pub part: (usize, usize),
}

/// A tensor: which numbers of a storage it consists of.
#[derive(Debug)]
pub(crate) struct View {
    pub storage: Storage,
    /// The format of the numbers where it is not that of the storage, which then counts bytes.
    pub dtype: &'static str,
    pub offset: usize,
    pub shape: Box<[usize]>,
    pub strides: Box<[usize]>,
}

/// An integer that is neither negative nor absurd.
pub(crate) trait Number {
    fn number(self) -> Option<usize>;
}

impl Number for Value {
    fn number(self) -> Option<usize> {
        let Value::Int(value) = self else { return None };
        // Sizes are multiplied by each other later; 2^48 bytes are more than any file has.
        usize::try_from(value).ok().filter(|&value| value < 1 << 48)
    }
}

/// Longer texts are no names.
const LONGEST_TEXT: usize = 4096;

/// All compound values of a pickle, and how much memory it may still use.
pub(crate) struct Heap<'a> {
    bytes: &'a [u8],
    pub(super) nodes: Vec<Node>,
    budget: usize,
}

impl<'a> Heap<'a> {
    pub(super) fn new(bytes: &'a [u8], budget: usize) -> Self {
        Self { bytes, nodes: Vec::new(), budget }
    }

    /// Pays for memory before it is allocated.
    pub fn charge(&mut self, bytes: usize) -> Result<(), Halt> {
        match self.budget.checked_sub(bytes) {
            Some(left) => self.budget = left,
            None => return Halt::malformed("its pickle makes more values than the file justifies"),
        }
        Ok(())
    }

    pub(super) fn add(&mut self, node: Node) -> Result<Value, Halt> {
        let content = match &node {
            Node::Tuple(items) => size_of_val(&**items),
            Node::Global(name) => name.len(),
            Node::View(view) => size_of::<View>() + 16 * view.shape.len(),
            Node::Storage(_) => size_of::<Storage>(),
            // Their items are charged one by one.
            Node::List(_) | Node::Dict(_) => 0,
        };
        // Twice, because a growing list doubles its room; and what the allocator adds.
        self.charge(2 * size_of::<Node>() + content + 16)?;
        self.nodes.push(node);
        Ok(Value::Node((self.nodes.len() - 1) as u32))
    }

    fn node(&self, value: Value) -> Option<&Node> {
        let Value::Node(index) = value else { return None };
        self.nodes.get(index as usize)
    }

    fn text_bytes(&self, value: Value) -> Option<&'a [u8]> {
        let Value::Text(start, end) = value else { return None };
        Some(&self.bytes[start as usize..end as usize])
    }

    /// The text, if it is one, and short enough to be a name. A long one that the pickle recalls
    /// a million times would be read a million times.
    pub fn text(&self, value: Value) -> Option<&'a str> {
        let bytes = self.text_bytes(value).filter(|bytes| bytes.len() <= LONGEST_TEXT)?;
        std::str::from_utf8(bytes).ok()
    }

    /// The items, if it is a tuple.
    pub fn tuple(&self, value: Value) -> Option<&[Value]> {
        if let Some(Node::Tuple(items)) = self.node(value) { Some(items) } else { None }
    }

    /// The items, if it is a list.
    pub fn list(&self, value: Value) -> Option<&[Value]> {
        if let Some(Node::List(items)) = self.node(value) { Some(items) } else { None }
    }

    /// The pairs in the order of their insertion, if it is a dictionary. A key may come twice; the
    /// last one counts.
    pub fn dict(&self, value: Value) -> Option<&[(Value, Value)]> {
        if let Some(Node::Dict(pairs)) = self.node(value) { Some(pairs) } else { None }
    }

    /// The last value under a key that is a text, if it is a dictionary.
    pub fn item(&self, dict: Value, key: &str) -> Option<Value> {
        let pairs = self.dict(dict)?;
        let found = pairs.iter().rev().find(|(k, _)| self.text_bytes(*k) == Some(key.as_bytes()));
        found.map(|(_, value)| *value)
    }

    /// The full name, if it is a function or class.
    pub fn global(&self, value: Value) -> Option<&str> {
        if let Some(Node::Global(name)) = self.node(value) { Some(name) } else { None }
    }

    pub(super) fn storage(&self, value: Value) -> Option<Storage> {
        if let Some(Node::Storage(storage)) = self.node(value) { Some(**storage) } else { None }
    }

    /// The tensor, if it is one.
    pub fn view(&self, value: Value) -> Option<&View> {
        if let Some(Node::View(view)) = self.node(value) { Some(view) } else { None }
    }

    /// Every storage that the pickle refers to, with repetitions.
    pub fn storages(&self) -> impl Iterator<Item = &Storage> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Storage(storage) => Some(&**storage),
            _ => None,
        })
    }
}
