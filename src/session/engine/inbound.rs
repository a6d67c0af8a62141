//! The messages that reach the dispatcher through its one channel: from clients, the worker and followed sessions, and
//! the order to end. The engine's threads send them; only the dispatcher receives them.

use std::path::PathBuf;
use std::sync::Arc;

use super::outbox::Outbox;
use crate::progress::Headway;
use crate::session::job::Report;
use crate::session::protocol::{Live, Message, Reply, Request};

/// One message to the dispatcher.
// Most messages are reports and events.
#[allow(clippy::large_enum_variant)]
pub enum Inbound {
    /// A client connected.
    Connect { connection: u64, outbox: Arc<Outbox> },
    /// A client sends a request.
    Request { connection: u64, request: Request },
    /// A client has disconnected.
    Disconnect { connection: u64 },
    /// The worker reports on its job.
    Report { worker: u64, report: Report },
    /// The worker process has ended.
    WorkerGone { worker: u64 },
    /// A reply that another thread has prepared.
    Reply { connection: u64, id: u64, reply: Reply },
    /// News of a session that this engine follows but does not run.
    Followed { session: String, number: u64, news: FollowerNews },
    /// Text that a forwarded try streams.
    TryStream { connection: u64, request: u64, live: Live },
    /// How far work on another thread has come that a client waits for.
    Headway { connection: u64, headway: Headway },
    /// End now. The journal is complete at any time.
    Stop,
}

/// The news that a follower sends about its session.
// Most news are messages.
#[allow(clippy::large_enum_variant)]
pub enum FollowerNews {
    /// The socket of the process that runs the session, which receives the commands about it; `None`: no process runs
    /// it.
    RunsAt(Option<PathBuf>),
    /// A message for the clients that follow the session.
    Message(Message),
}
