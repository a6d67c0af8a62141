//! The page's section on the best candidate. Its recipe comes in; HTML goes out with the weights as a heat map or the
//! path as a route, and the recipe's text to copy. The page calls it.

use std::fmt::Write;

use super::escape;
use crate::recipe::{LayerGroup, Recipe, Source, Values};
use crate::session::protocol::Target;
use crate::session::state::SessionState;

/// The range of weights that the colours cover.
const LOW: f64 = -0.3;
const HIGH: f64 = 1.8;

pub fn draw(state: &SessionState, out: &mut String) -> std::fmt::Result {
    let Some(best) = state.best_entry() else { return Ok(()) };
    let Target::Recipe(recipe) = &best.candidate.target else { return Ok(()) };
    let fitness = best.train().map_or_else(String::new, |s| format!(", fitness {:.3}", s.fitness));
    writeln!(out, "<section>\n<h2>The best merge: {}{fitness}</h2>", escape(&best.candidate.label))?;
    if recipe.path.is_empty() {
        heat(recipe, state.layers, out)?;
    } else {
        route(recipe, out)?;
    }
    writeln!(
        out,
        "<details><summary>As a recipe (TOML)</summary><pre>{}</pre></details>",
        escape(&recipe.to_toml())
    )?;
    if let Ok(yaml) = recipe.to_yaml() {
        writeln!(
            out,
            "<details><summary>As mergekit's YAML</summary><pre>{}</pre></details>",
            escape(&yaml)
        )?;
    }
    out.push_str("</section>\n");
    Ok(())
}

/// A column's name, the source's numbers, and the value that gets the colour for high.
type Track = (&'static str, fn(&Source) -> &Values, f64);

/// The heat map: a row for each layer group, a column for each source.
fn heat(recipe: &Recipe, layers: usize, out: &mut String) -> std::fmt::Result {
    let density = recipe.method.uses_density();
    let tracks: &[Track] = if density {
        &[("weight", Source::weight, HIGH), ("density", Source::density, 1.0)]
    } else {
        &[("weight", Source::weight, HIGH)]
    };
    writeln!(
        out,
        "<p class=\"note\">{}: {}. Base {}.</p>\n<div class=\"scroll\"><table class=\"heat\">\n<tr><th></th>",
        recipe.method.name(),
        escape(recipe.method.about()),
        escape(recipe.donor()),
    )?;
    for source in &recipe.sources {
        for (name, ..) in tracks {
            let word = if density { format!(" {name}") } else { String::new() };
            write!(out, "<th>{}{word}</th>", escape(&source.model))?;
        }
    }
    out.push_str("</tr>\n");
    for group in LayerGroup::all(layers) {
        write!(out, "<tr><td class=\"group\">{group}</td>")?;
        for source in &recipe.sources {
            for (_, values, high) in tracks {
                match values(source).get(group) {
                    Some(value) => {
                        let (back, ink) = colours(value, *high);
                        write!(out, "<td style=\"background:{back};color:{ink}\">{value:.2}</td>")?;
                    }
                    None => out.push_str("<td>–</td>"),
                }
            }
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</table></div>\n");
    Ok(())
}

/// The path of a data-flow recipe: a column for each model, a row for each step with its factor.
fn route(recipe: &Recipe, out: &mut String) -> std::fmt::Result {
    let mut models: Vec<&str> = Vec::new();
    for step in &recipe.path {
        if !models.contains(&step.model.as_str()) {
            models.push(&step.model);
        }
    }
    writeln!(
        out,
        "<p class=\"note\">A path of {} layers through {} models; × is the factor on what enters a layer.</p>",
        recipe.path.len(),
        models.len()
    )?;
    out.push_str("<div class=\"scroll\"><table class=\"heat route\">\n<tr><th></th>");
    for model in &models {
        write!(out, "<th>{}</th>", escape(model))?;
    }
    out.push_str("</tr>\n");
    for (i, step) in recipe.path.iter().enumerate() {
        write!(out, "<tr><td class=\"group\">{}</td>", i + 1)?;
        for model in &models {
            if *model == step.model {
                let (back, ink) = colours(step.scale, HIGH);
                let scale = if (step.scale - 1.0).abs() < 1e-9 {
                    String::new()
                } else {
                    format!(" ×{:.3}", step.scale)
                };
                write!(out, "<td style=\"background:{back};color:{ink}\">layer {}{scale}</td>", step.layer)?;
            } else {
                out.push_str("<td></td>");
            }
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</table></div>\n");
    Ok(())
}

/// Background and text colour of a cell: teal below zero, walnut at zero, pale gold at `high`, as in the workbench.
fn colours(value: f64, high: f64) -> (String, &'static str) {
    const ABOVE: [[f64; 3]; 5] = [
        [58.0, 50.0, 44.0],
        [122.0, 74.0, 40.0],
        [190.0, 118.0, 48.0],
        [232.0, 180.0, 92.0],
        [252.0, 236.0, 196.0],
    ];
    const BELOW: [[f64; 3]; 3] = [[58.0, 50.0, 44.0], [42.0, 84.0, 104.0], [70.0, 150.0, 176.0]];
    let value = if value.is_finite() { value } else { 0.0 };
    let (stops, share): (&[[f64; 3]], f64) =
        if value >= 0.0 { (&ABOVE, value / high) } else { (&BELOW, value / LOW) };
    let at = share.clamp(0.0, 1.0) * (stops.len() - 1) as f64;
    let i = (at as usize).min(stops.len() - 2);
    let part = at - i as f64;
    let rgb: Vec<u8> =
        (0..3).map(|c| (stops[i][c] + (stops[i + 1][c] - stops[i][c]) * part).round() as u8).collect();
    let light = 299 * u32::from(rgb[0]) + 587 * u32::from(rgb[1]) + 114 * u32::from(rgb[2]) > 128_000;
    (format!("#{:02x}{:02x}{:02x}", rgb[0], rgb[1], rgb[2]), if light { "#18120c" } else { "#f4ecde" })
}
