//! How a replay stands: the playback tells it after every control, and the header shows it.

/// How the replay stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// Recorded seconds a second.
    pub speed: f64,
    pub paused: bool,
    /// Events in all.
    pub of: u64,
}
