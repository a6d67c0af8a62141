//! Pictures in Parquet's cells: bytes, paths, the hub's structs of both, and lists of them. Equal bytes are held once.

use std::collections::HashMap;
use std::sync::Arc;

use ::parquet::record::Field;
use xxhash_rust::xxh3::xxh3_128;

use crate::task::data::picture_cells::PictureCell;

/// All bytes of a file's pictures, by their hash.
#[derive(Default)]
pub(super) struct Shared(HashMap<u128, Arc<[u8]>>);

impl Shared {
    /// The pictures of a cell.
    pub fn cells(&mut self, field: &Field) -> Vec<PictureCell> {
        let mut out = Vec::new();
        self.put(field, &mut out);
        out
    }

    /// Bytes of all pictures.
    pub fn held(&self) -> u64 {
        self.0.values().map(|bytes| bytes.len() as u64).sum()
    }

    fn put(&mut self, field: &Field, out: &mut Vec<PictureCell>) {
        match field {
            Field::Null => {}
            Field::Str(text) if text.is_empty() => {}
            Field::Str(text) => out.push(PictureCell::Text(text.clone())),
            Field::Bytes(bytes) => {
                let bytes = bytes.data();
                let shared = self.0.entry(xxh3_128(bytes)).or_insert_with(|| Arc::from(bytes));
                out.push(PictureCell::Bytes(Arc::clone(shared)));
            }
            Field::Group(record) => {
                let named = |wanted: &str| {
                    let found = record.get_column_iter().find(|(name, _)| *name == wanted);
                    found.map(|(_, field)| field).filter(|field| !matches!(field, Field::Null))
                };
                match named("bytes").or_else(|| named("path")) {
                    Some(field) => self.put(field, out),
                    None => out.push(PictureCell::Other("a struct without bytes and path")),
                }
            }
            Field::ListInternal(list) => list.elements().iter().for_each(|one| self.put(one, out)),
            _ => out.push(PictureCell::Other("a number")),
        }
    }
}
