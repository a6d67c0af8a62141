//! Puts together what `yosegi --version` says: version, commit where built from a checkout, features.

use std::path::Path;
use std::process::Command;

fn main() {
    // Looked at again when the sources change; a commit alone changes nothing that was built.
    for path in ["build.rs", "Cargo.toml", "src"] {
        println!("cargo:rerun-if-changed={path}");
    }
    let var = |name: &str| std::env::var(name).unwrap_or_default();
    let mut words: Vec<String> = commit(Path::new(&var("CARGO_MANIFEST_DIR"))).into_iter().collect();
    let features = ["workbench", "cuda"]
        .into_iter()
        .filter(|name| std::env::var_os(format!("CARGO_FEATURE_{}", name.to_uppercase())).is_some());
    words.push(match features.collect::<Vec<_>>().join(" ").as_str() {
        "" => "no features".to_owned(),
        names => format!("features: {names}"),
    });
    println!("cargo:rustc-env=YOSEGI_VERSION={} ({})", var("CARGO_PKG_VERSION"), words.join(", "));
}

/// The short hash of the checkout in `folder`, with a `+` where its sources have been changed.
/// `None` without git, or where the folder (an unpacked archive) is no checkout of its own.
fn commit(folder: &Path) -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let top = git(&["rev-parse", "--show-toplevel"])?;
    if Path::new(&top).canonicalize().ok()? != folder.canonicalize().ok()? {
        return None;
    }
    let hash = git(&["rev-parse", "--short=9", "HEAD"])?;
    let changed =
        git(&["status", "--porcelain", "--untracked-files=no", "--", "src", "Cargo.toml", "Cargo.lock"])?;
    Some(if changed.is_empty() { hash } else { format!("{hash}+") })
}
