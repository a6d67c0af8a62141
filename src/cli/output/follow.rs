//! Follows a session without a workbench. A client's messages come in; progress lines go to stderr, or events as JSON
//! lines to stdout. `evolve` and `attach` call it; other commands use its signal handling and [`ask`].

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::headway;
use super::say::{self, note};
use crate::error::{BadInput, Interrupted};
use crate::session::protocol::{Command, Event, Live, Message, Origin, Record, Reply, Status};
use crate::session::state::SessionState;
use crate::session::{Client, Engine, report};
use crate::text::visible_line;

/// Whether Ctrl-C or SIGTERM has come since [`catch_interrupt`].
pub static INTERRUPTED: AtomicBool = AtomicBool::new(false);

extern "C" fn on_interrupt(_: libc::c_int) {
    INTERRUPTED.store(true, Ordering::SeqCst);
}

/// From now on, Ctrl-C and SIGTERM end the work cleanly. A second signal ends the process at once.
pub fn catch_interrupt() {
    crate::session::signals::unblock_all();
    let handler = on_interrupt as *const () as libc::sighandler_t;
    // SAFETY: the handler only stores to an atomic; SA_RESETHAND gives the next signal its
    // default effect. A zeroed sigaction is a valid one with an empty mask.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = libc::SA_RESETHAND | libc::SA_RESTART;
        libc::sigaction(libc::SIGINT, &raw const action, std::ptr::null_mut());
        libc::sigaction(libc::SIGTERM, &raw const action, std::ptr::null_mut());
    }
}

/// From now on, Ctrl-C and SIGTERM end the process at once again, unless one has come.
pub fn release_interrupt() {
    if !interrupted() {
        // SAFETY: the default action of a signal is always valid.
        unsafe {
            libc::signal(libc::SIGINT, libc::SIG_DFL);
            libc::signal(libc::SIGTERM, libc::SIG_DFL);
        }
    }
}

/// Whether Ctrl-C or SIGTERM has come.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// The error of a run that was told to end.
pub fn interruption(session: &str) -> anyhow::Error {
    Interrupted(format!(
        "interrupted; the journal is intact: go on with `yosegi evolve … --name {session} --resume`"
    ))
    .into()
}

/// Sends a command and waits for the reply; an error reply becomes [`BadInput`]. Only for commands sent before a
/// subscription: all messages except the reply and the log are dropped.
pub fn ask(client: &mut Client, command: Command) -> anyhow::Result<Reply> {
    let asked = client.send(command)?;
    loop {
        if interrupted() {
            return Err(Interrupted("interrupted before the engine answered; nothing is lost".into()).into());
        }
        match client.recv_timeout(Duration::from_millis(100))? {
            Some(Message::Reply { id, reply: Reply::Error(why) }) if id == asked => {
                return Err(BadInput::error(why));
            }
            Some(Message::Reply { id, reply }) if id == asked => return Ok(reply),
            Some(Message::Live { live: Live::Log { level, text, at_ms }, .. })
                if level != "info" && at_ms >= client.since_ms =>
            {
                note(&visible_line(&text));
            }
            Some(Message::Live { live: Live::Headway(headway), .. }) => headway::tell(headway),
            _ => {}
        }
    }
}

/// How a session's progress is printed.
#[derive(Clone, Copy, Debug)]
pub struct Telling {
    /// Events as JSON lines on stdout.
    pub json: bool,
    /// Lines for a person on stderr.
    pub lines: bool,
    /// The session runs in another process and goes on without this one.
    pub looking: bool,
}

/// The error of a command that was told to end while it followed a session.
fn end_of_following(session: &str, telling: Telling) -> anyhow::Error {
    if telling.looking {
        return Interrupted(format!(
            "session `{session}` goes on without this window: `yosegi attach {session}` follows it again"
        ))
        .into();
    }
    interruption(session)
}

/// Asks for a session's events from `since` on. The session has begun, so an interruption here says how it goes on.
fn subscribe(client: &mut Client, session: &str, since: u64, telling: Telling) -> anyhow::Result<()> {
    let asked = ask(client, Command::Subscribe { session: session.into(), since });
    asked.map(|_| ()).map_err(|why| if interrupted() { end_of_following(session, telling) } else { why })
}

/// Follows a session from its first event until it ends, is paused or stopped, or a signal comes. The returned state
/// has the status `Finished` only if the session came to its end. The engine disconnects a client that is too slow, for
/// example because nothing reads its output; then this function connects again and continues after the last event.
pub fn follow(
    engine: &Engine,
    mut client: Client,
    session: &str,
    telling: Telling,
) -> anyhow::Result<SessionState> {
    subscribe(&mut client, session, 1, telling)?;
    let mut teller = Teller { telling, state: SessionState::default(), live: false, began: Instant::now() };
    loop {
        if interrupted() {
            return Err(end_of_following(session, telling));
        }
        match client.recv_timeout(Duration::from_millis(100))? {
            Some(Message::Event { session: of, record }) if of == session => teller.event(&record)?,
            Some(Message::Boundary { .. }) => teller.boundary(),
            Some(Message::Live { live: Live::Halted { reason, killed }, .. }) => {
                if telling.looking {
                    teller.table();
                }
                anyhow::ensure!(
                    !killed,
                    "session `{session}` does not run: {reason}; go on with \
                     `yosegi evolve … --name {session} --resume`"
                );
                anyhow::bail!(
                    "session `{session}` cannot go on: {reason}; when that is mended: \
                     `yosegi evolve … --name {session} --resume`"
                )
            }
            Some(Message::Live { live: Live::Log { level, text, at_ms }, .. })
                if level != "info" && at_ms >= client.since_ms =>
            {
                note(&visible_line(&text));
            }
            Some(Message::Live { live: Live::Headway(headway), .. }) if telling.lines => {
                headway::tell(headway);
            }
            Some(Message::Live { live: Live::LetGo { .. }, .. }) => {
                client = engine.connect()?;
                let since = teller.state.seq + 1;
                subscribe(&mut client, session, since, telling)?;
            }
            _ => {}
        }
        let over = matches!(teller.state.status, Status::Finished | Status::Stopped | Status::Paused);
        if teller.live && over {
            teller.end()?;
            return Ok(teller.state);
        }
    }
}

struct Teller {
    telling: Telling,
    state: SessionState,
    /// Whether all past events have arrived.
    live: bool,
    began: Instant,
}

impl Teller {
    fn event(&mut self, record: &Record) -> anyhow::Result<()> {
        self.state.apply(record);
        if self.telling.json && !matches!(record.event, Event::Finished { .. }) {
            say::json(&json_line(record, &self.state)?)?;
        }
        if self.live && self.telling.lines {
            self.line(&record.event);
        }
        Ok(())
    }

    /// Prints a summary of the past events, once they have all arrived.
    fn boundary(&mut self) {
        let again = std::mem::replace(&mut self.live, true);
        if again || !self.telling.lines {
            return;
        }
        let state = &self.state;
        note(&format!(
            "session {}: {} genes, {} training and {} held-out questions, {} evaluations, seed {}, on {}",
            visible_line(&state.name),
            state.genes.len(),
            state.train_questions,
            state.test_questions,
            state.budget,
            state.seed,
            visible_line(&state.device)
        ));
        if !state.entries.is_empty() {
            note(&format!("{} of {} evaluations are done already", state.evaluations, state.budget));
            note(&report::comparison_table(state));
        }
    }

    fn line(&self, event: &Event) {
        let state = &self.state;
        match event {
            Event::Baseline { candidate, .. } if matches!(candidate.origin, Origin::Grid | Origin::Mean) => {}
            Event::Baseline { candidate, .. } => {
                let Some(entry) = state.entry(candidate.id) else { return };
                let percent = |s: Option<crate::session::protocol::Score>| {
                    s.map_or_else(|| "failed".into(), |s| format!("{:.1}%", 100.0 * s.acc_in_language))
                };
                note(&format!(
                    "{:<14} train {}, held out {}",
                    visible_line(&candidate.label),
                    percent(entry.train()),
                    percent(entry.test)
                ));
            }
            Event::GenerationStarted { generation: 1, .. } => {
                note("");
                note(&report::comparison_table(state));
            }
            Event::GenerationFinished { generation, .. } => {
                if let Some(line) = report::generation_line(state, *generation) {
                    note(&line);
                }
            }
            Event::HeldOut { id, score, .. } if !state.generations.is_empty() => {
                let label = state.entry(*id).map_or("", |e| e.candidate.label.as_str());
                let label = visible_line(label);
                note(&format!("  new best {label}: held out {:.1}%", 100.0 * score.acc_in_language));
            }
            Event::StageStarted { stage, name, .. } => {
                let name = visible_line(name);
                note(&format!(
                    "stage {stage} of {}, {name}: {} genes",
                    state.stages.len(),
                    state.genes.len()
                ));
            }
            Event::Injected { candidate } => note(&format!("  {} joins", visible_line(&candidate.label))),
            Event::Paused => note("paused"),
            Event::Resumed => note("resumed"),
            Event::Stopped { reason } => note(&visible_line(reason)),
            _ => {}
        }
    }

    fn table(&self) {
        note("");
        note(&report::comparison_table(&self.state));
    }

    fn end(&self) -> anyhow::Result<()> {
        let state = &self.state;
        if self.telling.lines {
            self.table();
            let s = report::spent(state);
            note(&format!(
                "{} evaluations in {:.0} s here; a candidate took {:.2} s (merge {:.3}, prefill {:.3}, decode {:.3}, score {:.3})",
                state.evaluations,
                self.began.elapsed().as_secs_f64(),
                s.merge_s + s.prefill_s + s.decode_s + s.score_s,
                s.merge_s,
                s.prefill_s,
                s.decode_s,
                s.score_s
            ));
            note(&format!("the recipe and all else: `yosegi report {}`", visible_line(&state.name)));
        }
        match (&state.finished, self.telling.json) {
            (Some(finish), true) => {
                let mut last = serde_json::json!({
                    "event": "finished",
                    "session": state.name,
                    "best": {"train": finish.train.acc_in_language, "test": finish.test.acc_in_language, "recipe": finish.recipe},
                    "scores": {"train": finish.train, "test": finish.test},
                    "candidate": finish.best,
                    "mean": finish.mean,
                    "evaluations": state.evaluations,
                    "seconds": self.began.elapsed().as_secs_f64(),
                });
                report::name_shares(&mut last, state);
                say::json(&last)
            }
            _ => Ok(()),
        }
    }
}

/// An event with its number, time and cost, its own fields first.
fn json_line(record: &Record, state: &SessionState) -> anyhow::Result<serde_json::Value> {
    let mut value = serde_json::to_value(&record.event)?;
    if let Some(object) = value.as_object_mut() {
        object.insert("seq".into(), record.seq.into());
        object.insert("at_ms".into(), record.at_ms.into());
        if let Some(cost) = &record.cost {
            object.insert("cost".into(), serde_json::to_value(cost)?);
        }
    }
    report::name_shares(&mut value, state);
    Ok(value)
}
