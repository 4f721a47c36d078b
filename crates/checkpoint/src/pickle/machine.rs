//! The stack machine.

use std::collections::HashMap;

use super::calls::{self, instance};
use super::heap::Node;
use super::{Halt, Heap, Pickle, Value};

/// Marks that may be open at a time: how deep lists, tuples and dictionaries may nest while they are
/// being made.
const DEEPEST: usize = 1000;

/// Runs the pickle that begins at `start`.
///
/// # Errors
/// If the bytes end before it does, if it does not follow the rules or makes more values than
/// `budget` bytes hold, or if it wants to call something.
pub(crate) fn run(bytes: &[u8], start: usize, budget: usize) -> Result<Pickle<'_>, Halt> {
    let heap = Heap::new(bytes, budget);
    let memo = HashMap::new();
    let mut machine =
        Machine { bytes, at: start, heap, stack: vec![], highest: 0, marks: vec![], memo };
    while machine.step()? {}
    let root = machine.pop()?;
    Ok(Pickle { root, heap: machine.heap, end: machine.at })
}

pub(super) struct Machine<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
    pub(super) heap: Heap<'a>,
    pub(super) stack: Vec<Value>,
    /// How high the stack has been, which is what it was charged for.
    pub(super) highest: usize,
    /// Heights of the stack at the open marks.
    pub(super) marks: Vec<usize>,
    pub(super) memo: HashMap<u32, Value>,
}

impl Machine<'_> {
    /// One instruction. False for the last one.
    fn step(&mut self) -> Result<bool, Halt> {
        let [opcode] = self.array()?;
        match opcode {
            // PROTO, FRAME: said for the reader's convenience.
            0x80 => drop(self.array::<1>()?),
            0x95 => drop(self.array::<8>()?),
            b'.' => return Ok(false),

            // Constants.
            b'N' => self.push(Value::None)?,
            0x88 => self.push(Value::Bool(true))?,
            0x89 => self.push(Value::Bool(false))?,
            b'J' => self.read_int(|m| Ok(i32::from_le_bytes(m.array()?).into()))?,
            b'K' => self.read_int(|m| Ok(u8::from_le_bytes(m.array()?).into()))?,
            b'M' => self.read_int(|m| Ok(u16::from_le_bytes(m.array()?).into()))?,
            0x8a => self.long(|m| m.length::<1>())?,
            0x8b => self.long(|m| m.length::<4>())?,
            b'I' | b'L' => self.int_as_text()?,
            b'F' => {
                self.line()?;
                self.push(Value::Opaque)?;
            }
            b'G' => {
                self.array::<8>()?;
                self.push(Value::Opaque)?;
            }
            b'U' | 0x8c => self.text(|m| m.length::<1>(), opcode == 0x8c)?,
            b'X' | b'T' => self.text(|m| m.length::<4>(), opcode == b'X')?,
            0x8d => self.text(|m| m.length::<8>(), true)?,
            b'S' | b'V' => self.text_line(opcode == b'S')?,
            b'C' => self.skip_bytes(|m| m.length::<1>())?,
            b'B' => self.skip_bytes(|m| m.length::<4>())?,
            0x8e | 0x96 => self.skip_bytes(|m| m.length::<8>())?,

            // The stack and the memo.
            b'(' => {
                if self.marks.len() == DEEPEST {
                    return Halt::malformed("its pickle nests too deeply");
                }
                self.marks.push(self.stack.len());
            }
            b'0' => drop(self.pop()?),
            b'1' => drop(self.since_mark()?),
            b'2' => self.push(self.top()?)?,
            b'g' => {
                let index = self.index_as_text()?;
                self.recall(index)?;
            }
            b'h' => {
                let index = self.length::<1>()? as u32;
                self.recall(index)?;
            }
            b'j' => {
                let index = self.length::<4>()? as u32;
                self.recall(index)?;
            }
            b'p' => {
                let index = self.index_as_text()?;
                self.memorize(index)?;
            }
            b'q' => {
                let index = self.length::<1>()? as u32;
                self.memorize(index)?;
            }
            b'r' => {
                let index = self.length::<4>()? as u32;
                self.memorize(index)?;
            }
            0x94 => self.memorize(self.memo.len() as u32)?,

            // Tuples, lists, dictionaries, sets.
            b')' => self.tuple(0)?,
            0x85..=0x87 => self.tuple(usize::from(opcode - 0x84))?,
            b't' => {
                let count = self.since_mark_count()?;
                self.tuple(count)?;
            }
            b']' => self.make(Node::List(vec![]))?,
            b'}' => self.make(Node::Dict(vec![]))?,
            b'l' => {
                let items = self.since_mark()?;
                self.make(Node::List(vec![]))?;
                self.extend(items)?;
            }
            b'd' => {
                let items = self.since_mark()?;
                self.make(Node::Dict(vec![]))?;
                self.insert(items)?;
            }
            b'a' => {
                let item = self.pop()?;
                self.extend(vec![item])?;
            }
            b'e' => {
                let items = self.since_mark()?;
                self.extend(items)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.insert(vec![key, value])?;
            }
            b'u' => {
                let items = self.since_mark()?;
                self.insert(items)?;
            }
            0x8f => self.push(Value::Opaque)?,
            0x90 => drop(self.since_mark()?),
            0x91 => {
                self.since_mark()?;
                self.push(Value::Opaque)?;
            }

            // Names, calls, objects.
            b'c' => {
                let global = self.global_of_lines()?;
                self.push(global)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Some(name), Some(module)) = (self.heap.text(name), self.heap.text(module))
                else {
                    return Halt::malformed(
                        "its pickle names a function by something else than text",
                    );
                };
                let global = self.global(module, name)?;
                self.push(global)?;
            }
            b'R' => {
                let (arguments, callee) = (self.pop()?, self.pop()?);
                let value = calls::call(&mut self.heap, callee, arguments)?;
                self.push(value)?;
            }
            b'i' => {
                let callee = self.global_of_lines()?;
                let count = self.since_mark_count()?;
                self.call_with(callee, count)?;
            }
            b'o' => {
                let count = self.since_mark_count()?;
                let Some(&callee) = self.stack.get(self.stack.len() - count).filter(|_| count > 0)
                else {
                    return Halt::malformed("its pickle makes an object of no class");
                };
                self.call_with(callee, count - 1)?;
                let value = self.pop()?;
                self.pop()?;
                self.push(value)?;
            }
            0x81 => {
                let (arguments, class) = (self.pop()?, self.pop()?);
                let value = instance(&mut self.heap, class, arguments)?;
                self.push(value)?;
            }
            0x92 => {
                let (_, arguments, class) = (self.pop()?, self.pop()?, self.pop()?);
                let value = instance(&mut self.heap, class, arguments)?;
                self.push(value)?;
            }
            // BUILD gives an object its state.
            b'b' => {
                let (state, object) = (self.pop()?, self.pop()?);
                calls::build(&mut self.heap, object, state)?;
                self.push(object)?;
            }
            b'Q' => {
                let id = self.pop()?;
                let value = calls::persistent(&mut self.heap, id)?;
                self.push(value)?;
            }
            b'P' => {
                return Halt::malformed(
                    "its pickle refers to storages by text, as no PyTorch does",
                );
            }
            other => return Halt::malformed(format!("its pickle has no instruction {other:#04x}")),
        }
        Ok(true)
    }
}
