//! However the workbench ends or rests, the terminal is as it was.

use portable_pty::CommandBuilder;

use super::place::{PATIENCE, Place, Terminal};

const PLAIN: &[(&str, &str)] = &[("TERM", "xterm-256color")];

#[test]
fn signals_give_the_terminal_back() {
    let place = Place::new();
    for (signal, code) in [(libc::SIGTERM, 143), (libc::SIGINT, 130), (libc::SIGQUIT, 131)] {
        let mut terminal = Terminal::open(place.path(), &["replay"], (24, 80));
        terminal.shows("replay x1");
        assert!(!terminal.is_cooked());
        // The mouse is the workbench's: that must go back too.
        terminal.press("M");
        terminal.cells("the mouse is ours", |s| s.mouse_protocol_mode() != vt100::MouseProtocolMode::None);
        terminal.signal(signal);
        assert_eq!(terminal.ends(PATIENCE), code);
        terminal.is_given_back();
        terminal.cells("the mouse is the terminal's", |s| {
            s.mouse_protocol_mode() == vt100::MouseProtocolMode::None && !s.bracketed_paste()
        });
    }
}

#[test]
fn a_rest_in_the_shell_and_back() {
    let place = Place::new();
    let mut shell = CommandBuilder::new("bash");
    shell.args(["--norc", "--noprofile", "-i"]);
    shell.env("PS1", "shell> ");
    let mut terminal = Terminal::run(place.path(), shell, (24, 80), PLAIN);
    terminal.shows("shell> ");
    terminal.press(&format!("{} replay\r", env!("CARGO_BIN_EXE_yosegi")));
    terminal.shows("replay x1");
    for stops in 1..=2 {
        terminal.press("\x1a");
        // Only a shell that asks again takes what is typed.
        terminal
            .until("stopped", |s| s.matches("Stopped").count() == stops && s.trim_end().ends_with("shell>"));
        terminal.cells("the shell's own screen", |s| !s.alternate_screen() && !s.hide_cursor());
        terminal.press("fg\r");
        terminal.cells("back", |s| s.alternate_screen() && s.contents().contains("q quit"));
    }
    terminal.press("q");
    terminal.cells("the shell's own screen", |s| !s.alternate_screen() && !s.hide_cursor());
    terminal.until("the shell asks again", |s| s.trim_end().ends_with("shell>"));
    terminal.press("echo still $((40 + 2))\r");
    terminal.shows("still 42");
    terminal.press("exit\r");
    terminal.ends(PATIENCE);
}

/// What [`a_panic_gives_the_terminal_back`] runs in a pseudo-terminal.
#[test]
#[ignore = "takes the terminal and panics; the test below runs it"]
fn panics_with_the_terminal_in_hand() {
    if std::env::var_os("YOSEGI_HOME").is_none() || std::env::var_os("YOSEGI_TEST_PANICS").is_none() {
        return;
    }
    let _screen = yosegi::workbench::terminal::Screen::take().expect("a terminal");
    panic!("on purpose");
}

#[test]
fn a_panic_gives_the_terminal_back() {
    let place = Place::new();
    let mut this = CommandBuilder::new(std::env::current_exe().expect("this test"));
    this.args(["--ignored", "--exact", "--nocapture", "given_back::panics_with_the_terminal_in_hand"]);
    let set = [PLAIN, &[("YOSEGI_TEST_PANICS", "1")]].concat();
    let mut terminal = Terminal::run(place.path(), this, (24, 80), &set);
    terminal.shows("on purpose");
    assert_ne!(terminal.ends(PATIENCE), 0);
    terminal.is_given_back();
}
