//! The safetensors format: an 8-byte little-endian header length, a JSON header, the data.
//! Every number in the header is checked against the file before anything is allocated or read.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::fields::printable;
use super::{CheckpointError, Dtype};
use crate::limits::SAFETENSORS_HEADER;

/// A tensor of a file: its type, its shape, and where its bytes are from the start of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// What a header says.
#[derive(Debug, Default)]
pub(super) struct Header {
    /// Tensors of an element type that is read here.
    pub(super) tensors: BTreeMap<String, Entry>,
    /// Tensors of other types (integer buffers, 8-bit floats), with their type's name.
    pub(super) foreign: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct RawEntry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// Reads and checks the header of a whole file in `bytes`; `file` names it in errors.
pub(super) fn read_header(bytes: &[u8], file: &str) -> Result<Header, CheckpointError> {
    let damaged = |problem: String| CheckpointError::Damaged { file: file.to_owned(), problem };
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(damaged(format!(
            "{} bytes are too few for a safetensors file; it is truncated",
            bytes.len()
        )));
    };
    let length = u64::from_le_bytes(*length);
    if length > SAFETENSORS_HEADER || length > rest.len() as u64 {
        return Err(damaged(format!(
            "claims a header of {length} bytes, but {} bytes follow; it is truncated or no safetensors file",
            rest.len()
        )));
    }
    let (header, data) = rest.split_at(length as usize);
    let header: BTreeMap<String, Value> = serde_json::from_slice(header)
        .map_err(|e| damaged(format!("its header is not the JSON of a safetensors file: {e}")))?;

    let data_start = 8 + length as usize;
    let mut out = Header::default();
    for (name, value) in header {
        if name == "__metadata__" {
            continue;
        }
        let bad = |problem: String| CheckpointError::Tensor {
            file: file.to_owned(),
            tensor: printable(&name),
            problem,
        };
        let raw: RawEntry =
            serde_json::from_value(value).map_err(|e| bad(format!("has a broken header entry ({e})")))?;
        let (start, end) = raw.data_offsets;
        if start > end || end > data.len() as u64 {
            return Err(bad(format!(
                "claims bytes {start} to {end}, but the file holds {} bytes of data; it is truncated",
                data.len()
            )));
        }
        let Some(dtype) = Dtype::from_name(&raw.dtype) else {
            out.foreign.insert(name, printable(&raw.dtype));
            continue;
        };
        let wanted = raw.shape.iter().try_fold(dtype.size() as u64, |n, &side| n.checked_mul(side));
        if wanted != Some(end - start) {
            return Err(bad(format!(
                "of type {} and shape {:?} does not fill its {} bytes",
                raw.dtype,
                raw.shape,
                end - start
            )));
        }
        let entry = Entry {
            dtype,
            // Fits: its product with the others is a length inside this file, or a side is 0.
            shape: raw.shape.iter().map(|&side| side as usize).collect(),
            start: data_start + start as usize,
            end: data_start + end as usize,
        };
        out.tensors.insert(name, entry);
    }
    Ok(out)
}

/// The header, length included, of a file whose tensors follow in the order given: name, type,
/// shape. The header is padded with spaces to a multiple of 8 bytes.
pub(super) fn make_header<'a>(tensors: impl Iterator<Item = (&'a str, Dtype, &'a [usize])>) -> Vec<u8> {
    let mut map = serde_json::Map::new();
    map.insert("__metadata__".to_owned(), serde_json::json!({"format": "pt"}));
    let mut offset = 0;
    for (name, dtype, shape) in tensors {
        let end = offset + shape.iter().product::<usize>() * dtype.size();
        let entry = serde_json::json!({"dtype": dtype.name(), "shape": shape, "data_offsets": [offset, end]});
        map.insert(name.to_owned(), entry);
        offset = end;
    }
    let mut json = Value::Object(map).to_string().into_bytes();
    json.resize(json.len().next_multiple_of(8), b' ');
    let mut out = (json.len() as u64).to_le_bytes().to_vec();
    out.append(&mut json);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Vec<u8> {
        let shape: [usize; 2] = [2, 3];
        let mut file =
            make_header([("a", Dtype::BF16, &shape[..]), ("b", Dtype::F32, &shape[1..])].into_iter());
        file.extend((0..24).map(|i| i as u8));
        file
    }

    #[test]
    fn reads_what_it_writes() {
        let file = sample();
        let header = read_header(&file, "f").unwrap();
        assert_eq!(header.tensors["a"].shape, [2, 3]);
        assert_eq!(&file[header.tensors["b"].start..header.tensors["b"].end], &file[file.len() - 12..]);
    }

    #[test]
    fn truncated_and_overclaiming_files_are_refused() {
        let file = sample();
        for cut in 0..file.len() {
            let message = read_header(&file[..cut], "f.safetensors").unwrap_err().to_string();
            assert!(message.starts_with("f.safetensors: "), "{message}");
        }
        let mut claims = file.clone();
        claims[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(read_header(&claims, "f").unwrap_err().to_string().contains("claims a header of"));
        let text = |json: &str| {
            let mut f = (json.len() as u64).to_le_bytes().to_vec();
            f.extend(json.as_bytes());
            f.extend([0; 8]);
            read_header(&f, "f").unwrap_err().to_string()
        };
        assert!(text(r#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#).contains("does not fill"));
        assert!(text(r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#).contains("claims bytes"));
        assert!(text(r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#).contains("claims bytes"));
        let huge = r#"{"a":{"dtype":"F32","shape":[4611686018427387905,4],"data_offsets":[0,8]}}"#;
        assert!(text(huge).contains("does not fill"));
        assert!(text(r#"{"a":3}"#).contains("broken header entry"));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read_header(&bytes, "f");
        }

        #[test]
        fn mutated_files_never_panic_and_never_point_outside(
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)
        ) {
            let mut file = sample();
            for (at, byte) in changes {
                let at = at.index(file.len());
                file[at] = byte;
            }
            if let Ok(header) = read_header(&file, "f") {
                for entry in header.tensors.values() {
                    prop_assert!(entry.start <= entry.end && entry.end <= file.len());
                }
            }
        }
    }
}
