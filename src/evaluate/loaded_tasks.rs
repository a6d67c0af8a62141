//! Keeps tasks loaded for the next request. A task's name and the wanted splits come in; the task goes out, checked
//! against the session's fingerprints. The evaluator calls it.

use std::collections::HashMap;
use std::sync::Arc;

use super::fingerprints::check_task;
use crate::checkpoint::Fingerprint;
use crate::error::BadInput;
use crate::task::{Places, Split, Task};

/// Loaded tasks by name, each with its loaded splits.
#[derive(Default)]
pub(super) struct LoadedTasks(HashMap<String, (Arc<Task>, Vec<Split>)>);

impl LoadedTasks {
    /// Unloads all tasks, so that their files are read again.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// A task with at least these splits. If there are fingerprints, both splits are read and compared with them.
    pub fn get(&mut self, name: &str, splits: &[Split], prints: &[Fingerprint]) -> anyhow::Result<Arc<Task>> {
        let mut wanted = if prints.is_empty() { splits.to_vec() } else { vec![Split::Train, Split::Test] };
        if let Some((task, read)) = self.0.get(name) {
            if splits.iter().all(|split| read.contains(split)) {
                return Ok(Arc::clone(task));
            }
            wanted.extend(read);
        }
        wanted.sort_by_key(|split| split.name());
        wanted.dedup();
        let task = Task::load_splits(name, &wanted, &Places::from_env()).map_err(BadInput::error)?;
        check_task(name, &task, prints)?;
        let task = Arc::new(task);
        self.0.insert(name.to_owned(), (Arc::clone(&task), wanted));
        Ok(task)
    }
}
