//! The guides under `docs/` do what they say: their files are written, their commands are run in order, and every
//! command that any page shows exists with the flags that it shows.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use yosegi::session::config::Config;

const YOSEGI: &str = env!("CARGO_BIN_EXE_yosegi");

/// The guides whose commands are run, each in a test of its own.
const GUIDES: [&str; 8] =
    ["devices", "evolving", "merging", "pictures", "tasks", "troubleshooting", "vision", "workbench"];

/// A fenced block: what stands behind the fence, and its lines.
struct Block {
    kind: String,
    title: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn blocks(page: &Path) -> Vec<Block> {
    let text = fs::read_to_string(page).unwrap();
    let mut out: Vec<Block> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        match line.strip_prefix("```") {
            Some(_) if open => open = false,
            Some(info) => {
                let (kind, title) = info.split_once(' ').unwrap_or((info, ""));
                out.push(Block { kind: kind.to_owned(), title: title.to_owned(), text: String::new() });
                open = true;
            }
            None if open => out.last_mut().unwrap().text.extend([line, "\n"]),
            None => {}
        }
    }
    assert!(!open, "{}: a block is not closed", page.display());
    out
}

/// Writes the files of a guide into a folder and runs its commands there as one script.
fn follow(guide: &str) {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(root().join("configs"), folder.path().join("configs")).unwrap();
    let page = root().join(format!("docs/{guide}.md"));
    let mut script = String::from("set -euo pipefail\n");
    for block in blocks(&page) {
        match (block.kind.as_str(), block.title.as_str()) {
            ("sh", "") => script.push_str(&block.text),
            ("toml", "fragment") => a_fragment_fits_the_bundled_config(&page, &block.text),
            ("toml" | "yaml" | "jsonl", name) => {
                assert!(!name.is_empty(), "{}: a {} block has no file name", page.display(), block.kind);
                fs::write(folder.path().join(name), &block.text).unwrap();
            }
            ("text", "") => {}
            (kind, _) => panic!("{}: what is a block of {kind}?", page.display()),
        }
    }
    assert!(script.contains("\nyosegi "), "{} shows no command", page.display());
    let path =
        format!("{}:{}", Path::new(YOSEGI).parent().unwrap().display(), std::env::var("PATH").unwrap());
    let out = Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder.path())
        .env("PATH", path)
        .env("YOSEGI_HOME", folder.path().join("home"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{}: {}\n{}",
        page.display(),
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
}

/// A part of a config is one that the bundled session can have in place of its own.
fn a_fragment_fits_the_bundled_config(page: &Path, text: &str) {
    let part: toml::Table = text.parse().unwrap_or_else(|e| panic!("{}: {e}", page.display()));
    let mut whole: toml::Table =
        fs::read_to_string(root().join("configs/zoo.toml")).unwrap().parse().unwrap();
    whole.extend(part);
    Config::parse(&whole.to_string(), &page.display().to_string()).unwrap();
}

macro_rules! guides {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            follow(stringify!($name));
        })*

        #[test]
        fn every_guide_is_followed() {
            assert_eq!(GUIDES, [$(stringify!($name)),*]);
            for page in pages() {
                let name = page.file_stem().unwrap().to_str().unwrap().to_owned();
                let runs = page.parent().unwrap().ends_with("docs") && blocks(&page).iter().any(|b| b.kind == "sh");
                assert!(!runs || GUIDES.contains(&name.as_str()), "{} has commands and no test", page.display());
            }
        }
    };
}

guides!(devices evolving merging pictures tasks troubleshooting vision workbench);

/// README and all of `docs/`.
fn pages() -> Vec<PathBuf> {
    let mut out: Vec<PathBuf> =
        fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    out.push(root().join("README.md"));
    out.retain(|path| path.extension().is_some_and(|e| e == "md"));
    out.sort();
    out
}

#[test]
fn every_command_shown_exists_with_its_flags() {
    let mut seen = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let shown =
            text.split('`').flat_map(str::lines).filter_map(|line| line.trim().strip_prefix("yosegi "));
        for line in shown {
            let words: Vec<&str> = line.split('#').next().unwrap().split_whitespace().collect();
            // `yosegi help` is no command of ours, and a word such as NAME is none at all.
            let is_command = |w: &&&str| **w != "help" && w.starts_with(|c: char| c.is_ascii_lowercase());
            let Some(command) = words.first().filter(is_command) else { continue };
            let out = Command::new(YOSEGI).args([command, "--help"]).output().unwrap();
            assert!(out.status.success(), "{}: there is no `yosegi {command}`", page.display());
            let help = String::from_utf8(out.stdout).unwrap();
            for flag in
                words.iter().map(|w| w.trim_matches(['[', ']', ',', '.'])).filter(|w| w.starts_with("--"))
            {
                assert!(help.contains(flag), "{}: `yosegi {command}` has no {flag}", page.display());
            }
            seen += 1;
        }
    }
    assert!(seen > 40, "{seen} commands found");
}

/// Links of the pages to files of this repository lead somewhere.
#[test]
fn every_link_leads_somewhere() {
    for page in pages().into_iter().chain([root().join("CONTRIBUTING.md"), root().join("ARCHITECTURE.md")]) {
        let text = fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let file = link.split('#').next().unwrap();
            if !file.is_empty() && !file.contains("://") {
                assert!(
                    page.parent().unwrap().join(file).exists(),
                    "{}: {link} leads nowhere",
                    page.display()
                );
            }
        }
    }
}
