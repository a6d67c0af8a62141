//! Assigns tensors to shards and makes the shard index. `plan` calls it.

use serde_json::{Map, json};

use crate::checkpoint::{Dtype, shard_bytes};

/// A tensor of the checkpoint to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorHeader {
    pub name: String,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
}

impl TensorHeader {
    /// Size of its values in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.dtype.size() as u64 * self.shape.iter().product::<usize>() as u64
    }

    fn header(&self) -> (&str, Dtype, &[usize]) {
        (&self.name, self.dtype, &self.shape)
    }
}

/// One weight file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    pub file: String,
    /// Length of the file in bytes.
    pub bytes: u64,
    pub tensors: Vec<TensorHeader>,
}

impl Shard {
    /// Name, type and shape of each tensor, in order.
    pub(super) fn header(&self) -> impl Iterator<Item = (&str, Dtype, &[usize])> + Clone {
        self.tensors.iter().map(TensorHeader::header)
    }
}

/// Fills shards in order. Each holds at most `limit` bytes of values, or one larger tensor. A single shard is named
/// `model.safetensors`.
pub(super) fn layout(tensors: impl IntoIterator<Item = TensorHeader>, limit: u64) -> Vec<Shard> {
    let mut lists: Vec<Vec<TensorHeader>> = Vec::new();
    let mut room = 0;
    for tensor in tensors {
        let bytes = tensor.bytes();
        if let Some(list) = lists.last_mut().filter(|_| bytes <= room) {
            room -= bytes;
            list.push(tensor);
        } else {
            room = limit.saturating_sub(bytes);
            lists.push(vec![tensor]);
        }
    }
    let count = lists.len();
    let shard = |(i, tensors): (usize, Vec<TensorHeader>)| Shard {
        file: match count {
            1 => "model.safetensors".to_owned(),
            _ => format!("model-{:05}-of-{count:05}.safetensors", i + 1),
        },
        bytes: shard_bytes(tensors.iter().map(TensorHeader::header)),
        tensors,
    };
    lists.into_iter().enumerate().map(shard).collect()
}

/// `model.safetensors.index.json`; `None` for a single shard, which needs no index.
pub(super) fn index(shards: &[Shard]) -> Option<String> {
    let [_, _, ..] = shards else { return None };
    let mut map = Map::new();
    let mut total = 0;
    for shard in shards {
        for tensor in &shard.tensors {
            map.insert(tensor.name.clone(), shard.file.as_str().into());
            total += tensor.bytes();
        }
    }
    let index = json!({"metadata": {"total_size": total}, "weight_map": map});
    Some(format!("{index:#}\n"))
}

/// Reads a size such as `5GB`, `500MB` or `1000000` (decimal units, as transformers reads them;
/// `GiB` and `MiB` are binary).
///
/// # Errors
/// The text is not a size, or the size is 0 or overflows.
pub fn read_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let unit: f64 = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "kb" | "k" => 1e3,
        "mb" | "m" => 1e6,
        "gb" | "g" => 1e9,
        "tb" | "t" => 1e12,
        "kib" => 1024.0,
        "mib" => 1_048_576.0,
        "gib" => 1_073_741_824.0,
        _ => return Err(format!("{text} is no size; write it like 5GB or 500MB")),
    };
    match text[..digits].parse::<f64>().map(|n| n * unit) {
        Ok(bytes) if (1.0..1e18).contains(&bytes) => Ok(bytes as u64),
        _ => Err(format!("{text} is no size; write it like 5GB or 500MB")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, n: usize) -> TensorHeader {
        TensorHeader { name: name.to_owned(), dtype: Dtype::BF16, shape: vec![n] }
    }

    #[test]
    fn shards_are_filled_in_order() {
        let tensors = [header("a", 3), header("b", 2), header("c", 9), header("d", 1)];
        let shards = layout(tensors.clone(), 10);
        let names: Vec<Vec<&str>> =
            shards.iter().map(|s| s.tensors.iter().map(|t| t.name.as_str()).collect()).collect();
        assert_eq!(names, [vec!["a", "b"], vec!["c"], vec!["d"]]);
        assert_eq!(shards[1].file, "model-00002-of-00003.safetensors");
        assert!(shards[1].bytes > 18 + 8 && shards[1].bytes.is_multiple_of(2));
        let index: serde_json::Value = serde_json::from_str(&index(&shards).unwrap()).unwrap();
        assert_eq!(index["metadata"]["total_size"], 30);
        assert_eq!(index["weight_map"]["d"], "model-00003-of-00003.safetensors");
        let one = layout(tensors, u64::MAX);
        assert_eq!((one.len(), one[0].file.as_str()), (1, "model.safetensors"));
        assert_eq!(super::index(&one), None);
    }

    #[test]
    fn sizes() {
        assert_eq!(read_size("5GB"), Ok(5_000_000_000));
        assert_eq!(read_size(" 1.5 MiB"), Ok(1_572_864));
        assert_eq!(read_size("1000"), Ok(1000));
        for bad in ["", "GB", "0", "5XB", "1e3", "-1", "9999999999GB"] {
            assert!(read_size(bad).unwrap_err().contains("5GB"), "{bad}");
        }
    }
}
