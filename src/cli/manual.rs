//! `yosegi completions` and `yosegi man`: the command definitions come in; shell completion scripts and manual pages go
//! out. The command line calls it.

use std::io::Write;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use super::Cli;
use crate::checkpoint::write_whole;
use crate::error::BadInput;

/// Prints the completion script of a shell.
pub fn completions(shell: Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "yosegi", &mut script);
    std::io::stdout().lock().write_all(&script)?;
    Ok(())
}

/// Prints the manual page, or writes one page for each command into a folder.
pub fn man(out: Option<&Path>) -> anyhow::Result<()> {
    let command = Cli::command();
    let Some(folder) = out else {
        clap_mangen::Man::new(command).render(&mut std::io::stdout().lock())?;
        return Ok(());
    };
    let failed = |e: std::io::Error| {
        BadInput::error(format!("the manual can't be written to {}: {e}", folder.display()))
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut command = command.disable_help_subcommand(true);
    command.build();
    pages(&command, folder).map_err(failed)
}

/// Writes a page for a command and for each of its subcommands.
fn pages(command: &clap::Command, folder: &Path) -> std::io::Result<()> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        pages(below, folder)?;
    }
    let page = clap_mangen::Man::new(command.clone());
    let mut text = Vec::new();
    page.render(&mut text)?;
    write_whole(&folder.join(page.get_filename()), &text)
}
