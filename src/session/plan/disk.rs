//! The disk that a session's journal takes. Counts of answers and candidates come in, bytes go out. The plan calls it.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::types::{PlannedDisk, PlannedStage, PlannedTime, PlannedWork};
use crate::session::home::Home;

/// Bytes of an answer's row besides its text: verdict, language, likelihoods, and the table's own.
const ROW: f64 = 170.0;
/// Bytes of the text of a token, at most on the average: a kanji has three, a common English word four and a space.
const TOKEN: f64 = 4.0;
/// What a table takes over its rows: half-filled pages.
const PAGES: f64 = 1.2;
/// Bytes of a candidate's events besides its genes, and of one of its genes, which stands in genome and recipe.
const CANDIDATE: f64 = 600.0;
const GENE: f64 = 45.0;

impl PlannedDisk {
    pub(super) fn new(
        home: &Home,
        work: &PlannedWork,
        stages: &[PlannedStage],
        models: usize,
        time: Option<&PlannedTime>,
    ) -> Self {
        let answers = work.answers.most as f64;
        let text = match time {
            Some(time) => Some(answers * time.bytes_an_answer),
            None => work.tokens.map(|tokens| tokens as f64 * TOKEN),
        };
        let genes = stages.iter().map(|stage| stage.genes.unwrap_or(0) as f64 * stage.evaluations as f64);
        let candidates = (work.baselines + work.evaluations) as f64;
        let events = candidates * CANDIDATE + genes.sum::<f64>() * GENE + models as f64 * CANDIDATE;
        let journal = text.map(|text| ((answers * ROW + text + events) * PAGES) as u64);
        Self { journal, measured: time.is_some(), free: free_bytes(home.root()) }
    }
}

/// Bytes that this user may still write under a folder, which need not exist yet.
fn free_bytes(folder: &Path) -> Option<u64> {
    let there = folder.ancestors().find(|f| f.exists())?;
    let path = CString::new(there.as_os_str().as_bytes()).ok()?;
    // SAFETY: statvfs is plain numbers, for which zero is a value.
    let mut found: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: the path ends in a zero byte, and both pointers live through the call.
    let failed = unsafe { libc::statvfs(path.as_ptr(), &raw mut found) };
    #[allow(clippy::useless_conversion, reason = "the types differ from system to system")]
    let bytes = || u64::from(found.f_bavail).saturating_mul(u64::from(found.f_frsize));
    (failed == 0).then(bytes)
}
