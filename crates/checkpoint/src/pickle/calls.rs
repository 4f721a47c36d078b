//! The few calls that have a meaning, and the end of all others.

use super::globals::{dtype, is_inert, storage_dtype};
use super::heap::Node;
use super::{Halt, Heap, Number, Storage, Value, View};

/// Longer shapes are refused: PyTorch itself allows 64 axes, models have five.
const MOST_AXES: usize = 16;

/// What `callee(*arguments)` would be.
pub(super) fn call(heap: &mut Heap, callee: Value, arguments: Value) -> Result<Value, Halt> {
    let Some(name) = heap.global(callee) else {
        return Halt::malformed("its pickle calls something that is no function");
    };
    let Some(items) = heap.tuple(arguments) else {
        return Halt::malformed(format!("its pickle calls {name} without arguments"));
    };
    let first = items.first().copied();
    match name {
        "torch._utils._rebuild_tensor_v2"
        | "torch._utils._rebuild_tensor"
        | "torch._utils._rebuild_tensor_v3" => view(heap, name.ends_with("_v3"), arguments),
        // Of (data, requires_grad, hooks) the data counts.
        "torch._utils._rebuild_parameter"
        | "torch._utils._rebuild_parameter_with_state"
        | "torch.nn.parameter.Parameter"
        | "torch.Size" => {
            first.ok_or_else(|| Halt::Malformed("its pickle has a tensor of nothing".into()))
        }
        // (function, class, its arguments, state): a tensor with attributes.
        "torch._tensor._rebuild_from_type_v2" => {
            let (Some(function), Some(inner)) = (first, items.get(2).copied()) else {
                return Halt::malformed("its pickle has a tensor of nothing");
            };
            match heap.global(function) {
                Some("torch._utils._rebuild_tensor_v2") => view(heap, false, inner),
                Some("torch._utils._rebuild_tensor_v3") => view(heap, true, inner),
                Some(other) => Err(Halt::Refused(other.to_owned())),
                None => Halt::malformed("its pickle calls something that is no function"),
            }
        }
        "collections.OrderedDict" | "collections.defaultdict" | "builtins.dict" => {
            let pairs = first.map_or(Ok(vec![]), |first| pairs(heap, first))?;
            heap.charge(2 * size_of_val(&*pairs))?;
            heap.add(Node::Dict(pairs))
        }
        _ if is_inert(name) => Ok(Value::Opaque),
        _ => Err(Halt::Refused(name.to_owned())),
    }
}

/// An object of a class, made without calling its constructor: nobody may look into it.
pub(super) fn instance(heap: &mut Heap, class: Value, arguments: Value) -> Result<Value, Halt> {
    match heap.global(class) {
        Some("collections.OrderedDict" | "torch.nn.parameter.Parameter" | "torch.Size") => {
            call(heap, class, arguments)
        }
        // Its parameters come with its state.
        Some("torch.nn.modules.container.ParameterDict") => heap.add(Node::Dict(Vec::new())),
        Some(_) => Ok(Value::Opaque),
        None => Halt::malformed("its pickle makes an object of no class"),
    }
}

/// Gives an object its state. A dictionary of parameters becomes one of tensors; what else has a
/// state is opaque, or a state_dict, whose attributes are bookkeeping.
pub(super) fn build(heap: &mut Heap, object: Value, state: Value) -> Result<(), Halt> {
    let parameters = heap.item(state, "_parameters").and_then(|inner| heap.dict(inner));
    if let (Some([]), Some(pairs), Value::Node(index)) = (heap.dict(object), parameters, object) {
        let pairs = pairs.to_vec();
        heap.charge(2 * size_of_val(&*pairs))?;
        heap.nodes[index as usize] = Node::Dict(pairs);
    }
    Ok(())
}

/// The pairs that a dictionary is made from: another dictionary, or a list of pairs. The factory
/// of a `defaultdict` is neither.
fn pairs(heap: &Heap, source: Value) -> Result<Vec<(Value, Value)>, Halt> {
    if let Some(pairs) = heap.dict(source) {
        return Ok(pairs.to_vec());
    }
    let items = heap.list(source).or(heap.tuple(source)).unwrap_or_default();
    let pair = |&item: &Value| match heap.tuple(item).or(heap.list(item)) {
        Some(&[key, value]) => Ok((key, value)),
        _ => Halt::malformed("its pickle makes a dictionary of what are no pairs"),
    };
    items.iter().map(pair).collect()
}

/// What an id stands for that PyTorch's pickles call persistent:
/// `("storage", class, key, device, count)`, before version 0.4 with a part of it,
/// `(key, first, count)`, at the end; or `("module", class, file, source)`.
pub(super) fn persistent(heap: &mut Heap, id: Value) -> Result<Value, Halt> {
    let items = heap.tuple(id).unwrap_or_default();
    let (kind, class) = (items.first().and_then(|&kind| heap.text(kind)), items.get(1).copied());
    if let (Some("module"), Some(class)) = (kind, class) {
        return Ok(class);
    }
    let ("storage", Some(class), Some(&key), Some(count)) =
        (kind.unwrap_or_default(), class, items.get(2), items.get(4).and_then(|n| n.number()))
    else {
        return Halt::malformed("its pickle refers to something that is no storage");
    };
    let Some(dtype) = heap.global(class).and_then(storage_dtype) else {
        let class = heap.global(class).unwrap_or("no class");
        return Halt::malformed(format!("its pickle has a storage of an unknown kind, {class}"));
    };
    if heap.text(key).is_none() {
        return Halt::malformed("its pickle refers to a storage by no text");
    }
    let part = match items.get(5).map(|&part| heap.tuple(part)) {
        None | Some(None) => (0, count),
        Some(Some(&[_, first, len])) => match (first.number(), len.number()) {
            (Some(first), Some(len)) if first + len <= count => (first, len),
            _ => return Halt::malformed("its pickle has a storage that is a part of nothing"),
        },
        Some(Some(_)) => {
            return Halt::malformed("its pickle has a storage that is a part of nothing");
        }
    };
    heap.add(Node::Storage(Box::new(Storage { key, dtype, count, part })))
}

/// `_rebuild_tensor_v2(storage, offset, shape, strides, …)`; version 3 has the dtype as seventh.
fn view(heap: &mut Heap, third: bool, arguments: Value) -> Result<Value, Halt> {
    let bad = || Halt::Malformed("its pickle has a tensor that is not described properly".into());
    let items = heap.tuple(arguments).unwrap_or_default();
    let &[storage, offset, shape, strides, ..] = items else { return Err(bad()) };
    let storage = heap.storage(storage).ok_or_else(bad)?;
    let dtype = if third {
        let name = items.get(6).and_then(|&dtype| heap.global(dtype)).ok_or_else(bad)?;
        match dtype(name) {
            Some(dtype) => dtype,
            None => {
                return Halt::malformed(format!("its pickle has a tensor of an unknown {name}"));
            }
        }
    } else {
        storage.dtype
    };
    let numbers = |value| -> Option<Box<[usize]>> {
        let items = heap.tuple(value).filter(|items| items.len() <= MOST_AXES)?;
        items.iter().map(|item| item.number()).collect()
    };
    let (shape, strides) = (numbers(shape).ok_or_else(bad)?, numbers(strides).ok_or_else(bad)?);
    let offset = offset.number().ok_or_else(bad)?;
    if shape.len() != strides.len() {
        return Err(bad());
    }
    heap.add(Node::View(Box::new(View { storage, dtype, offset, shape, strides })))
}
