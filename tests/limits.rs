//! The page of bounds is made of the table of bounds.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write;
use std::path::Path;

use yosegi::limits::TABLE;

#[test]
fn the_page_is_the_table() {
    let mut page = String::from(
        "# Limits\n\nNo number from a file or a flag sizes an allocation or a loop before it has passed one of these \
         bounds; what is\nbeyond is refused in one sentence that names file, key and bound. They stand in \
         `src/limits.rs`, and this page is made of\nthem (`YOSEGI_WRITE_DOCS=1 cargo test --test limits`).\n\n\
         | bound | most | of what | why |\n|---|---|---|---|\n",
    );
    for limit in TABLE {
        writeln!(page, "| `{}` | {} | {} | {} |", limit.name, limit.most, limit.what, limit.why).unwrap();
    }
    page.push_str(MEMORY);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/limits.md");
    if std::env::var_os("YOSEGI_WRITE_DOCS").is_some() {
        std::fs::write(&file, &page).unwrap();
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == page,
        "docs/limits.md is not as the table: YOSEGI_WRITE_DOCS=1 cargo test --test limits"
    );
}

const MEMORY: &str = "\n## Memory\n\nReading a text takes memory by its size: at most so many times the bytes of the file, \
                      whatever stands in it. `tests/mutation`\nmeasures it on the worst texts that are known, and reads 20,000 changed \
                      files of every kind under a bound of 64 MiB and\n512 times the file's size.\n\n\
                      | text | times its size |\n|---|---|\n\
                      | CSV and TSV (rows of one letter) | 512 |\n\
                      | TOML: recipes, session configs, tasks | 192 |\n\
                      | JSON and JSON lines; mergekit's YAML | 96 |\n\
                      | tokenizer.json | 64 |\n\
                      | Parquet | 3 × 64, and 48 MiB |\n\n\
                      ## Files that change while they are read\n\nWeights are mapped. Where a file is shortened, or written to, after \
                      it was opened, what was read of it is not used: the\nmerge, the export or the candidate ends with a sentence that \
                      names the file.\n";
