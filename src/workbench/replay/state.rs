//! How a replay stands: told by the playback, shown in the header.

/// Speed and length of a replay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlaybackState {
    /// Recorded seconds a second.
    pub speed: f64,
    pub paused: bool,
    /// Events in all.
    pub of: u64,
}
