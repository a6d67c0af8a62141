//! `yosegi screenshot`: a session of this home or a recorded one comes in; pictures of the workbench's panes (SVG or
//! PNG) go out. The command line calls it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::output::say::note;
use crate::checkpoint::write_whole;
use crate::error::BadInput;
use crate::session::journal::Reader;
use crate::session::{Client, Home};
use crate::text::visible_line;
use crate::workbench::app::Pane;
use crate::workbench::messages::{self, Language};
use crate::workbench::recording::{RECORDED, Recording, SIZE, documentation};
use crate::workbench::screenshot::Fonts;

#[derive(Debug, Args)]
pub struct Screenshot {
    /// Folder for the pictures
    #[arg(long, default_value = "screenshots")]
    out: PathBuf,
    /// Session to draw, or a recorded one (FILE.jsonl); the bundled recording when absent
    #[arg(long)]
    session: Option<String>,
    /// Only this pane (in the language that `YOSEGI_LANG` names)
    #[arg(long, value_parser = pane())]
    pane: Option<Pane>,
    /// Columns and rows
    #[arg(long, value_name = "COLUMNSxROWS", value_parser = size, requires = "pane")]
    size: Option<(u16, u16)>,
    /// Also as PNG, with this machine's fonts
    #[arg(long)]
    png: bool,
}

/// The pane with this name.
fn pane() -> impl TypedValueParser<Value = Pane> {
    let named =
        |name: String| Pane::ALL.into_iter().find(|p| p.name() == name).ok_or("there is no such pane");
    PossibleValuesParser::new(Pane::ALL.map(Pane::name)).try_map(named)
}

/// Parses `120x40` and checks it against the sizes that a terminal can have.
fn size(text: &str) -> Result<(u16, u16), String> {
    let numbers = text.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    match numbers {
        Some((w @ 20..=500, h @ 6..=200)) => Ok((w, h)),
        _ => Err("give columns (20 to 500) and rows (6 to 200), as 120x40".to_owned()),
    }
}

/// Draws the panes into a folder. A session of this home is also written there as a recording (`session.jsonl`), from
/// which the panes can be drawn again.
pub fn run(args: &Screenshot) -> anyhow::Result<()> {
    crate::print::goes_on();
    let out = &args.out;
    let recording = recording(args)?;
    fs::create_dir_all(out)
        .map_err(|e| BadInput::error(format!("cannot create the folder {}: {e}", out.display())))?;
    if args.session.as_deref().is_some_and(|name| !is_file(name)) {
        write(out, "session.jsonl", recording.to_lines()?.as_bytes())?;
    }
    let pictures = match args.pane {
        None if args.session.is_none() => documentation().context("the recorded sessions")?,
        None => recording.screenshots(),
        Some(pane) => {
            messages::speak(Language::from_env());
            vec![recording.screenshot(pane, args.size.unwrap_or(SIZE))]
        }
    };
    let mut fonts = if args.png { Fonts::of_this_machine() } else { Fonts::default() };
    let mut missing = BTreeSet::new();
    for picture in pictures {
        write(out, &format!("{}.svg", picture.name), picture.svg().as_bytes())?;
        if args.png {
            let drawn = picture.png(&mut fonts)?;
            write(out, &format!("{}.png", picture.name), &drawn.bytes)?;
            missing.extend(drawn.missing);
        }
    }
    if !missing.is_empty() {
        note(&without_a_font(&missing));
    }
    Ok(())
}

/// What the user can do about characters that no installed font can draw.
fn without_a_font(missing: &BTreeSet<char>) -> String {
    let japanese = |c: &char| matches!(c, '\u{3041}'..='\u{30ff}' | '\u{4e00}'..='\u{9fff}');
    let shown: String = missing.iter().take(12).collect();
    let more = if missing.len() > 12 { format!(" and {} more", missing.len() - 12) } else { String::new() };
    let install = if missing.iter().any(japanese) {
        "install a Japanese font (Debian: fonts-noto-cjk)"
    } else {
        "install a font that has them"
    };
    let shown = visible_line(&shown);
    format!(
        "no font on this machine has {shown}{more}: boxes stand for them in the PNG; {install}, or take the SVG"
    )
}

fn is_file(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|e| e == "jsonl")
}

fn recording(args: &Screenshot) -> anyhow::Result<Recording> {
    match args.session.as_deref() {
        None => Recording::from_lines(RECORDED).context("the recorded session"),
        Some(file) if is_file(file) => {
            let text = crate::limits::read_text(Path::new(file), crate::limits::DATA_FILE)
                .map_err(|e| BadInput::error(format!("{file} cannot be read: {e}")))?;
            Recording::from_lines(&text)
                .map_err(|e| BadInput::error(format!("{file} is no recorded session: {e:#}")))
        }
        Some(name) => {
            let home = Home::from_env()?;
            // Report a missing session before starting an engine for it.
            Reader::open(&home, name)?;
            let mut client = Client::connect_or_start(&home)?;
            let recording = Recording::of_session(&mut client, name)?;
            if let Some(why) = &recording.without {
                note(&format!("the pictures have no sample answers: {}", visible_line(why)));
            }
            Ok(recording)
        }
    }
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let path = folder.join(name);
    write_whole(&path, bytes)
        .map_err(|e| BadInput::error(format!("cannot write {}: {e}", path.display())))?;
    note(&visible_line(&path.display().to_string()));
    Ok(())
}
