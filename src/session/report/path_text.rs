//! A recipe's path and a session's stages as text, for reports and the workbench. A recipe or a state comes in, lines
//! of text go out.

use std::fmt::Write;

use crate::recipe::Recipe;
use crate::session::state::SessionState;
use crate::text::visible_line;

/// The most characters in a line of a path.
const LINE: usize = 96;

/// A recipe's path as text: `base 0 → ×1.250 ja 1 → base 4`, each layer with the scale of its input. Consecutive
/// unscaled layers of one model are joined (`ja 1–3`). `None` for a recipe without a path.
#[must_use]
pub fn path_text(recipe: &Recipe) -> Option<String> {
    let path = &recipe.path;
    let mut out = String::new();
    let (mut width, mut i) = (0, 0);
    while let Some(first) = path.get(i) {
        let plain = |scale: f64| (scale - 1.0).abs() < 5e-4;
        let follows = |k: usize| {
            let next = path.get(i + k)?;
            (next.model == first.model && next.layer == first.layer + k && plain(next.scale)).then_some(())
        };
        let run = (1..path.len()).take_while(|&k| follows(k).is_some()).count() + 1;
        let scale = if plain(first.scale) { String::new() } else { format!("×{:.3} ", first.scale) };
        let mut stop = format!("{scale}{} {}", short(&first.model), first.layer);
        if run > 1 {
            let _ = write!(stop, "–{}", first.layer + run - 1);
        }
        let cells = stop.chars().count() + 3;
        if i > 0 {
            out.push_str(if width + cells > LINE { "\n  → " } else { " → " });
            width = if width + cells > LINE { 0 } else { width };
        }
        out.push_str(&stop);
        width += cells;
        i += run;
    }
    (!out.is_empty()).then_some(out)
}

/// The short name of a model: `zoo:ja` → `ja`, a folder → its name, `stage:1` unchanged.
fn short(reference: &str) -> String {
    if reference.starts_with("stage:") {
        return reference.to_owned();
    }
    let tail = reference.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or(reference);
    visible_line(tail)
}

/// One line for each stage: the number of evaluations that it has used, and its winner. Empty for a session of one
/// stage.
#[must_use]
pub fn stage_lines(state: &SessionState) -> Vec<String> {
    let used = |at: usize| at.checked_sub(1).and_then(|i| state.begun.get(i)).map(|b| b.evaluations);
    let line = |(at, name): (usize, &String)| {
        let name = visible_line(name);
        let head = format!("stage {} of {}, {name}", at + 1, state.stages.len());
        if at > state.stage() {
            return format!("{head}: to come");
        }
        let from = used(at).unwrap_or(0);
        let until = used(at + 1).unwrap_or(state.evaluations);
        let mut line = format!("{head}: {} evaluations", until - from);
        if let Some(begun) = state.begun.get(at)
            && let Some(entry) = begun.winner.and_then(|id| state.entry(id))
        {
            let fitness = entry.train().map_or(f64::NAN, |s| s.fitness);
            let _ = write!(line, ", its winner {} ({fitness:.3})", visible_line(&entry.candidate.label));
            if let Some(name) = begun.recipe.as_ref().and_then(|r| r.name.as_ref()) {
                let _ = write!(line, " is {name} from then on");
            }
        }
        line
    };
    state.stages.iter().enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{Method, Step};

    fn path(steps: &[(&str, usize, f64)]) -> Recipe {
        let step = |&(model, layer, scale): &(&str, usize, f64)| Step { model: model.into(), layer, scale };
        Recipe {
            path: steps.iter().map(step).collect(),
            ..Recipe::new(Method::Passthrough, Some("zoo:base"))
        }
    }

    #[test]
    fn a_path_is_one_line_of_steps() {
        let recipe = path(&[
            ("zoo:base", 0, 1.0),
            ("zoo:base", 1, 1.0),
            ("a/ja/", 1, 1.25),
            ("a/ja/", 2, 1.0),
            ("stage:1", 2, 1.0),
            ("zoo:base", 4, 0.5),
        ]);
        assert_eq!(path_text(&recipe).unwrap(), "base 0–1 → ×1.250 ja 1–2 → stage:1 2 → ×0.500 base 4");
        assert_eq!(path_text(&path(&[("zoo:base", 0, 1.0)])).unwrap(), "base 0");
        assert_eq!(path_text(&path(&[])), None);
        let long: Vec<(&str, usize, f64)> = (0..80).map(|i| ("some/model", 79 - i, 1.0)).collect();
        let text = path_text(&path(&long)).unwrap();
        assert!(text.lines().count() > 3 && text.lines().all(|l| l.chars().count() <= LINE + 8), "{text}");
        assert_eq!(text.matches('→').count(), 79);
    }
}
