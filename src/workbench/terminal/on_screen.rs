//! The pictures that the terminal holds. Each frame's pictures come in; the sequences that bring the terminal there go
//! out: which cells must be written anew, what is drawn over them, what is forgotten.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use crossterm::{cursor, queue};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::workbench::pictures::Placed;
use crate::workbench::pictures::encode::{Encoded, Sent};
use crate::workbench::pictures::kitty::forget;

/// A picture that the terminal holds by kitty's protocol.
#[derive(Clone, Copy, Debug)]
struct Held {
    id: u32,
    stamp: u64,
    through_tmux: bool,
}

/// The pictures that the terminal holds. Whoever restores the terminal, on whichever thread, makes it forget them.
static HELD: Mutex<Vec<Held>> = Mutex::new(Vec::new());

/// The pictures of the frame that the terminal shows.
#[derive(Debug, Default)]
pub struct OnScreen {
    /// Those that lie over their cells.
    over: Vec<(Rect, Arc<Encoded>)>,
}

impl OnScreen {
    /// The screen was cleared.
    pub fn cleared(&mut self) {
        self.over.clear();
    }

    /// Marks the cells under pictures that go or change, so that they are written anew.
    pub fn uncover(&self, placed: &[Placed], shown: &mut Buffer) {
        for (area, encoded) in &self.over {
            if lying(placed).any(|(a, e, _)| a == *area && Arc::ptr_eq(e, encoded)) {
                continue;
            }
            for at in area.intersection(*shown.area()).positions() {
                // No frame has a control character.
                shown[at].reset();
                shown[at].set_symbol("\u{1}");
            }
        }
    }

    /// Draws the pictures that lie over their cells, where they are not there yet.
    ///
    /// # Errors
    /// The terminal can't be written.
    pub fn lay(&mut self, placed: &[Placed], out: &mut impl Write) -> io::Result<()> {
        for (area, encoded, data) in lying(placed) {
            let there = |(a, e): &(Rect, Arc<Encoded>)| *a == area && Arc::ptr_eq(e, encoded);
            if !self.over.iter().any(there) {
                queue!(out, cursor::MoveTo(area.x, area.y))?;
                out.write_all(data.as_bytes())?;
            }
        }
        self.over = lying(placed).map(|(area, encoded, _)| (area, encoded.clone())).collect();
        Ok(())
    }
}

/// Notes that a picture is being sent. It replaces an earlier one of its number.
pub fn hold(id: u32, stamp: u64, through_tmux: bool) {
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    held.retain(|known| known.id != id);
    held.push(Held { id, stamp, through_tmux });
}

/// The pictures that lie over their cells.
fn lying(placed: &[Placed]) -> impl Iterator<Item = (Rect, &Arc<Encoded>, &str)> {
    placed.iter().filter_map(|p| {
        let encoded = p.encoded.as_ref()?;
        match &encoded.sent {
            Sent::Over(data) => Some((p.area, encoded, data.as_str())),
            _ => None,
        }
    })
}

/// Makes the terminal forget these of kitty's pictures, where it holds them.
///
/// # Errors
/// The terminal can't be written.
pub fn forget_some(stamps: &[u64], out: &mut impl Write) -> io::Result<()> {
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    for known in held.iter().filter(|known| stamps.contains(&known.stamp)) {
        forget(known.id, known.through_tmux, out)?;
    }
    held.retain(|known| !stamps.contains(&known.stamp));
    Ok(())
}

/// Makes the terminal forget all of kitty's pictures. Does nothing while another thread is sending one: then the
/// terminal is being restored after a panic.
///
/// # Errors
/// The terminal can't be written.
pub fn forget_all(out: &mut impl Write) -> io::Result<()> {
    let Ok(mut held) = HELD.try_lock() else { return Ok(()) };
    for known in held.drain(..) {
        forget(known.id, known.through_tmux, out)?;
    }
    Ok(())
}
