//! The pickle in which `PyTorch` lists a model's tensors. In: the bytes of `data.pkl`. Out: name, type, shape and
//! position of each tensor. A pickle is a program, but this reader never runs it: it understands only the instructions
//! and names that a list of tensors needs, and refuses all others.

use std::cell::RefCell;
use std::rc::Rc;

use crate::checkpoint::untrusted::printable;

/// A listed tensor: where its values are stored, and in which layout.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Listed {
    /// `FloatStorage`, `BFloat16Storage`, …
    pub(super) kind: Rc<str>,
    /// The archive file that holds its values.
    pub(super) key: Rc<str>,
    /// Offset in elements.
    pub(super) offset: i64,
    pub(super) shape: Vec<i64>,
    pub(super) strides: Vec<i64>,
}

type Dict = Rc<RefCell<Vec<(Rc<str>, Rc<Listed>)>>>;

#[derive(Clone)]
enum Value {
    Number(i64),
    Text(Rc<str>),
    /// Items, and the nesting depth.
    Tuple(Rc<[Self]>, usize),
    /// Tensors by their names; other entries of the dictionary are skipped.
    Dict(Dict),
    /// A name inside a module.
    Name(Rc<str>),
    /// Kind and key.
    Storage(Rc<str>, Rc<str>),
    Tensor(Rc<Listed>),
    /// A value that is not needed, such as None, true, a float or a list.
    Other,
}

const DAMAGED: &str = "is no pickle of PyTorch, or is damaged";
/// Maximum depth of nested tuples; `PyTorch`'s own are three deep.
const DEPTH: usize = 16;

/// Tensors by name, in file order.
type Tensors = Vec<(Rc<str>, Rc<Listed>)>;

/// Reads the list of tensors. An error completes a sentence about the file.
pub(super) fn tensors(bytes: &[u8]) -> Result<Tensors, String> {
    let mut machine = Machine { rest: bytes, stack: Vec::new(), marks: Vec::new(), memo: Vec::new() };
    while machine.step()? {}
    match machine.stack.pop() {
        Some(Value::Dict(dict)) => Ok(dict.take()),
        _ => Err("holds no dictionary of tensors".to_owned()),
    }
}

struct Machine<'a> {
    rest: &'a [u8],
    stack: Vec<Value>,
    /// Saved stack heights.
    marks: Vec<usize>,
    memo: Vec<Value>,
}

impl<'a> Machine<'a> {
    /// Runs one instruction; returns false at the end.
    fn step(&mut self) -> Result<bool, String> {
        match self.take(1)?[0] {
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            b'.' => return Ok(false),
            b'(' => self.marks.push(self.stack.len()),
            b'}' => self.stack.push(Value::Dict(Dict::default())),
            b')' => self.stack.push(Value::Tuple(Rc::new([]), 1)),
            b']' | b'N' | 0x88 | 0x89 => self.stack.push(Value::Other),
            b'G' => {
                self.take(8)?;
                self.stack.push(Value::Other);
            }
            b'K' => {
                let byte = self.take(1)?[0];
                self.stack.push(Value::Number(i64::from(byte)));
            }
            b'M' => {
                let two = self.number(2)?;
                self.stack.push(Value::Number(two));
            }
            b'J' => {
                let four = self.number(4)?;
                self.stack.push(Value::Number(i64::from(four as u32 as i32)));
            }
            0x8a => self.long()?,
            b'X' => self.text(4)?,
            0x8c => self.text(1)?,
            b'c' => self.name()?,
            0x93 => self.name_from_stack()?,
            b'q' => {
                let place = self.number(1)?;
                self.keep(place as usize)?;
            }
            b'r' => {
                let place = self.number(4)?;
                self.keep(place as usize)?;
            }
            0x94 => self.keep(self.memo.len())?,
            b'h' => {
                let place = self.number(1)?;
                self.recall(place as usize)?;
            }
            b'j' => {
                let place = self.number(4)?;
                self.recall(place as usize)?;
            }
            0x85 => self.tuple(1)?,
            0x86 => self.tuple(2)?,
            0x87 => self.tuple(3)?,
            b't' => {
                let all = self.marked()?;
                self.push_tuple(all)?;
            }
            b'Q' => self.storage()?,
            b'R' => self.reduce()?,
            b'a' | b'b' => drop(self.pop()?),
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(&[key, value])?;
            }
            b'u' => {
                let all = self.marked()?;
                self.set(&all)?;
            }
            b'e' => drop(self.marked()?),
            other => {
                return Err(format!(
                    "has an instruction (0x{other:02x}) that a list of tensors has no use for"
                ));
            }
        }
        Ok(true)
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or(DAMAGED)?;
        self.rest = rest;
        Ok(taken)
    }

    /// An unsigned little-endian number of `n` bytes.
    fn number(&mut self, n: usize) -> Result<i64, String> {
        Ok(self.take(n)?.iter().rev().fold(0, |number, byte| number << 8 | i64::from(*byte)))
    }

    fn long(&mut self) -> Result<(), String> {
        let n = self.take(1)?[0] as usize;
        let bytes = self.take(n)?;
        let value = match bytes.last() {
            None => 0,
            Some(_) if n > 8 => return Err(DAMAGED.to_owned()),
            Some(last) => {
                let sign = if last & 0x80 == 0 { 0 } else { -1_i64 };
                bytes.iter().rev().fold(sign, |number, byte| number << 8 | i64::from(*byte))
            }
        };
        self.stack.push(Value::Number(value));
        Ok(())
    }

    fn text(&mut self, size: usize) -> Result<(), String> {
        let length = self.number(size)?;
        let bytes = self.take(usize::try_from(length).map_err(|_| DAMAGED)?)?;
        let text = std::str::from_utf8(bytes).map_err(|_| DAMAGED)?;
        self.stack.push(Value::Text(text.into()));
        Ok(())
    }

    fn line(&mut self) -> Result<&'a str, String> {
        let end = self.rest.iter().position(|b| *b == b'\n').ok_or(DAMAGED)?;
        let line = self.take(end + 1)?;
        Ok(std::str::from_utf8(&line[..end]).map_err(|_| DAMAGED)?)
    }

    fn name(&mut self) -> Result<(), String> {
        let (module, name) = (self.line()?, self.line()?);
        self.push_name(module, name)
    }

    fn name_from_stack(&mut self) -> Result<(), String> {
        let (Value::Text(name), Value::Text(module)) = (self.pop()?, self.pop()?) else {
            return Err(DAMAGED.to_owned());
        };
        self.push_name(&module, &name)
    }

    fn push_name(&mut self, module: &str, name: &str) -> Result<(), String> {
        let storage = module == "torch" && name.ends_with("Storage");
        let known = matches!(
            (module, name),
            ("collections", "OrderedDict") | ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_parameter")
        );
        if !storage && !known {
            let full = printable(&format!("{module}.{name}"));
            return Err(format!("asks for {full}, which is no part of a list of tensors; it is not run"));
        }
        self.stack.push(Value::Name(name.into()));
        Ok(())
    }

    fn pop(&mut self) -> Result<Value, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(DAMAGED.to_owned());
        }
        Ok(self.stack.pop().ok_or(DAMAGED)?)
    }

    fn marked(&mut self) -> Result<Vec<Value>, String> {
        let mark = self.marks.pop().ok_or(DAMAGED)?;
        Ok(self.stack.split_off(mark))
    }

    fn keep(&mut self, place: usize) -> Result<(), String> {
        // Memo indices count up; a gap would only waste memory.
        if place > self.memo.len() {
            return Err(DAMAGED.to_owned());
        }
        let value = self.stack.last().cloned().ok_or(DAMAGED)?;
        if place == self.memo.len() {
            self.memo.push(value);
        } else {
            self.memo[place] = value;
        }
        Ok(())
    }

    fn recall(&mut self, place: usize) -> Result<(), String> {
        let value = self.memo.get(place).cloned().ok_or(DAMAGED)?;
        self.stack.push(value);
        Ok(())
    }

    fn tuple(&mut self, n: usize) -> Result<(), String> {
        let mut all = Vec::with_capacity(n);
        for _ in 0..n {
            all.push(self.pop()?);
        }
        all.reverse();
        self.push_tuple(all)
    }

    fn push_tuple(&mut self, all: Vec<Value>) -> Result<(), String> {
        let depth = |value: &Value| if let Value::Tuple(_, depth) = value { *depth } else { 0 };
        let depth = 1 + all.iter().map(depth).max().unwrap_or(0);
        if depth > DEPTH {
            return Err(DAMAGED.to_owned());
        }
        self.stack.push(Value::Tuple(all.into(), depth));
        Ok(())
    }

    /// `("storage", kind, key, device, elements)`.
    fn storage(&mut self) -> Result<(), String> {
        let Value::Tuple(parts, _) = self.pop()? else { return Err(DAMAGED.to_owned()) };
        let [Value::Text(what), Value::Name(kind), Value::Text(key), ..] = &*parts else {
            return Err(DAMAGED.to_owned());
        };
        if &**what != "storage" {
            return Err(DAMAGED.to_owned());
        }
        self.stack.push(Value::Storage(kind.clone(), key.clone()));
        Ok(())
    }

    /// The result of calling a name with its arguments.
    fn reduce(&mut self) -> Result<(), String> {
        let (Value::Tuple(given, _), Value::Name(name)) = (self.pop()?, self.pop()?) else {
            return Err(DAMAGED.to_owned());
        };
        let made = match (&*name, &*given) {
            ("OrderedDict", _) => Value::Dict(Dict::default()),
            ("_rebuild_parameter", [Value::Tensor(tensor), ..]) => Value::Tensor(Rc::clone(tensor)),
            (
                "_rebuild_tensor_v2",
                [
                    Value::Storage(kind, key),
                    Value::Number(offset),
                    Value::Tuple(shape, _),
                    Value::Tuple(strides, _),
                    ..,
                ],
            ) => {
                let (shape, strides) = (numbers(shape)?, numbers(strides)?);
                let (kind, key) = (kind.clone(), key.clone());
                Value::Tensor(Rc::new(Listed { kind, key, offset: *offset, shape, strides }))
            }
            _ => return Err(DAMAGED.to_owned()),
        };
        self.stack.push(made);
        Ok(())
    }

    /// Adds pairs to the dictionary below them on the stack.
    fn set(&mut self, pairs: &[Value]) -> Result<(), String> {
        let Some(Value::Dict(dict)) = self.stack.last() else { return Err(DAMAGED.to_owned()) };
        let mut dict = dict.borrow_mut();
        for pair in pairs.chunks(2) {
            match pair {
                [Value::Text(name), Value::Tensor(tensor)] => dict.push((name.clone(), Rc::clone(tensor))),
                [_, _] => {}
                _ => return Err(DAMAGED.to_owned()),
            }
        }
        Ok(())
    }
}

fn numbers(values: &[Value]) -> Result<Vec<i64>, String> {
    let one = |value: &Value| if let Value::Number(n) = value { Ok(*n) } else { Err(DAMAGED.to_owned()) };
    values.iter().map(one).collect()
}
