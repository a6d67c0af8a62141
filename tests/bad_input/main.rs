//! Bad input never panics and never half-writes: each case ends with exit code 2 and one sentence
//! on stderr that names the file, key or tensor and says what to do.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod models;
mod runs;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

struct Bench {
    dir: TempDir,
}

impl Bench {
    /// A scratch folder with the zoo written out as ordinary checkpoints under `zoo/`.
    fn new() -> Self {
        let bench = Self { dir: tempfile::tempdir().unwrap() };
        let out = bench.run(&["zoo", "--out", bench.path("zoo").to_str().unwrap()]);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_yosegi"));
        command
            .current_dir(self.dir.path())
            .env("YOSEGI_HOME", self.path("home"))
            .env("HF_HOME", self.path("hf"))
            .env("HF_HUB_OFFLINE", "1")
            .env_remove("RUST_BACKTRACE")
            .stdin(std::process::Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command().args(args).output().unwrap()
    }

    /// Runs and returns the one sentence on stderr; checks exit code 2 and the expected words.
    fn refused(&self, args: &[&str], words: &[&str]) -> String {
        let out = self.run(args);
        refused(&out, args, words)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// A recipe over the exported zoo with `extra` lines at the top and in the first source.
    fn recipe(&self, name: &str, top: &str, source: &str) -> PathBuf {
        let text = format!(
            "method = \"ties\"\nbase = \"zoo:base\"\n{top}\n\
             [[source]]\nmodel = \"zoo:ja\"\nweight = 0.5\n{source}\n\
             [[source]]\nmodel = \"zoo:math-add\"\nweight = 0.5\n"
        );
        self.write(name, &text)
    }
}

fn refused(out: &Output, args: &[&str], words: &[&str]) -> String {
    let stderr = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(2), "{args:?}: {stderr}");
    assert_eq!(stderr.trim_end().lines().count(), 1, "{args:?}: more than one line: {stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "{args:?}: no `{word}` in: {stderr}");
    }
    stderr
}

fn str(path: &Path) -> &str {
    path.to_str().unwrap()
}
