//! Parquet files, as the hub keeps published datasets: rows with lists and structs, uncompressed
//! or compressed with snappy.

use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::record::{Field, Row as Record};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::table::Row;

/// All rows of a file.
pub(super) fn rows(bytes: &[u8]) -> Result<Vec<Row>, String> {
    let broken = |e: ::parquet::errors::ParquetError| {
        let text = e.to_string();
        let first = text.lines().next().unwrap_or_default();
        format!("this Parquet file can't be read ({first}): write it anew, with snappy compression or none")
    };
    let reader = SerializedFileReader::new(Bytes::copy_from_slice(bytes)).map_err(broken)?;
    let mut out = Vec::new();
    for record in reader.get_row_iter(None).map_err(broken)? {
        out.push(Row { line: out.len() + 1, cells: object(&record.map_err(broken)?) });
    }
    Ok(out)
}

fn object(record: &Record) -> Map<String, Value> {
    record.get_column_iter().map(|(name, field)| (name.clone(), value(field))).collect()
}

/// A field as JSON. Bytes are text where they are UTF-8.
fn value(field: &Field) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Bool(v) => json!(v),
        Field::Byte(v) => json!(v),
        Field::Short(v) => json!(v),
        Field::Int(v) => json!(v),
        Field::Long(v) => json!(v),
        Field::UByte(v) => json!(v),
        Field::UShort(v) => json!(v),
        Field::UInt(v) => json!(v),
        Field::ULong(v) => json!(v),
        Field::Float(v) => json!(v),
        Field::Double(v) => json!(v),
        Field::Str(v) => json!(v),
        Field::Bytes(v) => json!(String::from_utf8_lossy(v.data())),
        Field::Group(record) => Value::Object(object(record)),
        Field::ListInternal(list) => Value::Array(list.elements().iter().map(value).collect()),
        other => json!(other.to_string()),
    }
}
