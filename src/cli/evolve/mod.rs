//! `yosegi evolve`: a config or a session's name comes in. The command runs the session in this process and prints its
//! progress, or hands the session to the engine and opens the workbench on it. The command line calls it.

mod plan;

use std::path::Path;

use super::Evolve;
use super::output::follow::{Telling, ask, catch_interrupt, follow, interrupted, interruption};
use super::output::say::note;
use crate::error::BadInput;
use crate::session::config::{
    Config, ZOO, with_absolute_paths, with_lenient, with_overrides, with_precision,
};
use crate::session::home::session_list;
use crate::session::journal::Reader;
use crate::session::protocol::{Command, Reply, Status};
use crate::session::{Client, Engine, Home, WorkerKind};

/// What to run: the session's name, and its config unless the session resumes from its journal.
struct Plan {
    name: Option<String>,
    /// `None`: resume from the journal.
    config: Option<String>,
    /// Continue a finished session, up to this total number of evaluations.
    extend: Option<u64>,
    /// Note to print once the session continues: the given config differs from the session's own.
    other: Option<String>,
}

pub use plan::card;

/// Opens the workbench on a session.
pub type Face = fn(&str) -> anyhow::Result<()>;

/// Runs the command. `face` opens the workbench on a session. Without `face`, or without a terminal, the run is
/// headless.
pub fn run(args: &Evolve, face: Option<Face>) -> anyhow::Result<()> {
    let home = Home::from_env()?;
    if args.dry_run {
        let (text, place) = config_text(args)?;
        return plan::run(args, &home, &Config::parse(&text, &place)?);
    }
    let plan = plan(args, &home)?;
    match face {
        Some(face) if !args.headless && !args.json && on_terminal() => {
            let mut client = Client::connect_or_start(&home)?;
            let session = begin(&mut client, &plan)?;
            drop(client);
            face(&session)
        }
        _ => headless(&home, &plan, args.json),
    }
}

/// Evolves the bundled zoo without a workbench: the default of `yosegi` when there is no terminal.
pub fn run_zoo() -> anyhow::Result<()> {
    let plan = Plan { name: None, config: Some(ZOO.to_owned()), extend: None, other: None };
    headless(&Home::from_env()?, &plan, false)
}

/// Whether stdin and stdout are both a terminal.
pub fn on_terminal() -> bool {
    use std::io::IsTerminal;
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Reads the config and determines which session the arguments mean.
fn plan(args: &Evolve, home: &Home) -> anyhow::Result<Plan> {
    if let Some(name) = &args.extend {
        Reader::open(home, name)?;
        return Ok(Plan { name: Some(name.clone()), config: None, extend: args.budget, other: None });
    }
    let (text, place) = config_text(args)?;
    let config = Config::parse(&text, &place)?;
    if args.resume {
        let name = args.name.clone().map_or_else(|| latest(home, &config.name), Ok)?;
        if session_list::exists(home, &name) {
            check_same(home, &name, args)?;
            let other = other_config(home, &name, &text, &place, args)?;
            return Ok(Plan { name: Some(name), config: None, extend: None, other });
        }
        note(&format!("there is no session `{name}` to resume: it begins now"));
        return Ok(Plan { name: Some(name), config: Some(text), extend: None, other: None });
    }
    if let Some(name) = &args.name {
        crate::session::home::check_name(name)?;
        if session_list::exists(home, name) {
            return Err(BadInput::error(crate::session::home::exists_sentence(name)));
        }
    }
    Ok(Plan { name: args.name.clone(), config: Some(text), extend: None, other: None })
}

/// The config's text with the values of the command line and with absolute paths, and where it comes from.
fn config_text(args: &Evolve) -> anyhow::Result<(String, String)> {
    let path = args.config.as_deref().unwrap_or(Path::new(""));
    let text = read(path)?;
    let place = path.display().to_string();
    Config::parse(&text, &place)?;
    let text = with_overrides(&text, args.seed, args.budget)?;
    let text = if args.lenient { with_lenient(&text)? } else { text };
    let text = match args.precision {
        Some(precision) => with_precision(&text, precision)?,
        None => text,
    };
    let folder = std::env::current_dir()?;
    Ok((with_absolute_paths(&text, &folder), place))
}

fn read(path: &Path) -> anyhow::Result<String> {
    let known = [
        ("configs/zoo.toml", ZOO),
        ("configs/evollm-jp.toml", include_str!("../../../configs/evollm-jp.toml")),
        ("configs/evovlm-jp.toml", include_str!("../../../configs/evovlm-jp.toml")),
    ];
    match crate::limits::read_text(path, crate::limits::TEXT_FILE) {
        Ok(text) => Ok(text),
        // The configs built into the binary can be named in any folder.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            known.iter().find(|(name, _)| path == *name).map(|(_, text)| (*text).to_owned()).ok_or_else(
                || {
                    BadInput::error(format!(
                        "there is no config {}: give a file such as configs/zoo.toml",
                        path.display()
                    ))
                },
            )
        }
        Err(e) => Err(BadInput::error(format!("{} cannot be read: {e}", path.display()))),
    }
}

/// The most recently changed session among `name`, `name-2`, …; unfinished sessions come before finished ones.
/// `name` itself if there is no such session.
fn latest(home: &Home, name: &str) -> anyhow::Result<String> {
    let numbered = |other: &str| {
        other.strip_prefix(name).is_some_and(|rest| {
            rest.is_empty() || rest.strip_prefix('-').is_some_and(|n| n.parse::<u32>().is_ok())
        })
    };
    let mut rows: Vec<_> = session_list::rows(home)?
        .into_iter()
        .filter(|row| row.problem.is_none() && numbered(&row.name))
        .collect();
    rows.sort_by_key(|row| row.status == Status::Finished);
    Ok(rows.first().map_or_else(|| name.to_owned(), |row| row.name.clone()))
}

/// Refuses flags that would change the seed, budget or precision of a resumed session.
fn check_same(home: &Home, name: &str, args: &Evolve) -> anyhow::Result<()> {
    let state = Reader::open(home, name)?.state()?;
    let differs = |what: &str, was: u64, is: Option<u64>| match is {
        Some(is) if is != was => Err(BadInput::error(format!(
            "session `{name}` began with {what} {was}, not {is}: resume it without --{what}, \
             or start another under a new --name"
        ))),
        _ => Ok(()),
    };
    differs("seed", state.seed, args.seed)?;
    differs("budget", state.budget, args.budget)?;
    let own = Config::parse(&state.config, name).ok().and_then(|config| config.precision);
    let was = own.map_or(state.dtype.as_str(), |own| own.name());
    match args.precision {
        Some(is) if is.name() != was => Err(BadInput::error(format!(
            "session `{name}` began with precision {was}, not {}: resume it without --precision, or start another \
             under a new --name",
            is.name()
        ))),
        _ => Ok(()),
    }
}

/// The note to print if the given config differs from the config that the session began with and keeps.
fn other_config(
    home: &Home,
    name: &str,
    text: &str,
    place: &str,
    args: &Evolve,
) -> anyhow::Result<Option<String>> {
    let (state, _) = Reader::open(home, name)?.legible_state()?;
    let (Ok(mut given), Ok(own)) = (Config::parse(text, place), Config::parse(&state.config, name)) else {
        return Ok(None);
    };
    if args.precision.is_some() {
        // It has been checked against what the session computes in.
        given.precision = own.precision;
    }
    given.take_overrides(&own, args.seed.is_none(), args.budget.is_none(), !args.lenient);
    let said = format!(
        "{place} is not as it was when session `{name}` began: the session goes on with what it began with"
    );
    Ok((given != own).then_some(said))
}

/// Starts, extends or resumes the session on an engine; returns the session's name.
fn begin(client: &mut Client, plan: &Plan) -> anyhow::Result<String> {
    let command = match (&plan.config, &plan.name) {
        (None, Some(name)) if plan.extend.is_some() => {
            Command::Extend { session: name.clone(), budget: plan.extend.unwrap_or_default() }
        }
        (Some(config), name) => Command::Start { config: config.clone(), name: name.clone() },
        (None, Some(name)) => Command::Resume { session: name.clone() },
        (None, None) => anyhow::bail!("a session to resume has a name"),
    };
    let reply = ask(client, command)?;
    plan.other.iter().for_each(|line| note(line));
    match reply {
        Reply::Started { session } => Ok(session),
        _ => plan.name.clone().ok_or_else(|| anyhow::anyhow!("the engine did not name the session")),
    }
}

fn headless(home: &Home, plan: &Plan, json: bool) -> anyhow::Result<()> {
    catch_interrupt();
    // The reader of the events may close the pipe: the run continues, and its journal has every event.
    crate::print::goes_on();
    let mut engine = Engine::start(home, WorkerKind::Process)?;
    if let Some(why) = &engine.alone {
        note(&format!(
            "nobody can give this run commands: no socket can be made ({why}); attach follows its journal"
        ));
    }
    let mut client = engine.connect()?;
    let finished = plan.config.is_none()
        && plan.extend.is_none()
        && match &plan.name {
            Some(name) => Reader::open(home, name)?.state()?.status == Status::Finished,
            None => false,
        };
    let session = match (&plan.name, finished) {
        // The session is finished: only its end is left to print.
        (Some(name), true) => name.clone(),
        _ => begin(&mut client, plan).map_err(|why| match &plan.name {
            // The session exists: it began before the interruption.
            Some(name) if interrupted() && session_list::exists(home, name) => interruption(name),
            _ => why,
        })?,
    };
    let state = follow(&engine, client, &session, Telling { json, lines: true, looking: false });
    engine.stop();
    let state = state?;
    match state.status {
        Status::Finished => Ok(()),
        _ => anyhow::bail!(
            "session `{session}` has not finished ({}): go on with --name {session} --resume",
            state.reason.as_deref().unwrap_or("paused")
        ),
    }
}
