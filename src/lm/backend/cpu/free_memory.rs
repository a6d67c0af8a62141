//! How much more memory this process can use: what the system has available, limited by the control group. The CPU
//! backend calls it before it sizes a batch.

/// Bytes that this process can still allocate, if the system reports it.
pub(super) fn free_memory() -> Option<usize> {
    let here = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| available(&text));
    let read = |name: &str| std::fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok();
    let group = read("memory.max").and_then(|max| max.trim().parse::<usize>().ok()).and_then(|max| {
        let used: usize = read("memory.current")?.trim().parse().ok()?;
        // The system can reclaim cached file pages.
        let files = read("memory.stat").and_then(|text| stat(&text, "inactive_file")).unwrap_or(0);
        Some(max.saturating_sub(used.saturating_sub(files)))
    });
    match (here, group) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// `MemAvailable` of `/proc/meminfo`.
fn available(text: &str) -> Option<usize> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()?.checked_mul(1024)
}

/// A figure of `memory.stat`.
fn stat(text: &str, name: &str) -> Option<usize> {
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_as_the_system_writes_them() {
        let text = "MemTotal:       100 kB\nMemAvailable:   2048 kB\n";
        assert_eq!(available(text), Some(2048 * 1024));
        assert_eq!(available("MemTotal: 1 kB\n"), None);
        assert_eq!(stat("anon 5\ninactive_file 4096\n", "inactive_file"), Some(4096));
    }
}
