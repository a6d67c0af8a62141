//! What the dispatcher hears of, through its one channel: clients, the worker, followed sessions, and the end. The
//! threads of the engine send it; the dispatcher alone receives it.

use std::path::PathBuf;
use std::sync::Arc;

use super::outbox::Outbox;
use crate::session::job::Report;
use crate::session::protocol::{Live, Message, Reply, Request};

/// One thing that happened.
// Most of it is reports and events.
#[allow(clippy::large_enum_variant)]
pub enum Inbound {
    /// A client connected.
    Connect { connection: u64, outbox: Arc<Outbox> },
    /// A client asks for something.
    Request { connection: u64, request: Request },
    /// A client is gone.
    Disconnect { connection: u64 },
    /// The worker reports on its job.
    Report { worker: u64, report: Report },
    /// The worker is gone.
    WorkerGone { worker: u64 },
    /// A reply that another thread worked out.
    Reply { connection: u64, id: u64, reply: Reply },
    /// News of a session that this engine follows and does not run.
    Followed { session: String, number: u64, news: FollowerNews },
    /// Text that a forwarded try streams.
    TryStream { connection: u64, request: u64, live: Live },
    /// End now; the journal is complete as it is.
    Stop,
}

/// What a follower tells of its session.
// Most news is messages.
#[allow(clippy::large_enum_variant)]
pub enum FollowerNews {
    /// The socket of the process that runs the session, where commands about it go; `None`: nobody runs it.
    RunsAt(Option<PathBuf>),
    /// A message for the clients that follow the session.
    Message(Message),
}
