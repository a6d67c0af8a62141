//! Prints what a command takes in memory: `--dry-run` of `generate`, `eval` and `compare`. Plans come in, lines or one
//! JSON document go out.

use serde_json::json;

use super::say;
use crate::evaluate::MemoryPlan;
use crate::text::visible_line;

/// Prints the plans of a command's models, one after another, and what does not fit.
///
/// # Errors
/// Stdout is closed.
pub fn print(plans: &[MemoryPlan], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        let fits: Vec<bool> = plans.iter().map(MemoryPlan::fits).collect();
        return say::json(&json!({ "memory": plans, "fits": fits }));
    }
    for (i, plan) in plans.iter().enumerate() {
        if i > 0 {
            say::out("")?;
        }
        say::out(&visible_line(&plan.what))?;
        for (name, text) in plan.rows() {
            say::out(&format!("  {name:<10} {text}"))?;
        }
        if let Some(sentence) = plan.refusal() {
            say::out(&sentence)?;
        }
    }
    Ok(())
}
