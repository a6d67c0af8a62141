//! The rooms import only downwards, and only the rooms that may hold tensors name the tensor library.

mod graph;
mod source;

use graph::Graph;
use std::fs;
use std::path::{Path, PathBuf};

/// From the ground up. A room may use the rooms before it and itself.
const ROOMS: [&str; 21] = [
    "error",
    "text",
    "locale",
    "print",
    "limits",
    "memory",
    "toml_text",
    "progress",
    "picture",
    "checkpoint",
    "recipe",
    "task",
    "search",
    "gpu",
    "merge",
    "lm",
    "evaluate",
    "bench",
    "session",
    "workbench",
    "cli",
];

/// Rooms that know a device or a tensor library.
const TENSOR_ROOMS: [&str; 2] = ["merge", "lm"];

/// Uses of a lower room that the order alone would allow but the design does not.
const FORBIDDEN: [(&str, &str); 18] = [
    ("gpu", "checkpoint"),
    ("gpu", "recipe"),
    ("gpu", "task"),
    ("gpu", "search"),
    ("evaluate", "search"),
    ("session", "gpu"),
    ("session", "lm"),
    ("workbench", "evaluate"),
    ("workbench", "gpu"),
    ("workbench", "lm"),
    ("workbench", "merge"),
    ("workbench", "search"),
    ("search", "task"),
    ("search", "checkpoint"),
    ("task", "recipe"),
    ("lm", "merge"),
    ("merge", "search"),
    ("merge", "task"),
];

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a source folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// Source text without comments (doc comments may name any room).
fn code(path: &Path) -> String {
    source::without_text(&fs::read_to_string(path).expect("a readable source file"))
}

/// Every room that `code` names as `crate::room`, also inside `use crate::{a::…, b::…}`.
fn rooms_used(code: &str) -> Vec<&'static str> {
    let mut used = Vec::new();
    for room in ROOMS {
        let named = code.contains(&format!("crate::{room}::"))
            || code.contains(&format!("crate::{room};"))
            || code.split("use crate::{").skip(1).any(|rest| {
                let list = rest.split(';').next().unwrap_or("");
                list.split(['{', ',', '}']).any(|item| {
                    let item = item.trim();
                    item == room || item.starts_with(&format!("{room}::"))
                })
            });
        if named {
            used.push(room);
        }
    }
    used
}

fn sources() -> Vec<(usize, PathBuf, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut out = Vec::new();
    for (rank, room) in ROOMS.iter().enumerate() {
        let mut found = Vec::new();
        if src.join(room).is_dir() {
            files(&src.join(room), &mut found);
        }
        found.extend(Some(src.join(format!("{room}.rs"))).filter(|file| file.exists()));
        assert!(!found.is_empty(), "no source files in src/{room}");
        out.extend(found.into_iter().map(|path| {
            let text = code(&path);
            (rank, path, text)
        }));
    }
    out
}

#[test]
fn nothing_imports_upwards() {
    for (rank, path, text) in sources() {
        for used in rooms_used(&text) {
            let at = ROOMS.iter().position(|r| *r == used).expect("a known room");
            assert!(
                at <= rank,
                "{}: room `{}` uses `{used}`, which is above it",
                path.display(),
                ROOMS[rank]
            );
            assert!(
                !FORBIDDEN.contains(&(ROOMS[rank], used)),
                "{}: room `{}` must not know `{used}`",
                path.display(),
                ROOMS[rank]
            );
        }
    }
}

/// What these commands do is a session's: its home, its journal, or a process that runs it. All others (`eval`,
/// `compare`, `generate`, a merge of a recipe, ...) work on `evaluate` and the rooms below it.
const SESSION_COMMANDS: [&str; 15] = [
    "attach_headless",
    "doctor",
    "engine",
    "evolve",
    "exit",
    "follow",
    "merge",
    "mod",
    "page",
    "replay",
    "report",
    "screenshot",
    "sessions",
    "stop",
    "worker",
];

#[test]
fn only_commands_about_sessions_name_the_session() {
    let cli = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli");
    for (_, path, text) in sources() {
        let Ok(inside) = path.strip_prefix(&cli) else { continue };
        let command = inside
            .iter()
            .find(|part| *part != "output")
            .and_then(|part| Path::new(part).file_stem())
            .and_then(|s| s.to_str());
        assert!(
            !rooms_used(&text).contains(&"session") || command.is_some_and(|c| SESSION_COMMANDS.contains(&c)),
            "{}: a command that needs no session names `session`",
            path.display()
        );
    }
}

#[test]
fn only_tensor_rooms_name_the_tensor_library() {
    for (rank, path, text) in sources() {
        if !TENSOR_ROOMS.contains(&ROOMS[rank]) {
            assert!(!text.contains("candle"), "{} names the tensor library", path.display());
        }
    }
}

#[test]
fn only_the_workbench_names_the_terminal_library() {
    for (rank, path, text) in sources() {
        if ROOMS[rank] != "workbench" {
            for library in ["ratatui", "crossterm"] {
                assert!(!text.contains(library), "{} names {library}", path.display());
            }
        }
    }
}

/// Files are read by `limits`, which refuses what is too long or no file; what the kernel writes, and a
/// file that is open anyway, need no bound.
#[test]
fn files_are_read_under_a_bound() {
    let free = ["engine/worker_reports.rs", "doctor/machine.rs", "doctor/home.rs", "limits/"];
    for (_, path, text) in sources() {
        let name = path.display().to_string();
        if name.contains("tests") || free.iter().any(|f| name.contains(f)) {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for reads in ["fs::read(", "fs::read_to_string(", "Mmap::map("] {
            assert!(
                !code.contains(reads),
                "{name} reads a file by {reads}…): use limits::read or limits::read_text"
            );
        }
    }
}

/// Files that use each other's items cannot be read, moved or tested apart. A parent and its own children may.
#[test]
fn no_files_use_each_other_in_a_circle() {
    let graph = Graph::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let circles = graph.circles();
    let lines: Vec<String> = circles.iter().map(|circle| circle.join(" ")).collect();
    assert!(lines.is_empty(), "files in circles:\n{}", lines.join("\n"));
}

/// A folder is looked through before it is read: 20 files at most. The commands are one file each, however many.
#[test]
fn no_folder_is_crowded_and_no_file_is_long() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    files(&src, &mut all);
    files(&src.with_file_name("tests"), &mut all);
    let mut folders = std::collections::BTreeMap::<PathBuf, usize>::new();
    for path in &all {
        let lines = fs::read_to_string(path).expect("a readable source file").lines().count();
        assert!(lines <= 400, "{} has {lines} lines", path.display());
        *folders.entry(path.parent().expect("a folder").to_owned()).or_default() += 1;
    }
    for (folder, count) in folders {
        let one_kind = folder == src.join("cli") || folder == src.with_file_name("tests");
        assert!(one_kind || count <= 20, "{} holds {count} files", folder.display());
    }
}

#[test]
fn the_check_sees_uses() {
    assert_eq!(rooms_used("use crate::merge::Pool;"), ["merge"]);
    assert_eq!(rooms_used("use crate::{lm::Decoder, session::{protocol}};"), ["lm", "session"]);
    assert_eq!(rooms_used("let x = crate::task::load();"), ["task"]);
    assert!(rooms_used("use std::fs;").is_empty());
}
