//! The terminal. It is set up at the start, restored however the program ends, and written one whole frame at a time.
//! The event loop passes it buffers; it writes the cells that changed.

mod on_screen;

pub mod input;
pub mod replies;
pub(super) mod signals;
pub mod tmux;

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::{cursor, event, execute, queue, style, terminal};
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use self::on_screen::OnScreen;
use self::tmux::Tmux;
use super::pictures::Placed;
use crate::limits;

/// Whether the terminal is set up and must be restored.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Collects a frame and writes it in one call when flushed, so that a slow connection never shows half of it.
#[derive(Debug, Default)]
struct Collected(Vec<u8>);

impl Write for Collected {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(&self.0)?;
        self.0.clear();
        out.flush()
    }
}

/// What a frame has besides its cells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    /// Where the cursor is shown.
    pub cursor: Option<Position>,
    pub pictures: Vec<Placed>,
    /// Stamps of kitty's pictures that the terminal may forget.
    pub dropped: Vec<u64>,
}

/// The frame that the terminal shows, and the next one.
pub struct Screen {
    backend: CrosstermBackend<Collected>,
    shown: Buffer,
    pictures: OnScreen,
    cursor: Option<Position>,
    /// The next frame is written in full.
    anew: bool,
}

impl Screen {
    /// Sets up the terminal.
    ///
    /// # Errors
    /// Standard output is not a terminal, or it can't be written.
    pub fn take() -> io::Result<Self> {
        // The theme follows `NO_COLOR`. crossterm's own handling would drop reverse and bold too.
        style::force_color_output(true);
        restore_on_panic();
        enter()?;
        Ok(Self {
            backend: CrosstermBackend::new(Collected::default()),
            shown: Buffer::empty(Rect::ZERO),
            pictures: OnScreen::default(),
            cursor: None,
            anew: true,
        })
    }

    /// Shows the frame that `draw` makes, inside a synchronized update: its cells, its pictures, and the cursor's place.
    /// Only what changed is written. Returns whether the terminal was cleared and holds none of kitty's pictures.
    ///
    /// # Errors
    /// The terminal's size can't be read, or it can't be written.
    pub fn show(&mut self, draw: impl FnOnce(&mut Buffer) -> Frame) -> io::Result<bool> {
        let (width, height) = terminal::size()?;
        let area = Rect::new(0, 0, width, height);
        let mut next = Buffer::empty(area);
        let frame = draw(&mut next);
        queue!(self.backend, terminal::BeginSynchronizedUpdate, cursor::Hide)?;
        let cleared = self.anew || *self.shown.area() != area;
        if cleared {
            queue!(self.backend, style::ResetColor)?;
            on_screen::forget_all(&mut self.backend)?;
            queue!(self.backend, terminal::Clear(terminal::ClearType::All))?;
            self.shown = Buffer::empty(area);
            self.pictures.cleared();
            self.anew = false;
        }
        self.pictures.uncover(&frame.pictures, &mut self.shown);
        self.backend.draw(self.shown.diff(&next).into_iter())?;
        self.pictures.lay(&frame.pictures, &mut self.backend)?;
        on_screen::forget_some(&frame.dropped, &mut self.backend)?;
        if let Some(at) = frame.cursor {
            queue!(self.backend, cursor::MoveTo(at.x, at.y), cursor::Show)?;
        }
        queue!(self.backend, terminal::EndSynchronizedUpdate)?;
        self.cursor = frame.cursor;
        self.shown = next;
        Write::flush(&mut self.backend)?;
        Ok(cleared)
    }

    /// Sends a part of a picture by kitty's protocol.
    ///
    /// # Errors
    /// The terminal can't be written.
    pub fn send(&mut self, (id, stamp): (u32, u64), part: &str, through_tmux: bool) -> io::Result<()> {
        on_screen::hold(id, stamp, through_tmux);
        self.backend.write_all(part.as_bytes())?;
        Write::flush(&mut self.backend)
    }

    /// Makes the next frame write every cell.
    pub fn redraw(&mut self) {
        self.anew = true;
    }

    /// Takes the mouse, or gives it back to the terminal.
    ///
    /// # Errors
    /// The terminal can't be written.
    pub fn mouse(&mut self, ours: bool) -> io::Result<()> {
        if ours {
            execute!(io::stdout(), event::EnableMouseCapture)
        } else {
            execute!(io::stdout(), event::DisableMouseCapture)
        }
    }

    /// Copies `text` to the terminal's clipboard by OSC 52. Inside tmux, which drops the sequence unless it is
    /// configured to pass it on, tmux itself is given the text and passes it on.
    ///
    /// # Errors
    /// The terminal can't be written.
    pub fn copy(&mut self, text: &str) -> io::Result<()> {
        if Tmux::is_around() && tmux::load_buffer(text).is_ok() {
            return Ok(());
        }
        let sequence = format!("\x1b]52;c;{}\x07", base64(text.as_bytes()));
        self.backend.write_all(sequence.as_bytes())?;
        Write::flush(&mut self.backend)
    }

    /// Sets up the terminal again after the process was stopped.
    ///
    /// # Errors
    /// The terminal can't be written.
    pub fn resume(&mut self, mouse: bool) -> io::Result<()> {
        enter()?;
        self.anew = true;
        if mouse { self.mouse(true) } else { Ok(()) }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

fn enter() -> io::Result<()> {
    TAKEN.store(true, Ordering::SeqCst);
    terminal::enable_raw_mode()?;
    execute!(io::stdout(), terminal::EnterAlternateScreen, event::EnableBracketedPaste, cursor::Hide)
}

/// Restores the terminal. Does nothing if it is not set up.
pub fn restore() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    input::give_back();
    // An error means that the terminal is gone, so there is nothing left to restore.
    let _ = on_screen::forget_all(&mut io::stdout());
    let _ = execute!(
        io::stdout(),
        event::DisableMouseCapture,
        event::DisableBracketedPaste,
        style::ResetColor,
        terminal::LeaveAlternateScreen,
        cursor::Show,
    );
    let _ = terminal::disable_raw_mode();
}

/// Installs a panic hook that restores the terminal before the panic is reported, and ends the program whichever
/// thread panics.
fn restore_on_panic() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if limits::is_guarded() {
                return;
            }
            let taken = TAKEN.load(Ordering::SeqCst);
            restore();
            report(info);
            if taken && std::thread::current().name() != Some("main") {
                std::process::exit(101);
            }
        }));
    });
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let three = [chunk[0], chunk.get(1).copied().unwrap_or(0), chunk.get(2).copied().unwrap_or(0)];
        let word = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        for i in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * i)) as usize & 63];
            out.push(if i <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn base64_by_the_rfc() {
        let cases = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (plain, coded) in cases {
            assert_eq!(super::base64(plain.as_bytes()), coded);
        }
    }
}
