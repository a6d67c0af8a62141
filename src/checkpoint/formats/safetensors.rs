//! The safetensors format: an 8-byte little-endian header length, a JSON header, the data. Reads a header (every number
//! is checked against the file before anything is allocated or read), and makes headers for writing.

use std::cmp::Ordering;

use serde::Deserialize;
use serde_json::Value;

use super::header::{Entry, Header};
use super::unique_keys::Pairs;
use crate::checkpoint::untrusted::printable;
use crate::checkpoint::{CheckpointError, Dtype};
use crate::limits::SAFETENSORS_HEADER;

/// File name of the weights in a single file.
pub(in crate::checkpoint) const SINGLE: &str = "model.safetensors";
/// File name of the index of weights in several files.
pub(in crate::checkpoint) const INDEX: &str = "model.safetensors.index.json";

#[derive(Deserialize)]
struct RawEntry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// Reads and checks the header of a whole file; `file` names it in errors.
pub(in crate::checkpoint) fn read_header(bytes: &[u8], file: &str) -> Result<Header, CheckpointError> {
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
    let Pairs(header) = serde_json::from_slice::<Pairs<Value>>(header)
        .map_err(|e| damaged(format!("its header is not the JSON of a safetensors file: {e}")))?;

    let data_start = 8 + length as usize;
    let mut out = Header::default();
    let mut ranges = Vec::with_capacity(header.len());
    for (name, value) in header {
        if name == "__metadata__" {
            let texts = value.as_object().is_some_and(|map| map.values().all(Value::is_string));
            if texts || value.is_null() {
                continue;
            }
            return Err(damaged("its __metadata__ is not a list of texts".to_owned()));
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
        ranges.push((start, end, name.clone()));
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
            // Does not overflow: the product with the others is a length inside this file, or a side is 0.
            shape: raw.shape.iter().map(|&side| side as usize).collect(),
            start: data_start + start as usize,
            end: data_start + end as usize,
        };
        out.tensors.insert(name, entry);
    }
    check_ranges(ranges, data.len() as u64, file)?;
    Ok(out)
}

/// Checks that the tensors fill the data one after another. The format allows neither gaps nor overlaps, which two
/// readers could interpret differently.
fn check_ranges(mut ranges: Vec<(u64, u64, String)>, length: u64, file: &str) -> Result<(), CheckpointError> {
    ranges.sort_unstable();
    let mut last: (u64, &str) = (0, "");
    for (start, end, name) in &ranges {
        if *start != last.0 {
            let problem = match (start.cmp(&last.0), last.1) {
                (Ordering::Less, other) => {
                    format!("begins at byte {start}, within {}, which ends at {}", printable(other), last.0)
                }
                (_, "") => format!("is the first and begins at byte {start}; the bytes before are nobody's"),
                (_, other) => {
                    format!("begins at byte {start}, but {} before it ends at {}", printable(other), last.0)
                }
            };
            return Err(CheckpointError::Tensor { file: file.to_owned(), tensor: printable(name), problem });
        }
        last = (*end, name);
    }
    if last.0 == length {
        return Ok(());
    }
    let problem = format!("its tensors end at byte {} of {length} bytes of data", last.0);
    Err(CheckpointError::Damaged { file: file.to_owned(), problem })
}

/// The header, length included, of a file whose tensors follow in the given order: name, type, shape. The header is
/// padded with spaces to a multiple of 8 bytes.
pub(in crate::checkpoint) fn make_header<'a>(
    tensors: impl Iterator<Item = (&'a str, Dtype, &'a [usize])>,
) -> Vec<u8> {
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
        assert!(text(r#"{"__metadata__":{"a":3}}"#).contains("__metadata__"));
    }

    /// A file of 8 bytes of data under this header.
    fn says(header: &str) -> Result<Header, String> {
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.as_bytes());
        file.extend([0; 8]);
        read_header(&file, "f.safetensors").map_err(|error| error.to_string())
    }

    #[test]
    fn every_byte_belongs_to_one_tensor() {
        let pair = |a: &str, b: &str| {
            let entry = |name: &str, at: &str| {
                format!(r#""{name}":{{"dtype":"F16","shape":[2],"data_offsets":{at}}}"#)
            };
            says(&format!("{{{},{}}}", entry("a", a), entry("b", b)))
        };
        assert_eq!(pair("[0,4]", "[4,8]").unwrap().tensors.len(), 2);
        assert_eq!(pair("[4,8]", "[0,4]").unwrap().tensors.len(), 2);
        let overlap = pair("[0,4]", "[2,6]").unwrap_err();
        assert!(overlap.contains("f.safetensors: tensor b begins at byte 2, within a"), "{overlap}");
        let twice = pair("[0,4]", "[0,4]").unwrap_err();
        assert!(twice.contains("tensor b begins at byte 0, within a"), "{twice}");
        let one = |at: &str, shape: &str| {
            says(&format!(r#"{{"a":{{"dtype":"F16","shape":[{shape}],"data_offsets":{at}}}}}"#))
        };
        let first = one("[4,8]", "2").unwrap_err();
        assert!(first.contains("tensor a is the first and begins at byte 4"), "{first}");
        let rest = one("[0,4]", "2").unwrap_err();
        assert!(rest.contains("its tensors end at byte 4 of 8"), "{rest}");
        // Tensors with unsupported types count too, and so do empty tensors.
        let foreign = r#"{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},"b":{"dtype":"F16","shape":[0],"data_offsets":[8,8]}}"#;
        assert_eq!(says(foreign).unwrap().foreign.len(), 1);
        let entry = r#""a":{"dtype":"F16","shape":[4],"data_offsets":[0,8]}"#;
        let twice = says(&format!("{{{entry},{entry}}}")).unwrap_err();
        assert!(twice.contains("a is there twice"), "{twice}");
    }

    /// Why the format's own reader is not used: of two tensors with one name it silently takes one.
    #[test]
    fn a_name_that_is_there_twice_is_refused_here_alone() {
        let header = r#"{"a":{"dtype":"F16","shape":[4],"data_offsets":[0,8]},"a":{"dtype":"BF16","shape":[4],"data_offsets":[0,8]}}"#;
        assert!(says(header).unwrap_err().contains("a is there twice"));
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.as_bytes());
        file.extend([0; 8]);
        assert_eq!(::safetensors::SafeTensors::deserialize(&file).unwrap().len(), 1);
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
