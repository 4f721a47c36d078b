//! The stack, the memo, and the values that are made of the topmost ones.

use super::calls;
use super::globals::{full_name, is_forbidden};
use super::heap::Node;
use super::machine::Machine;
use super::{Halt, Value};

impl Machine<'_> {
    pub(super) fn push(&mut self, value: Value) -> Result<(), Halt> {
        if self.stack.len() == self.highest {
            self.heap.charge(2 * size_of::<Value>())?;
            self.highest += 1;
        }
        self.stack.push(value);
        Ok(())
    }

    pub(super) fn pop(&mut self) -> Result<Value, Halt> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.pop() {
            Some(value) if self.stack.len() >= floor => Ok(value),
            _ => Halt::malformed("its pickle takes from an empty stack"),
        }
    }

    pub(super) fn top(&self) -> Result<Value, Halt> {
        match self.stack.last() {
            Some(&value) => Ok(value),
            None => Halt::malformed("its pickle takes from an empty stack"),
        }
    }

    /// Closes the last mark and says how many values lie above it.
    pub(super) fn since_mark_count(&mut self) -> Result<usize, Halt> {
        match self.marks.pop() {
            // No pop goes below an open mark.
            Some(height) => Ok(self.stack.len() - height),
            None => Halt::malformed("its pickle closes a bracket that is not open"),
        }
    }

    pub(super) fn since_mark(&mut self) -> Result<Vec<Value>, Halt> {
        let count = self.since_mark_count()?;
        Ok(self.stack.split_off(self.stack.len() - count))
    }

    pub(super) fn recall(&mut self, index: u32) -> Result<(), Halt> {
        match self.memo.get(&index) {
            Some(&value) => self.push(value),
            None => Halt::malformed("its pickle recalls what it never stored"),
        }
    }

    pub(super) fn memorize(&mut self, index: u32) -> Result<(), Halt> {
        let value = self.top()?;
        if self.memo.insert(index, value).is_none() {
            // A hash map keeps an eighth of its places free, and has two sizes while it grows.
            self.heap.charge(3 * size_of::<(u32, Value)>())?;
        }
        Ok(())
    }

    pub(super) fn make(&mut self, node: Node) -> Result<(), Halt> {
        let value = self.heap.add(node)?;
        self.push(value)
    }

    /// A tuple of the topmost values.
    pub(super) fn tuple(&mut self, count: usize) -> Result<(), Halt> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let Some(start) = self.stack.len().checked_sub(count).filter(|&start| start >= floor)
        else {
            return Halt::malformed("its pickle takes from an empty stack");
        };
        let items = self.stack.split_off(start);
        self.make(Node::Tuple(items.into()))
    }

    /// Appends to the list below. A set or an unknown object swallows the items.
    pub(super) fn extend(&mut self, items: Vec<Value>) -> Result<(), Halt> {
        self.heap.charge(2 * size_of_val(&*items))?;
        match self.top()? {
            Value::Node(index) => match &mut self.heap.nodes[index as usize] {
                Node::List(list) => list.extend(items),
                _ => return Halt::malformed("its pickle appends to something that is no list"),
            },
            Value::Opaque => {}
            _ => return Halt::malformed("its pickle appends to something that is no list"),
        }
        Ok(())
    }

    /// Puts keys and values, in turn, into the dictionary below, or into an unknown object.
    pub(super) fn insert(&mut self, items: Vec<Value>) -> Result<(), Halt> {
        self.heap.charge(2 * size_of_val(&*items))?;
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return Halt::malformed("its pickle has a key without a value");
        }
        match self.top()? {
            Value::Node(index) => match &mut self.heap.nodes[index as usize] {
                Node::Dict(dict) => dict.extend(pairs.iter().map(|&[key, value]| (key, value))),
                _ => return Halt::malformed("its pickle sets items of what is no dictionary"),
            },
            Value::Opaque => {}
            _ => return Halt::malformed("its pickle sets items of what is no dictionary"),
        }
        Ok(())
    }

    pub(super) fn global_of_lines(&mut self) -> Result<Value, Halt> {
        let module = self.line_as_str()?.to_owned();
        let name = self.line_as_str()?.to_owned();
        self.global(&module, &name)
    }

    pub(super) fn global(&mut self, module: &str, name: &str) -> Result<Value, Halt> {
        let name = full_name(module, name);
        if is_forbidden(&name) {
            return Err(Halt::Refused(name));
        }
        self.heap.add(Node::Global(name.into()))
    }

    /// Calls with the topmost values as arguments.
    pub(super) fn call_with(&mut self, callee: Value, count: usize) -> Result<(), Halt> {
        self.tuple(count)?;
        let arguments = self.pop()?;
        let value = calls::call(&mut self.heap, callee, arguments)?;
        self.push(value)
    }
}
