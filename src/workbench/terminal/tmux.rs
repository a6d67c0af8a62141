//! What the workbench asks of tmux: to take a copied text into its buffer, and what the terminal behind it can show.
//! `terminal/mod.rs` copies by it; `pictures/graphics.rs` decides by what it says.

use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::thread;

/// What tmux says of itself and of the terminal that it runs in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tmux {
    /// Sequences may be passed through to the terminal.
    pub passthrough: bool,
    /// The terminal's name and version.
    pub terminal: String,
    /// tmux draws sixel graphics on the terminal.
    pub sixel: bool,
    /// tmux sends colours of 24 bits to the terminal.
    pub true_colour: bool,
    /// Width and height of a cell in pixels, if the terminal said it.
    pub cell: Option<(u16, u16)>,
}

impl Tmux {
    /// Whether this process runs in a window of tmux.
    #[must_use]
    pub fn is_around() -> bool {
        std::env::var_os("TMUX").is_some_and(|v| !v.is_empty())
    }

    /// Asks tmux. Without an answer nothing is assumed.
    #[must_use]
    pub fn ask() -> Self {
        let say = |arguments: &[&str]| -> Option<String> {
            let mut command = Command::new("tmux");
            command.args(arguments).stdin(Stdio::null()).stderr(Stdio::null());
            let out = command.output().ok().filter(|o| o.status.success())?;
            Some(String::from_utf8_lossy(&out.stdout).trim_end().to_owned())
        };
        let pane = std::env::var("TMUX_PANE").unwrap_or_default();
        let of_pane: &[&str] = if pane.is_empty() { &[] } else { &["-t", &pane] };
        let options = say(&[&["show-options", "-Apv"], of_pane, &["allow-passthrough"]].concat());
        let format = "#{client_termfeatures};#{client_cell_width};#{client_cell_height};#{client_termtype}";
        let client = say(&[&["display-message", "-p"], of_pane, &[format]].concat());
        Self::of(&options.unwrap_or_default(), &client.unwrap_or_default())
    }

    /// Reads the option's value and the client's line.
    fn of(passthrough: &str, client: &str) -> Self {
        let mut parts = client.splitn(4, ';');
        let mut next = || parts.next().unwrap_or_default();
        let (features, width, height, terminal) = (next(), next(), next(), next());
        let has = |name: &str| features.split(',').any(|f| f == name);
        let cell = width.parse().ok().zip(height.parse().ok()).filter(|(w, h)| *w > 0 && *h > 0);
        Self {
            passthrough: matches!(passthrough, "on" | "all"),
            terminal: terminal.to_owned(),
            sixel: has("sixel"),
            true_colour: has("RGB"),
            cell,
        }
    }
}

/// Starts `tmux load-buffer -w -` and writes `text` into it, away from the drawing thread.
pub fn load_buffer(text: &str) -> io::Result<()> {
    let mut command = Command::new("tmux");
    command
        .args(["load-buffer", "-w", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn()?;
    let text = text.to_owned();
    thread::Builder::new().name("tmux".into()).spawn(move || {
        if let Some(mut stdin) = child.stdin.take() {
            let _ = stdin.write_all(text.as_bytes());
        }
        let _ = child.wait();
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tmux_says_is_read() {
        let said = Tmux::of("on", "256,RGB,sixel,title;10;20;kitty(0.40.0)");
        let whole = Tmux {
            passthrough: true,
            terminal: "kitty(0.40.0)".to_owned(),
            sixel: true,
            true_colour: true,
            cell: Some((10, 20)),
        };
        assert_eq!(said, whole);
        assert_eq!(Tmux::of("", ""), Tmux::default());
        assert_eq!(Tmux::of("off", "256;0;0;"), Tmux::default());
    }
}
