//! The pictures in a row of data. Cells of the task's image columns come in, as text or as the hub's structs of bytes
//! and path; sources of pictures go out. The readers of tables and of questions call it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::picture::PictureSource;

/// The pictures of a row, by column.
pub(in crate::task) type RowPictures = BTreeMap<String, Vec<PictureCell>>;

/// One picture in a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::task) enum PictureCell {
    /// A path beside the data, or a `data:` URL.
    Text(String),
    /// The file's bytes, and the name that the data gives them.
    Bytes(Arc<[u8]>),
    /// Something that is no picture; a word for it.
    Other(&'static str),
}

/// Takes the cells of these columns out of a row. A column that the row does not have is not in the result.
pub(in crate::task) fn take(cells: &mut Map<String, Value>, columns: &[String]) -> RowPictures {
    let mut out = RowPictures::new();
    for column in columns {
        if let Some(value) = cells.remove(column) {
            let mut found = Vec::new();
            of_value(value, &mut found);
            out.insert(column.clone(), found);
        }
    }
    out
}

fn of_value(value: Value, out: &mut Vec<PictureCell>) {
    match value {
        Value::Null => {}
        Value::String(text) if text.is_empty() => {}
        Value::String(text) => out.push(PictureCell::Text(text)),
        Value::Array(all) => all.into_iter().for_each(|one| of_value(one, out)),
        // The hub's struct, whose bytes JSON can't hold.
        Value::Object(mut map) => match map.remove("path") {
            Some(path @ Value::String(_)) => of_value(path, out),
            _ => out.push(PictureCell::Other("an object without a path")),
        },
        Value::Bool(_) | Value::Number(_) => out.push(PictureCell::Other("a number")),
    }
}

/// The source of a cell's picture. `name` is what messages call bytes; `folder` is where paths begin, if the data lies
/// in a file.
pub(in crate::task) fn source(
    cell: &PictureCell,
    name: &str,
    folder: Option<&Path>,
) -> Result<PictureSource, String> {
    match (cell, folder) {
        (PictureCell::Bytes(bytes), _) => {
            Ok(PictureSource::Bytes { name: name.to_owned(), bytes: Arc::clone(bytes) })
        }
        (PictureCell::Other(what), _) => {
            Err(format!("the picture is {what}: give a path, a data: URL or the file's bytes"))
        }
        (PictureCell::Text(text), None)
            if !text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("data:")) =>
        {
            Err("the picture is a path and the data lies in no folder: give a data: URL".to_owned())
        }
        (PictureCell::Text(text), folder) => {
            let source = PictureSource::from_text(text, folder.unwrap_or(Path::new("")));
            match source.map_err(|e| e.to_string())? {
                // A data: URL has no name; the row tells it from the others.
                PictureSource::Bytes { bytes, .. } => {
                    Ok(PictureSource::Bytes { name: name.to_owned(), bytes })
                }
                file @ PictureSource::File(_) => Ok(file),
            }
        }
    }
}
