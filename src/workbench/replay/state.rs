//! Speed and length of a replay. The playback sends them; the header shows them.

/// Speed and length of a replay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlaybackState {
    /// Recorded seconds played per second.
    pub speed: f64,
    pub paused: bool,
    /// Total number of events.
    pub of: u64,
}
