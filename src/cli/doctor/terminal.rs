//! The doctor's findings about what the terminal can show. Environment variables come in, findings go out;
//! `doctor::run` calls it.

use super::super::evolve::on_terminal;
use super::{Finding, var};
use crate::locale::{is_utf8, locale};

pub fn look() -> Vec<Finding> {
    let mut out = vec![terminal(), letters()];
    #[cfg(feature = "workbench")]
    {
        out.insert(1, colours());
        out.push(pictures());
    }
    if !var("TMUX").is_empty() {
        out.push(Finding::note(
            "tmux",
            "copied answers reach your clipboard only if tmux lets them pass",
            "in ~/.tmux.conf: set -g set-clipboard on",
        ));
    }
    out
}

fn terminal() -> Finding {
    let term = var("TERM");
    if !on_terminal() {
        let todo = "the workbench needs one; everything else works without";
        return Finding::note("terminal", "this is none (input or output is redirected)", todo);
    }
    if term.is_empty() || term == "dumb" {
        let todo = "set TERM to what your terminal is, such as xterm-256color";
        return Finding::gap("terminal", format!("TERM is {term:?}"), todo);
    }
    Finding::good("terminal", term)
}

#[cfg(feature = "workbench")]
fn colours() -> Finding {
    use crate::workbench::theme::{Depth, Theme};
    match Theme::from_env().depth {
        Depth::True => Finding::good("colours", "16 million"),
        Depth::Ansi256 => Finding::note(
            "colours",
            "256",
            "if your terminal shows more: export COLORTERM=truecolor (SSH does not carry it over)",
        ),
        Depth::Ansi16 => Finding::note(
            "colours",
            "16",
            "if your terminal shows more: export COLORTERM=truecolor, or TERM=xterm-256color",
        ),
        Depth::Mono => {
            Finding::note("colours", "none, as NO_COLOR asks", "unset NO_COLOR for heat maps in colour")
        }
    }
}

#[cfg(feature = "workbench")]
fn pictures() -> Finding {
    use crate::workbench::pictures::graphics::Setting;
    match Setting::from_env() {
        Err(value) => {
            let names = Setting::NAMES.map(|(name, _)| name).join(", ");
            let found = format!("YOSEGI_PICTURES is {value:?}, which is ignored");
            Finding::gap("pictures", found, format!("set it to one of {names}, or to nothing"))
        }
        Ok(Setting::Off) => Finding::note(
            "pictures",
            "off, as YOSEGI_PICTURES asks",
            "unset it to see the pictures of questions",
        ),
        Ok(Setting::Auto) if !var("TMUX").is_empty() => Finding::note(
            "pictures",
            "by half blocks unless tmux lets better ones pass",
            "in ~/.tmux.conf, for kitty and Ghostty: set -g allow-passthrough on",
        ),
        Ok(Setting::Auto) => Finding::good("pictures", "as well as the terminal says it can show them"),
        Ok(Setting::Always(_)) => Finding::good("pictures", format!("by {}", var("YOSEGI_PICTURES"))),
    }
}

/// Encoding and language.
fn letters() -> Finding {
    let locale = locale().unwrap_or_default();
    let language = language();
    if is_utf8(&locale) {
        return Finding::good("letters", format!("{locale}; {language}"));
    }
    let shown = if locale.is_empty() { "no locale is set" } else { &locale };
    Finding::note(
        "letters",
        format!("{shown}; {language}"),
        "Japanese needs a terminal in UTF-8: export LANG=C.UTF-8; under another locale frames and tables are in ASCII (YOSEGI_ASCII=0 or 1 says otherwise)",
    )
}

#[cfg(feature = "workbench")]
fn language() -> &'static str {
    use crate::workbench::messages::Language;
    match Language::from_env() {
        Language::English => "the workbench speaks English (YOSEGI_LANG=ja for Japanese)",
        Language::Japanese => "the workbench speaks Japanese (YOSEGI_LANG=en for English)",
    }
}

#[cfg(not(feature = "workbench"))]
fn language() -> &'static str {
    "built without the workbench"
}
