//! Questions' pictures, byte for byte: what a terminal is asked, and what it is sent by what it said.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use image::RgbImage;
use yosegi::evaluate::ImageRef;
use yosegi::workbench::recording::{RECORDED, Recording};

use super::manners::find;
use super::place::{PATIENCE, Place, Terminal};

/// What terminals are asked: kitty's protocol, name, size of a cell, attributes.
const KITTY: &str = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\";
const NAME: &str = "\x1b[>q";
const CELL: &str = "\x1b[16t";
const ATTRIBUTES: &str = "\x1b[c";

/// Ways in which pictures reach a terminal.
const OF_KITTY: &[u8] = b"a=T,U=1";
const OF_SIXEL: &[u8] = b"\x1bP";
const OF_ITERM2: &[u8] = b"\x1b]1337;";

const COLOURS: &[(&str, &str)] = &[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")];

/// Four fields: red and green above, blue and white below.
pub fn four(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| match (2 * x < width, 2 * y < height) {
        (true, true) => [200, 30, 30].into(),
        (false, true) => [30, 160, 30].into(),
        (true, false) => [30, 30, 200].into(),
        (false, false) => [230, 230, 230].into(),
    })
}

/// The bundled session, each of whose questions has this picture.
pub fn session(place: &Place, picture: &Path, (width, height): (u32, u32)) -> String {
    let mut recording = Recording::from_lines(RECORDED).expect("the bundled session");
    let image = ImageRef { path: picture.display().to_string(), width, height };
    let answers = recording.answers.iter_mut().map(|(_, answers)| answers).chain(&mut recording.tried);
    for answer in answers.flat_map(|answers| &mut answers.answers) {
        answer.images = vec![image.clone()];
    }
    let path = place.path().join("seen.jsonl");
    std::fs::write(&path, recording.to_lines().expect("finite numbers")).expect("a session");
    path.display().to_string()
}

fn with_picture(place: &Place) -> String {
    let path = place.path().join("four.png");
    four(64, 48).save(&path).expect("a picture");
    session(place, &path, (64, 48))
}

/// The Answers pane of that session in a terminal that answers so.
fn answers(place: &Place, session: &str, set: &[(&str, &str)], replies: &[(&str, &str)]) -> Terminal {
    let arguments = ["replay", session, "--speed", "100000"];
    let mut terminal = Terminal::answering(place.path(), &arguments, (40, 120), set, replies);
    terminal.shows("replay ended");
    terminal.press("4");
    terminal.shows("train-0000");
    terminal
}

fn sent(terminal: &Terminal, what: &[u8]) -> usize {
    terminal.raw().windows(what.len()).filter(|part| *part == what).count()
}

/// Where the picture's upper left cell is: below the title of the lower frame.
fn corner(screen: &vt100::Screen) -> (u16, u16) {
    let mut rows = screen.rows(0, screen.size().1.get());
    let line = rows.position(|row| row.contains("train-0000 (")).expect("the question's frame");
    (line as u16 + 1, 2)
}

#[test]
fn a_kitty_is_sent_the_points_once_and_forgets_them_at_the_end() {
    let place = Place::new();
    let session = with_picture(&place);
    let replies = [
        (KITTY, "\x1b_Gi=31;OK\x1b\\"),
        (NAME, "\x1bP>|kitty(0.40.0)\x1b\\"),
        (CELL, "\x1b[6;20;10t"),
        (ATTRIBUTES, "\x1b[?62;4c"),
    ];
    let mut terminal = answers(&place, &session, COLOURS, &replies);
    terminal.until("sent", |_| sent(&terminal, OF_KITTY) > 0);
    terminal.cells("letters stand for it", |s| {
        let (row, column) = corner(s);
        s.cell(row, column).is_some_and(|c| c.contents().starts_with('\u{10eeee}'))
    });
    let raw = terminal.raw();
    let at = find(&raw, OF_KITTY).expect("sent");
    let from = at + find(&raw[at..], b";").expect("data") + 1;
    let head = String::from_utf8_lossy(&raw[at..from]).into_owned();
    assert!(head.contains("f=32,o=z,t=d,"), "{head}");
    let data = &raw[from..from + find(&raw[from..], b"\x1b\\").expect("an end")];
    let mut first = [0; 4];
    flate2::read::ZlibDecoder::new(&base64(data)[..]).read_exact(&mut first).expect("points");
    assert_eq!(first, [200, 30, 30, 255]);
    assert_eq!((sent(&terminal, OF_SIXEL), sent(&terminal, OF_ITERM2)), (0, 0));
    // A pane without pictures and back, an overlay over it: the terminal holds it already.
    for keys in ["1", "4", "?", "\x1b"] {
        terminal.press(keys);
        std::thread::sleep(std::time::Duration::from_millis(120));
    }
    assert_eq!(sent(&terminal, OF_KITTY), 1);
    terminal.press("q");
    assert_eq!(terminal.ends(PATIENCE), 0);
    terminal.is_given_back();
    let raw = terminal.raw();
    let forgotten = find(&raw, b"a=d,d=I,i=").expect("forgotten");
    assert!(forgotten < find(&raw, b"\x1b[?1049l").expect("the normal screen"), "forgotten too late");
}

#[test]
fn sixel_goes_to_a_terminal_that_said_so_and_leaves_nothing_behind() {
    let place = Place::new();
    let session = with_picture(&place);
    let replies =
        [(NAME, "\x1bP>|foot(1.16.2)\x1b\\"), (CELL, "\x1b[6;20;10t"), (ATTRIBUTES, "\x1b[?62;4;22c")];
    let mut terminal = answers(&place, &session, COLOURS, &replies);
    terminal.until("sent", |_| sent(&terminal, OF_SIXEL) > 0);
    assert_eq!((sent(&terminal, OF_KITTY), sent(&terminal, OF_ITERM2)), (0, 0));
    let before = sent(&terminal, OF_SIXEL);
    // A key that changes nothing there does not send it again.
    terminal.press("b");
    terminal.shows("compared with");
    assert_eq!(sent(&terminal, OF_SIXEL), before);
    // Under an overlay it gives way: its cells are written anew. Then it is drawn again.
    let at = terminal.raw().len();
    terminal.press("?");
    terminal.shows("What can be done");
    terminal.cells("its name instead", |s| {
        s.contents().contains("[four.png") || s.contents().contains("What can")
    });
    let blank = String::from_utf8_lossy(&terminal.raw()[at..]).matches(' ').count();
    assert!(blank > 200, "{blank} blanks");
    terminal.press("\x1b");
    terminal.until("again", |_| sent(&terminal, OF_SIXEL) > before);
    terminal.press("q");
    assert_eq!(terminal.ends(PATIENCE), 0);
}

#[test]
fn iterm2_goes_to_a_terminal_of_that_name() {
    let place = Place::new();
    let session = with_picture(&place);
    let replies = [
        // It knows kitty's protocol, but not its letters.
        (KITTY, "\x1b_Gi=31;OK\x1b\\"),
        (NAME, "\x1bP>|WezTerm 20240203\x1b\\"),
        (CELL, "\x1b[6;20;10t"),
        (ATTRIBUTES, "\x1b[?65;4;6c"),
    ];
    let terminal = answers(&place, &session, COLOURS, &replies);
    terminal.until("sent", |_| sent(&terminal, OF_ITERM2) > 0);
    assert_eq!((sent(&terminal, OF_KITTY), sent(&terminal, OF_SIXEL)), (0, 0));
}

#[test]
fn half_blocks_go_anywhere_else() {
    let place = Place::new();
    let session = with_picture(&place);
    // A terminal that says nothing, and one that answers without a word of pictures.
    let plain: &[(&str, &str)] = &[(NAME, "\x1bP>|XTerm(390)\x1b\\"), (ATTRIBUTES, "\x1b[?64;1;2;6c")];
    for replies in [&[], plain] {
        let terminal = answers(&place, &session, COLOURS, replies);
        let colour = |s: &vt100::Screen, row: u16, column: u16| {
            let cell = s.cell(row, column).expect("inside");
            if cell.contents() == "▀" { cell.fgcolor() } else { cell.bgcolor() }
        };
        terminal.cells("red above, blue below", |s| {
            let (row, column) = corner(s);
            let below =
                (row..s.size().0.get()).find(|r| colour(s, *r, column) == vt100::Color::Rgb(30, 30, 200));
            colour(s, row, column) == vt100::Color::Rgb(200, 30, 30) && below.is_some()
        });
        for what in [OF_KITTY, OF_SIXEL, OF_ITERM2] {
            assert_eq!(sent(&terminal, what), 0);
        }
    }
}

#[test]
fn nobody_is_asked_where_no_picture_may_be_shown() {
    let place = Place::new();
    let session = with_picture(&place);
    let off: [&[(&str, &str)]; 4] = [
        &[("TERM", "xterm-256color"), ("NO_COLOR", "1")],
        &[("TERM", "xterm-256color"), ("LC_ALL", "C")],
        &[("TERM", "xterm-256color"), ("YOSEGI_PICTURES", "off")],
        &[("TERM", "linux")],
    ];
    for set in off {
        let terminal = answers(&place, &session, set, &[]);
        if set[0].1 != "linux" {
            terminal.shows("[four.png 64x48]");
        }
        for what in [KITTY, NAME, CELL, ATTRIBUTES] {
            assert_eq!(sent(&terminal, what.as_bytes()), 0, "{set:?}");
        }
    }
}

#[test]
fn keys_and_replies_do_not_mix() {
    let place = Place::new();
    // Late, in pieces, with keys before, between and after.
    let mut terminal = Terminal::open(place.path(), &["replay", "--speed", "100000"], (40, 120));
    terminal.until("asked", |_| sent(&terminal, ATTRIBUTES.as_bytes()) > 0);
    for piece in [
        "4",
        "\x1bP>|kit",
        "ty(0.40.0)\x1b\\",
        "\x1b[6;20",
        ";10t",
        "f",
        "\x1b_Gi=31;OK\x1b",
        "\\f",
        "\x1b[?62",
        ";4c",
    ] {
        terminal.press(piece);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    // `f` twice in Answers: the questions that were gained.
    terminal.shows("questions: gained");
    terminal.press("f");
    terminal.shows("questions: lost");
    terminal.press("q");
    assert_eq!(terminal.ends(PATIENCE), 0);
}

#[test]
fn a_picture_that_is_gone_is_a_sentence_in_its_place() {
    let place = Place::new();
    let session = session(&place, &PathBuf::from("/nowhere/gone.png"), (64, 48));
    let terminal = answers(&place, &session, COLOURS, &[]);
    terminal.shows("gone.png: ");
}

/// The bytes of base64.
fn base64(text: &[u8]) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => u32::from(c - b'A'),
        b'a'..=b'z' => u32::from(c - b'a') + 26,
        b'0'..=b'9' => u32::from(c - b'0') + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut out = Vec::new();
    for four in text.chunks(4) {
        let letters = four.iter().filter(|c| **c != b'=').count();
        let word = four.iter().fold(0, |word, c| word << 6 | if *c == b'=' { 0 } else { value(*c) });
        out.extend(&word.to_be_bytes()[1..letters.max(1)]);
    }
    out
}
