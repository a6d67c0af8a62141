//! Every subcommand. Arguments come in; each command calls the session's protocol or a room below, and an exit code
//! goes out. This layer is thin: the room that a command belongs to does the work. `main` calls it.

mod answers;
mod attach_headless;
mod compare;
mod decoding;
mod device;
mod doctor;
mod engine;
mod eval;
mod evolve;
mod face;
mod fetch;
mod generate;
mod inspect;
mod manual;
mod merge;
mod models;
mod output;
mod page;
mod recipe;
#[cfg(feature = "workbench")]
mod replay;
mod report;
mod score;
#[cfg(feature = "workbench")]
mod screenshot;
mod sessions;
mod stop;
mod worker;
mod zoo;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::evaluate::Precision;
use crate::session::Home;
use crate::session::journal::Reader;
use crate::session::plan::Card;
use decoding::DecodingArgs;
use device::{DeviceArgs, precision};
use face::{FACE, open};
use output::exit;
use recipe::RecipeArgs;

/// Version, commit and features: `0.1.0 (c1b3d24f0, features: workbench)`.
pub const VERSION: &str = env!("YOSEGI_VERSION");

/// Evolve model merges, live, in a terminal.
///
/// Without a subcommand the workbench opens; without a terminal the bundled zoo is evolved
/// and progress is printed.
#[derive(Debug, Parser)]
#[command(name = "yosegi", version = VERSION, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What models are here and what fits together
    Models {
        /// Say for each model whether it merges with this one
        #[arg(long, default_value = "zoo:base")]
        base: String,
        /// One JSON document on stdout
        #[arg(long)]
        json: bool,
    },
    /// A checkpoint's shape, tensors and vocabulary in words
    Inspect {
        /// A folder, org/name[@revision], or zoo:NAME; with several, how they fit the first
        #[arg(required = true)]
        models: Vec<String>,
        #[arg(long)]
        json: bool,
    },
    /// Write a merge as a Hugging Face checkpoint
    Merge(merge::Merge),
    /// Convert, check and look up recipes
    #[command(subcommand)]
    Recipe(RecipeCommand),
    /// Let a model or a merge continue prompts, greedily
    Generate(Generate),
    /// Score a model or a merge on a task
    Eval(Eval),
    /// Judge answers made elsewhere by a task's rules
    Score(Score),
    /// What a second model gains and loses on a first, and whether that is chance
    Compare(Compare),
    /// Run a session: search for the merge that a task asks for
    Evolve(Evolve),
    /// All sessions with their best values
    Sessions {
        #[arg(long)]
        json: bool,
    },
    /// Open the workbench on a session, running or not
    Attach {
        /// Name of the session
        name: String,
    },
    /// End a running session; it can be resumed
    Stop {
        /// Name of the session
        name: String,
    },
    /// A session's baselines, generations and best recipe
    Report {
        /// Name of the session
        name: String,
        /// One JSON document on stdout
        #[arg(long)]
        json: bool,
        /// Write one self-contained page: curve, best merge, baselines, gained and lost answers
        #[arg(long, value_name = "FILE", conflicts_with = "json")]
        html: Option<PathBuf>,
    },
    /// Play a session again in the workbench; nothing can be changed
    #[cfg(feature = "workbench")]
    Replay {
        /// Name of the session, or a recorded session (FILE.jsonl); the bundled recording when absent
        name: Option<String>,
        /// Times its own speed
        #[arg(long, default_value_t = 1.0, value_name = "X")]
        speed: f64,
    },
    /// Write the bundled models out as ordinary checkpoints
    Zoo {
        /// Folder to write them to
        #[arg(long)]
        out: PathBuf,
    },
    /// Draw the workbench's panes from a session's journal as SVG or PNG
    #[cfg(feature = "workbench")]
    Screenshot(screenshot::Screenshot),
    /// What this machine, terminal and home offer, and what to do about each gap
    Doctor {
        /// One JSON document on stdout
        #[arg(long)]
        json: bool,
    },
    /// Print a shell's completion script
    Completions {
        /// Shell to complete in
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man {
        /// Write a page for each command into this folder instead
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// The process that owns the device (started on demand)
    #[command(hide = true)]
    Engine,
    /// The process that does the tensor work (started by the engine)
    #[command(hide = true)]
    Worker,
}

#[derive(Debug, Args)]
pub struct Generate {
    /// A folder, org/name[@revision], zoo:NAME, or a recipe (TOML or mergekit's YAML)
    pub model: String,
    /// Continue this text
    #[arg(long, required_unless_present = "prompts", conflicts_with = "prompts")]
    pub prompt: Option<String>,
    /// Continue each line's "prompt" of this JSONL file; "images" lists its pictures
    #[arg(long)]
    pub prompts: Option<PathBuf>,
    /// A picture for the next <image> of --prompt; may be repeated
    #[arg(long, value_name = "FILE", requires = "prompt")]
    pub image: Vec<PathBuf>,
    /// Most tokens to generate for a prompt
    #[arg(long, default_value_t = 256)]
    pub max_tokens: usize,
    #[command(flatten)]
    pub decoding: DecodingArgs,
    #[command(flatten)]
    pub recipe: RecipeArgs,
    #[command(flatten)]
    pub device: DeviceArgs,
    /// JSON lines on stdout: {"prompt","text","tokens"}
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Eval {
    /// A folder, org/name[@revision], zoo:NAME, or a recipe (TOML or mergekit's YAML)
    pub model: String,
    /// Built-in tasks' names or task files, with commas between them
    #[arg(long, required_unless_present = "suite", conflicts_with = "suite")]
    pub task: Option<String>,
    /// A built-in suite (ja8, ja8-0.2, mgsm) or a suite file
    #[arg(long)]
    pub suite: Option<String>,
    /// Which questions
    #[arg(long, value_enum, default_value_t = SplitArg::Test)]
    pub split: SplitArg,
    /// Only the first N questions
    #[arg(long)]
    pub limit: Option<usize>,
    #[command(flatten)]
    pub decoding: DecodingArgs,
    #[command(flatten)]
    pub recipe: RecipeArgs,
    #[command(flatten)]
    pub device: DeviceArgs,
    /// A Markdown table on stdout
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,
    /// Also write the answers as a table: FILE.csv or FILE.parquet
    #[arg(long, value_name = "FILE")]
    pub export: Option<PathBuf>,
    /// One JSON document on stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Score {
    /// A built-in task's name or a task file
    #[arg(long)]
    pub task: String,
    /// JSON lines {"id","gold","text"}, or what `eval --json` printed; without "gold" the task's own
    /// question of that id counts
    #[arg(long)]
    pub answers: PathBuf,
    /// Also write a table: FILE.csv or FILE.parquet
    #[arg(long, value_name = "FILE")]
    pub export: Option<PathBuf>,
    /// One JSON document on stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Compare {
    /// A model, a recipe (TOML or mergekit's YAML), or a file of answers (JSONL, or what `eval --json` printed)
    pub a: String,
    /// The same
    pub b: String,
    /// A built-in task's name or a task file
    #[arg(long)]
    pub task: String,
    /// Which questions
    #[arg(long, value_enum, default_value_t = SplitArg::Test)]
    pub split: SplitArg,
    /// Only the first N questions
    #[arg(long)]
    pub limit: Option<usize>,
    #[command(flatten)]
    pub recipe: RecipeArgs,
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Questions and answers of what was gained and lost
    #[arg(long)]
    pub verbose: bool,
    /// One JSON document on stdout
    #[arg(long, conflicts_with = "verbose")]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Evolve {
    /// A session's config (TOML)
    #[arg(required_unless_present = "extend")]
    pub config: Option<PathBuf>,
    /// Name of the session, in place of the config's
    #[arg(long)]
    pub name: Option<String>,
    /// Run here and print progress, also when there is a terminal
    #[arg(long)]
    pub headless: bool,
    /// Let this finished session go on, up to --budget evaluations in all
    #[arg(long, value_name = "NAME", requires = "budget", conflicts_with_all = ["config", "name", "seed", "precision", "resume"])]
    pub extend: Option<String>,
    /// Evaluations, in place of the config's
    #[arg(long)]
    pub budget: Option<u64>,
    /// Seed, in place of the config's
    #[arg(long)]
    pub seed: Option<u64>,
    /// What the device computes in, in place of the config's
    #[arg(long, value_name = "FORMAT", value_parser = precision())]
    pub precision: Option<Precision>,
    /// Take up the session of that name where it ended
    #[arg(long)]
    pub resume: bool,
    /// Pass over unknown keys of the recipe that the search starts from
    #[arg(long)]
    pub lenient: bool,
    /// Say what the session would read, ask and store, and start nothing
    #[arg(long, conflicts_with_all = ["extend", "resume"])]
    pub dry_run: bool,
    /// With --dry-run: time a few candidates, on N questions, or on as many as take a moment
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, requires = "dry_run")]
    pub measure: Option<Option<usize>>,
    /// With --dry-run: an estimate for a card that is not here, by its data sheet (h100, a100, rtx4090, ...)
    #[arg(long, value_name = "CARD", requires = "dry_run", value_parser = evolve::card())]
    pub for_card: Option<&'static Card>,
    /// JSON lines on stdout, one event each
    #[arg(long)]
    pub json: bool,
}

/// What can be done with a recipe without reading a model.
#[derive(Debug, Subcommand)]
pub enum RecipeCommand {
    /// Write a recipe in the other notation: TOML, or mergekit's YAML
    Convert {
        /// A file ending in .toml, .yml or .yaml, or - for stdin (YAML unless it reads as TOML)
        input: PathBuf,
        /// A file ending in .toml, .yml or .yaml, or - for stdout (the notation that the input is not in)
        output: PathBuf,
        /// Pass over unknown keys, with a warning for each
        #[arg(long)]
        lenient: bool,
    },
    /// Say whether a recipe is in order
    Check {
        /// A recipe (TOML or mergekit's YAML)
        file: PathBuf,
        /// Pass over unknown keys, with a warning for each
        #[arg(long)]
        lenient: bool,
    },
    /// The merge methods with their parameters
    Methods {
        /// Only this one
        name: Option<String>,
        /// One JSON document on stdout
        #[arg(long)]
        json: bool,
    },
}

/// Which questions of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SplitArg {
    Train,
    Test,
}

/// Parses the arguments, runs the command and turns its outcome into an exit code.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => exit::code(run(cli)),
        Err(error) => exit::usage(&error),
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        None if evolve::on_terminal() => open(None),
        None => evolve::run_zoo(),
        Some(Command::Eval(args)) => eval::run(&args),
        Some(Command::Score(args)) => score::run(&args),
        Some(Command::Compare(args)) => compare::run(&args),
        Some(Command::Generate(args)) => generate::run(&args),
        Some(Command::Evolve(args)) => evolve::run(&args, FACE),
        Some(Command::Sessions { json }) => sessions::run(json),
        Some(Command::Attach { name }) if evolve::on_terminal() => {
            // Report a missing session here, before the workbench covers the terminal.
            Reader::open(&Home::from_env()?, &name)?;
            open(Some(&name))
        }
        Some(Command::Attach { name }) => attach_headless::run(&name),
        Some(Command::Stop { name }) => stop::run(&name),
        Some(Command::Report { name, json, html }) => report::run(&name, json, html.as_deref()),
        #[cfg(feature = "workbench")]
        Some(Command::Replay { name, speed }) => replay::run(name.as_deref(), speed),
        Some(Command::Doctor { json }) => doctor::run(json),
        Some(Command::Completions { shell }) => manual::completions(shell),
        Some(Command::Man { out }) => manual::man(out.as_deref()),
        Some(Command::Engine) => engine::run(),
        Some(Command::Worker) => worker::run(),
        Some(Command::Models { base, json }) => models::run(&base, json),
        Some(Command::Inspect { models, json }) => inspect::run(&models, json),
        Some(Command::Merge(args)) => merge::run(&args),
        Some(Command::Recipe(command)) => recipe::run(&command),
        Some(Command::Zoo { out }) => zoo::run(&out),
        #[cfg(feature = "workbench")]
        Some(Command::Screenshot(args)) => screenshot::run(&args),
    }
}
