//! Parquet files in the form in which the hub keeps published datasets: lists and structs, uncompressed or compressed
//! with snappy. A file's bytes come in, its rows go out. The claims of the file are checked before anything is
//! unpacked. `data/table.rs` calls it.

mod pages;
mod pictures;

use ::parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use ::parquet::data_type::{DataType, FixedLenByteArray};
use ::parquet::errors::ParquetError;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::record::{Field, Row as Record};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::limits::{CELL_RATIO, PARQUET_PAGE, guarded};
use crate::task::data::picture_cells::RowPictures;

/// Memory in bytes that every file may take, however short it is.
const BASE_ROOM: u64 = 16 << 20;
/// Minimum memory of one value, in bytes.
const VALUE_BYTES: u64 = 64;
/// How many records of a text column are read at once.
const RECORDS_AT_ONCE: usize = 16;

/// A row's cells, and the pictures of the columns that hold pictures.
type Cells = (Map<String, Value>, RowPictures);

/// Reads all rows of a file; the columns `images` hold pictures.
pub(in crate::task) fn rows(bytes: &[u8], images: &[String]) -> Result<Vec<Cells>, String> {
    guarded(|| read(bytes, images)).unwrap_or_else(|| Err(unreadable("its numbers contradict each other")))
}

fn unreadable(why: &str) -> String {
    let first = why.lines().next().unwrap_or_default();
    format!("this Parquet file can't be read ({first}): write it anew, with snappy compression or none")
}

fn broken(error: &ParquetError) -> String {
    unreadable(&error.to_string())
}

fn read(bytes: &[u8], images: &[String]) -> Result<Vec<Cells>, String> {
    match pages::is_shallow(bytes) {
        Some(true) => {}
        Some(false) => return Err(unreadable("its schema has too many levels")),
        None => return Err(unreadable("its footer is damaged or cut off")),
    }
    let reader = SerializedFileReader::new(Bytes::copy_from_slice(bytes)).map_err(|e| broken(&e))?;
    let room = Room { most: BASE_ROOM + CELL_RATIO * bytes.len() as u64 };
    room.check_pages(bytes, &reader)?;
    room.check_texts(&reader)?;
    let mut out = Vec::new();
    let mut held = 0;
    let mut shared = pictures::Shared::default();
    for record in reader.get_row_iter(None).map_err(|e| broken(&e))? {
        let (mut cells, mut found) = (Map::new(), RowPictures::new());
        for (name, field) in record.map_err(|e| broken(&e))?.get_column_iter() {
            if images.contains(name) {
                found.insert(name.clone(), shared.cells(field));
            } else {
                cells.insert(name.clone(), value(field));
            }
        }
        held += cells.iter().map(|(name, value)| name.len() as u64 + weight(value)).sum::<u64>();
        held += found.values().map(|cells| VALUE_BYTES * (1 + cells.len() as u64)).sum::<u64>();
        room.holds(held + shared.held())?;
        out.push((cells, found));
    }
    Ok(out)
}

/// The memory that a file may take.
struct Room {
    most: u64,
}

impl Room {
    fn holds(&self, bytes: u64) -> Result<(), String> {
        if bytes <= self.most {
            return Ok(());
        }
        Err(format!(
            "this Parquet file would take over {} MiB unpacked, which is more than {CELL_RATIO} times its size: \
             write its rows as JSON lines",
            self.most >> 20
        ))
    }

    /// Checks the sizes that the page headers claim.
    fn check_pages(&self, bytes: &[u8], reader: &SerializedFileReader<Bytes>) -> Result<(), String> {
        let (mut size, mut values) = (0_u64, 0_u64);
        for group in reader.metadata().row_groups() {
            if group.num_columns() == 0 && group.num_rows() > 0 {
                return Err(unreadable("it has rows and no columns"));
            }
            for column in group.columns() {
                let first = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
                let place = usize::try_from(first.min(column.data_page_offset())).ok();
                let length = usize::try_from(column.compressed_size()).ok();
                let found = place
                    .zip(length)
                    .and_then(|(start, length)| pages::pages(bytes, start, start.checked_add(length)?));
                let Some(found) = found else { return Err(unreadable("a page's head is damaged")) };
                let nested = column.column_descr().max_rep_level() > 0;
                if nested && found.iter().any(|p| p.by_prefix) {
                    return Err(unreadable("lists of texts are coded by their prefixes"));
                }
                if found.iter().any(|p| p.size > PARQUET_PAGE as u64) {
                    return Err(unreadable("a page claims more than any page holds"));
                }
                let here: u64 = found.iter().map(|p| p.values).sum();
                if u64::try_from(group.num_rows()).map_or(true, |rows| rows > here) {
                    return Err(unreadable("it claims more rows than its columns have"));
                }
                size = size.saturating_add(found.iter().map(|p| p.size).sum());
                values = values.saturating_add(here);
                self.holds(size.max(values.saturating_mul(VALUE_BYTES)))?;
            }
        }
        Ok(())
    }

    /// Checks the lengths of texts while they are read: a dictionary can repeat a text, and a shared prefix can
    /// lengthen it.
    fn check_texts(&self, reader: &SerializedFileReader<Bytes>) -> Result<(), String> {
        let mut held = 0;
        for group in 0..reader.num_row_groups() {
            let group = reader.get_row_group(group).map_err(|e| broken(&e))?;
            for column in 0..group.num_columns() {
                match group.get_column_reader(column).map_err(|e| broken(&e))? {
                    ColumnReader::ByteArrayColumnReader(texts) => {
                        self.add(texts, &mut held, parquet::data_type::ByteArray::len)?;
                    }
                    ColumnReader::FixedLenByteArrayColumnReader(texts) => {
                        self.add(texts, &mut held, |t: &FixedLenByteArray| t.len())?;
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn add<T: DataType>(
        &self,
        mut texts: ColumnReaderImpl<T>,
        held: &mut u64,
        length: impl Fn(&T::T) -> usize,
    ) -> Result<(), String> {
        let (mut read, mut defined, mut repeated) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            read.clear();
            defined.clear();
            repeated.clear();
            let (records, _, levels) = texts
                .read_records(RECORDS_AT_ONCE, Some(&mut defined), Some(&mut repeated), &mut read)
                .map_err(|e| broken(&e))?;
            *held += read.iter().map(|t| length(t) as u64).sum::<u64>();
            self.holds(*held)?;
            if records == 0 && levels == 0 && read.is_empty() {
                return Ok(());
            }
        }
    }
}

/// Approximate memory of a value, in bytes.
fn weight(value: &Value) -> u64 {
    VALUE_BYTES
        + match value {
            Value::String(text) => text.len() as u64,
            Value::Array(all) => all.iter().map(weight).sum(),
            Value::Object(map) => map.iter().map(|(name, value)| name.len() as u64 + weight(value)).sum(),
            _ => 0,
        }
}

fn object(record: &Record) -> Map<String, Value> {
    record.get_column_iter().map(|(name, field)| (name.clone(), value(field))).collect()
}

/// A field as JSON. Bytes become text if they are UTF-8.
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ::parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
    use ::parquet::file::properties::WriterProperties;
    use ::parquet::file::writer::SerializedFileWriter;
    use ::parquet::schema::parser::parse_message_type;

    use super::*;

    /// A file of one column: `rows` times the same text, or null where it is empty.
    fn same(text: &str, rows: usize) -> Vec<u8> {
        let schema = Arc::new(parse_message_type("message m { optional binary question (UTF8); }").unwrap());
        let properties = WriterProperties::builder().set_compression(::parquet::basic::Compression::SNAPPY);
        let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties.build())).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let typed = column.typed::<ByteArrayType>();
        let values = if text.is_empty() { Vec::new() } else { vec![ByteArray::from(text); rows] };
        let levels = vec![i16::from(!text.is_empty()); rows];
        typed.write_batch(&values, Some(&levels), None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
        writer.into_inner().unwrap()
    }

    #[test]
    fn what_a_few_bytes_stand_for_is_bounded() {
        let honest = rows(&same("How many?", 1000), &[]).unwrap();
        assert_eq!((honest.len(), &honest[999].0["question"]), (1000, &json!("How many?")));
        // A dictionary repeats one long text a hundred thousand times; a run repeats null five million times.
        for file in [same(&"y".repeat(100_000), 100_000), same("", 5_000_000)] {
            assert!(file.len() < 100_000, "{}", file.len());
            let message = rows(&file, &[]).unwrap_err();
            assert!(message.contains("times its size"), "{message}");
        }
    }

    #[test]
    fn heads_and_footers_that_lie_are_refused() {
        let file = same("text", 3);
        for cut in 0..file.len() {
            assert!(rows(&file[..cut], &[]).is_err());
        }
        for at in 0..file.len() {
            for flip in [1, 0x7f, 0xff] {
                let mut bad = file.clone();
                bad[at] ^= flip;
                let _ = rows(&bad, &["question".to_owned()]);
            }
        }
        // A schema of nested groups.
        let deep = format!(
            "message m {{ {} required int64 x; {} }}",
            "required group g { ".repeat(60),
            "}".repeat(60)
        );
        let schema = Arc::new(parse_message_type(&deep).unwrap());
        let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&[1], None, None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
        assert!(rows(&writer.into_inner().unwrap(), &[]).unwrap_err().contains("too many levels"));
    }
}
