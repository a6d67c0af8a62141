//! The interface in Japanese: everything is drawn in its columns, and nothing is left in English.

use std::path::{Path, PathBuf};

use crossterm::event::{KeyCode, KeyEvent};

use super::fixture;
use super::keys::press;
use super::snapshots::screen;
use crate::workbench::app::{App, Pane};
use crate::workbench::messages::{self, Language};
use crate::workbench::text::width;

/// Sets the language of this test's thread, and sets English again when dropped.
pub(super) struct Speaking;

impl Speaking {
    pub(super) fn japanese() -> Self {
        messages::speak(Language::Japanese);
        Self
    }
}

impl Drop for Speaking {
    fn drop(&mut self) {
        messages::speak(Language::English);
    }
}

fn evolving() -> App {
    let mut app = fixture::evolving();
    app.notice = None;
    app
}

#[test]
fn every_pane_in_japanese() {
    let _japanese = Speaking::japanese();
    let mut app = evolving();
    for pane in Pane::ALL {
        app.pane = pane;
        fixture::serve(&mut app);
        app.notice = None;
        insta::with_settings!({ snapshot_path => "../../../tests/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(format!("{}_ja_80x24", pane.name()), screen(&app, 80, 24));
        });
    }
}

#[test]
fn lines_fit_and_the_way_out_is_hinted() {
    let _japanese = Speaking::japanese();
    for (cells, rows) in [(60, 18), (80, 24), (120, 40), (200, 60)] {
        for mut app in [fixture::fresh(), evolving()] {
            for pane in Pane::ALL {
                app.pane = pane;
                fixture::serve(&mut app);
                app.notice = None;
                let text = screen(&app, cells, rows);
                for line in text.lines() {
                    assert!(width(line) <= cells.into(), "{line:?} at {cells}");
                }
                let hints = text.lines().last().unwrap_or_default();
                assert!(hints.contains("? ヘルプ") && hints.contains("q 終了"), "{hints:?}");
                assert!(!text.lines().next().unwrap_or_default().contains('~'), "{text}");
            }
        }
    }
}

#[test]
fn every_overlay_in_japanese() {
    let _japanese = Speaking::japanese();
    let mut app = evolving();
    app.pane = Pane::Recipe;
    for (keys, shown) in [
        ("?", "レシピ画面でできること"),
        (":", "操作を名前で探す"),
        ("m", "ベース＋タスクベクトルの加重和"),
        ("r", "現在の最良"),
        ("w", "レシピの保存先"),
        ("o", "開くレシピ"),
        ("S", "評価"),
        ("L", "エンジンのログ"),
    ] {
        press(&mut app, keys);
        fixture::serve(&mut app);
        if keys == ":" {
            press(&mut app, "名前");
        }
        let text = screen(&app, 80, 24);
        assert!(text.contains(shown), "{keys} lacks {shown}:\n{text}");
        assert!(text.lines().all(|l| width(l) <= 80));
        app.key(KeyEvent::from(KeyCode::Esc));
    }
    app.pane = Pane::Evolve;
    press(&mut app, "x");
    assert!(screen(&app, 80, 24).contains("zooを停止しますか？後で再開できます。"));
}

/// Whether a source line contains a string of two or more English words.
fn says_something(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    let texts = code.split('"').skip(1).step_by(2);
    let word = |w: &str| w.len() > 1 && w.chars().all(|c| c.is_ascii_alphabetic());
    texts.into_iter().any(|t| t.split(' ').collect::<Vec<_>>().windows(2).any(|p| word(p[0]) && word(p[1])))
}

/// All source files below a folder.
fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { sources(&path, out) } else { out.push(path) }
    }
}

#[test]
fn what_is_said_stands_in_one_place() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/workbench");
    let mut found = Vec::new();
    let mut files = Vec::new();
    for room in ["app", "editor", "overlays", "panes", "update", "widgets"] {
        sources(&folder.join(room), &mut files);
    }
    files.extend(["mod", "receive"].map(|f| folder.join(f).with_extension("rs")));
    // An action's row has its messages in both languages, otherwise it does not compile.
    files.retain(|f| f.file_name().is_some_and(|name| name != "actions.rs"));
    assert!(files.len() > 25, "the folders have moved: {files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        found.extend(code.lines().filter(|l| says_something(l)).map(|l| format!("{}: {l}", file.display())));
    }
    assert!(found.is_empty(), "these belong into messages/, with their Japanese:\n{}", found.join("\n"));
    assert!(says_something(r#"canvas.text(at, 9, "Sure of it?")"#) && !says_something("// \"Not a phrase\""));
}
