//! `pytorch_model.bin`: a ZIP archive with a pickle that lists the tensors, and one file per storage. In: the archive's
//! bytes. Out: a [`Header`] like that of a safetensors file; the tensors are mapped in the same way.

use super::header::{Entry, Header};
use super::pickle::{self, Listed};
use super::zip::{self, ByteRange};
use crate::checkpoint::untrusted::printable;
use crate::checkpoint::{CheckpointError, Dtype};

pub(super) const SINGLE: &str = "pytorch_model.bin";
pub(super) const INDEX: &str = "pytorch_model.bin.index.json";

/// The contents of a whole file; `file` names it in errors.
pub(super) fn read_header(bytes: &[u8], file: &str) -> Result<Header, CheckpointError> {
    let damaged =
        |problem: &str| CheckpointError::Damaged { file: file.to_owned(), problem: problem.to_owned() };
    if bytes.starts_with(&[0x80, 0x02, 0x8a, 0x0a]) {
        return Err(CheckpointError::Foreign {
            path: file.to_owned(),
            what: "it is a pickle as PyTorch before 1.6 wrote it; save it again: python -c \"import torch; \
                   torch.save(torch.load('FILE', weights_only=True), 'FILE')\""
                .replace("FILE", &crate::checkpoint::untrusted::quoted(file)),
        });
    }
    let places = zip::places(bytes).map_err(damaged)?;
    let mut lists = places.keys().filter(|name| *name == "data.pkl" || name.ends_with("/data.pkl"));
    let list = lists.next().ok_or_else(|| damaged("has no data.pkl, which lists the tensors"))?;
    if lists.next().is_some() {
        return Err(damaged("has two data.pkl, and one lists the tensors"));
    }
    let root = list.strip_suffix("data.pkl").unwrap_or_default();
    let of = |place: &ByteRange| &bytes[place.0..place.1];
    if places.get(&format!("{root}byteorder")).is_some_and(|place| of(place) != b"little") {
        return Err(damaged("holds numbers in big-endian order, which are not read"));
    }
    let listed = pickle::tensors(of(&places[list]));
    let listed = listed.map_err(|why| damaged(&format!("its list of tensors {why}")))?;
    let mut out = Header::default();
    for (name, tensor) in listed {
        let bad = |problem: &str| CheckpointError::Tensor {
            file: file.to_owned(),
            tensor: printable(&name),
            problem: problem.to_owned(),
        };
        let dtype = match &*tensor.kind {
            "FloatStorage" => Dtype::F32,
            "HalfStorage" => Dtype::F16,
            "BFloat16Storage" => Dtype::BF16,
            other => {
                out.foreign.insert(name.to_string(), printable(other));
                continue;
            }
        };
        let place = places.get(&format!("{root}data/{}", tensor.key));
        let place = place.ok_or_else(|| bad("has no file in the archive"))?;
        out.tensors.insert(name.to_string(), entry(&tensor, dtype, *place).map_err(bad)?);
    }
    Ok(out)
}

/// The byte range of a tensor, if its rows are contiguous and inside its storage.
fn entry(tensor: &Listed, dtype: Dtype, (from, to): ByteRange) -> Result<Entry, &'static str> {
    const OUTSIDE: &str = "lies outside its storage; it is truncated";
    let size = |n: i64| usize::try_from(n).map_err(|_| OUTSIDE);
    let shape = tensor.shape.iter().map(|n| size(*n)).collect::<Result<Vec<usize>, _>>()?;
    let count = shape.iter().try_fold(dtype.size(), |n, side| n.checked_mul(*side)).ok_or(OUTSIDE)?;
    if tensor.strides.len() != shape.len() {
        return Err("has sides without a stride each");
    }
    let mut step = 1_i64;
    for (side, stride) in tensor.shape.iter().zip(&tensor.strides).rev() {
        if *side > 1 && *stride != step {
            return Err("does not lie row by row; save it with .contiguous()");
        }
        step = step.saturating_mul(*side);
    }
    let offset = size(tensor.offset)?.checked_mul(dtype.size()).ok_or(OUTSIDE)?;
    let start = from.checked_add(offset).ok_or(OUTSIDE)?;
    let end = start.checked_add(count).filter(|end| *end <= to).ok_or(OUTSIDE)?;
    Ok(Entry { dtype, shape, start, end })
}
