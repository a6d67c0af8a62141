//! Inside tmux, where most long runs are watched: sizes, keys, and a copy that arrives.

use std::path::Path;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::CommandBuilder;
use yosegi::workbench::messages;

use super::manners::find;
use super::pictures;
use super::place::{PATIENCE, Place, Terminal};

/// A tmux server of this test's own with one window.
struct Tmux {
    socket: String,
    home: std::path::PathBuf,
}

impl Tmux {
    /// `None` where there is no tmux.
    fn open(home: &Path, arguments: &str, (rows, cols): (u16, u16)) -> Option<Self> {
        Command::new("tmux").arg("-V").output().ok()?;
        let tmux = Self { socket: format!("yosegi-{}-{cols}", std::process::id()), home: home.to_owned() };
        let program = format!("{} {arguments}", env!("CARGO_BIN_EXE_yosegi"));
        let (x, y) = (cols.to_string(), rows.to_string());
        let made = tmux.run(&["-f", "/dev/null", "new-session", "-d", "-x", &x, "-y", &y, &program]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Some(tmux)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("tmux");
        command.args(["-L", &self.socket]).args(arguments).current_dir(&self.home);
        command.env("YOSEGI_HOME", &self.home).env("HF_HOME", self.home.join("hf")).env("LANG", "C.UTF-8");
        for name in ["TMUX", "NO_COLOR", "COLORTERM", "YOSEGI_ASCII", "YOSEGI_LANG", "LC_ALL", "LC_MESSAGES"]
        {
            command.env_remove(name);
        }
        command.output().expect("tmux")
    }

    fn text(&self, arguments: &[&str]) -> String {
        String::from_utf8_lossy(&self.run(arguments).stdout).into_owned()
    }

    fn until(&self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            let screen = self.text(&["capture-pane", "-p"]);
            if holds(&screen) {
                return screen;
            }
            assert!(start.elapsed() < PATIENCE, "never {what}:\n{screen}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn keys(&self, keys: &[&str]) {
        self.run(&[&["send-keys"], keys].concat());
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        self.run(&["kill-server"]);
    }
}

#[test]
fn every_pane_at_every_size_inside_tmux() {
    let place = Place::new();
    let Some(tmux) = Tmux::open(place.path(), "replay --speed 100000", (24, 80)) else { return };
    tmux.until("played", |s| s.contains("replay ended"));
    for (x, y) in [("60", "18"), ("80", "24"), ("120", "40"), ("200", "60")] {
        tmux.run(&["resize-window", "-x", x, "-y", y]);
        for (pane, part) in [("1", "zoo:base"), ("2", "embed"), ("3", "Generation"), ("4", "train-0000")] {
            tmux.keys(&[pane]);
            let screen = tmux.until(&format!("pane {pane} at {x}x{y}"), |s| {
                s.contains(part)
                    && s.trim_end().ends_with("q quit")
                    && s.lines().count() == y.parse().unwrap_or(0)
            });
            for line in screen.lines().filter(|l| l.starts_with(['│', '╭', '╰'])) {
                assert!(line.ends_with(['│', '╮', '╯']), "pane {pane} at {x}x{y}: {line}\n{screen}");
            }
        }
        tmux.keys(&["?"]);
        tmux.until("help", |s| s.contains(&messages::help_title(messages::answers())));
        tmux.keys(&["Escape"]);
        tmux.until("closed", |s| s.trim_end().ends_with("q quit"));
    }
}

/// Ends the server at this socket.
struct Server(std::path::PathBuf);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("tmux").arg("-S").arg(&self.0).arg("kill-server").output();
    }
}

/// tmux in a terminal that replies like a kitty, with or without leave to pass sequences through.
fn in_a_kitty(place: &Place, passthrough: &str) -> Option<(Terminal, Server)> {
    Command::new("tmux").arg("-V").output().ok()?;
    let picture = place.path().join("four.png");
    pictures::four(64, 48).save(&picture).expect("a picture");
    let session = pictures::session(place, &picture, (64, 48));
    let config = place.path().join("tmux.conf");
    std::fs::write(&config, format!("set -g allow-passthrough {passthrough}\n")).expect("a config");
    let mut command = CommandBuilder::new("tmux");
    let socket = place.path().join("tmux.socket");
    let program = format!("{} replay {session} --speed 100000", env!("CARGO_BIN_EXE_yosegi"));
    command.args(["-S", &socket.display().to_string(), "-f", &config.display().to_string()]);
    command.args(["new-session", &program]);
    let replies = [
        ("\x1b_Gi=31", "\x1b_Gi=31;OK\x1b\\"),
        ("\x1b[>q", "\x1bP>|kitty(0.40.0)\x1b\\"),
        ("\x1b[>c", "\x1b[>1;4000;40c"),
        ("\x1b[c", "\x1b[?62;c"),
    ];
    let set = [("TERM", "xterm-256color"), ("COLORTERM", "truecolor")];
    let mut terminal = Terminal::run_answering(place.path(), command, (40, 120), &set, &replies);
    terminal.shows("replay ended");
    terminal.press("4");
    terminal.shows("train-0000");
    Some((terminal, Server(socket)))
}

#[test]
fn a_kitty_around_tmux_is_reached_only_where_tmux_allows_it() {
    let place = Place::new();
    let Some((mut terminal, _server)) = in_a_kitty(&place, "on") else { return };
    terminal.until("sent", |_| find(&terminal.raw(), b"a=T,U=1").is_some());
    terminal.cells("letters stand for it", |s| s.contents().contains('\u{10eeee}'));
    terminal.press("q");
    terminal.until("forgotten", |_| find(&terminal.raw(), b"a=d,d=I,i=").is_some());
    let place = Place::new();
    let Some((terminal, _server)) = in_a_kitty(&place, "off") else { return };
    terminal.cells("half blocks", |s| s.contents().contains('▀') || s.contents().contains('▄'));
    assert_eq!(find(&terminal.raw(), b"a=T,U=1"), None);
    assert_eq!(find(&terminal.raw(), b"_Gi=31"), None);
}

#[test]
fn a_copy_inside_tmux_is_in_its_buffer() {
    let place = Place::new();
    let Some(tmux) = Tmux::open(place.path(), "replay --speed 100000", (40, 121)) else { return };
    tmux.until("played", |s| s.contains("replay ended"));
    tmux.keys(&["4"]);
    tmux.until("answers", |s| s.contains("train-0000"));
    tmux.keys(&["y"]);
    let start = Instant::now();
    let mut copied = String::new();
    while copied.trim().is_empty() {
        assert!(start.elapsed() < PATIENCE, "nothing was copied:\n{}", tmux.text(&["capture-pane", "-p"]));
        copied = tmux.text(&["show-buffer"]);
        thread::sleep(Duration::from_millis(20));
    }
    // A whole answer, in Japanese.
    assert!(copied.chars().filter(|c| ('ぁ'..='ん').contains(c)).count() > 5, "{copied}");
}
