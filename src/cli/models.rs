//! `yosegi models`: lists the models on this machine and, given a base, whether each one can be merged with it. The
//! command line calls it.

use anyhow::Result;

use super::output::say;
use crate::checkpoint::{ModelSummary, discover};
use crate::text::visible_line;

/// Lists the bundled models and those in the Hugging Face cache, each with whether it can be merged with `base`.
pub fn run(base: &str, json: bool) -> Result<()> {
    let models = discover(Some(base));
    if json { say::json_pretty(&models) } else { say::out(table(&models).trim_end()) }
}

/// One line for each model.
fn table(models: &[ModelSummary]) -> String {
    let head = ["model", "family", "layers", "hidden", "vocab", "parameters", "size", "type", "fit"];
    let row = |m: &ModelSummary| {
        let number = |n: usize| if n == 0 { "-".to_owned() } else { n.to_string() };
        [
            visible_line(&m.reference),
            match &m.vision {
                _ if m.family.is_empty() => "-".to_owned(),
                Some(vision) => visible_line(&format!("{}+{}", vision.tower, m.family)),
                None => visible_line(&m.family),
            },
            number(m.layers),
            number(m.hidden),
            number(m.vocab),
            short(m.parameters, 1000, ["", " k", " M", " G"]),
            size(m.bytes),
            if m.dtype.is_empty() { "-".to_owned() } else { m.dtype.clone() },
            visible_line(m.fit.words()),
        ]
    };
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(models.iter().map(row));
    let mut out = String::new();
    for row in &rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = rows.iter().map(|r| r[column].chars().count()).max().unwrap_or(0);
            let pad = " ".repeat(width - cell.chars().count());
            // Counts are right-aligned, words left-aligned.
            let cell = if (2..7).contains(&column) { pad + cell } else { cell.to_owned() + &pad };
            line += &cell;
            line += "  ";
        }
        out += line.trim_end();
        out.push('\n');
    }
    out
}

/// What a merge takes from a LLaVA model among its models, in one line.
pub(super) fn vision_of_merge(giver: &str) -> String {
    visible_line(&format!(
        "merged together: the language models; tower, projector, vocabulary and processor come from {giver}"
    ))
}

/// Bytes in decimal units.
pub(super) fn size(bytes: u64) -> String {
    short(bytes, 1000, [" B", " kB", " MB", " GB"])
}

/// A count with three digits and a unit.
fn short(n: u64, step: u64, units: [&str; 4]) -> String {
    let mut scale = 1;
    let mut unit = 0;
    while n >= scale * step && unit < 3 {
        scale *= step;
        unit += 1;
    }
    let value = n as f64 / scale as f64;
    let digits = usize::from(unit > 0 && value < 100.0) + usize::from(unit > 0 && value < 10.0);
    format!("{value:.digits$}{}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Fit;

    #[test]
    fn rows_line_up() {
        let model = |reference: &str, parameters, fit| ModelSummary {
            reference: reference.into(),
            family: "llama".into(),
            layers: 5,
            hidden: 96,
            heads: 3,
            kv_heads: 1,
            vocab: 704,
            parameters,
            bytes: 2 * parameters,
            dtype: "bf16".into(),
            tied: true,
            chat_template: false,
            about: String::new(),
            vision: None,
            fit,
        };
        let text = table(&[
            model("zoo:base", 560_160, Fit::IsBase),
            model("a/b", 7_000_000_000, Fit::No("32 layers against 5".into())),
        ]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        let at = |line: &str, word: &str| line.find(word).unwrap();
        assert_eq!(at(lines[0], "family"), at(lines[2], "llama"));
        assert_eq!(at(lines[1], "the base"), at(lines[2], "32 layers"));
        assert!(lines[1].contains("560 k") && lines[2].contains("7.00 G"));
        assert_eq!(size(1_120_320), "1.12 MB");
    }
}
