//! What the control groups of this process leave. The text of `/proc/self/cgroup` and the folder of the mounted groups
//! come in; the bytes of the tightest group go out. Both versions are read.

use std::path::{Path, PathBuf};

use crate::limits;

/// The files of one version: limits, use, and the keys of `memory.stat` that count pages of files.
struct Version {
    limits: &'static [&'static str],
    used: &'static str,
    files: [&'static str; 2],
}

const FIRST: Version = Version {
    limits: &["memory.limit_in_bytes"],
    used: "memory.usage_in_bytes",
    files: ["total_inactive_file ", "total_active_file "],
};

const SECOND: Version = Version {
    limits: &["memory.max", "memory.high"],
    used: "memory.current",
    files: ["inactive_file ", "active_file "],
};

/// Bytes that the group of this process and the groups around it leave; `None` if none has a limit. `own` is the text
/// of `/proc/self/cgroup`; the groups are mounted in `mounted`.
pub(super) fn free(own: &str, mounted: &Path) -> Option<u64> {
    own.lines().filter_map(|line| of_line(line, mounted)).min()
}

/// A line is `number:controllers:/path`; version 2 has number 0 and no controllers.
fn of_line(line: &str, mounted: &Path) -> Option<u64> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, path) = (parts.next()?, parts.next()?);
    let (version, tops) = if controllers.is_empty() {
        (SECOND, vec![mounted.to_path_buf(), mounted.join("unified")])
    } else if controllers.split(',').any(|name| name == "memory") {
        (FIRST, vec![mounted.join("memory")])
    } else {
        return None;
    };
    let group = path.trim_start_matches('/');
    tops.iter().flat_map(|top| around(top, group)).filter_map(|group| of_group(&group, &version)).min()
}

/// The group at `path` below `top` and all around it. In a container the path may be the host's, and only `top` is
/// there: groups that do not exist have no limit.
fn around(top: &Path, path: &str) -> Vec<PathBuf> {
    let inside = |group: &&Path| group.starts_with(top);
    top.join(path).ancestors().take_while(inside).map(Path::to_path_buf).collect()
}

/// Bytes that one group leaves. The system can take back pages of files, so they count as free.
fn of_group(group: &Path, version: &Version) -> Option<u64> {
    let read = |name: &str| limits::read_text(&group.join(name), limits::SMALL_FILE).ok();
    let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
    let most = version.limits.iter().filter_map(|name| number(name)).min()?;
    let used = number(version.used)?;
    let stat = read("memory.stat").unwrap_or_default();
    let pages = |key: &str| -> Option<u64> {
        stat.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok())
    };
    let files: u64 = version.files.iter().filter_map(|key| pages(key)).sum();
    Some(most.saturating_sub(used.saturating_sub(files)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn group(folder: &Path, files: &[(&str, &str)]) {
        fs::create_dir_all(folder).unwrap();
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
    }

    #[test]
    fn the_tightest_group_around_the_process_counts_in_version_two() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path();
        let stat = "anon 5\ninactive_file 40\nactive_file 20\nslab 9\n";
        group(top, &[("memory.stat", "anon 1\n")]);
        group(
            &top.join("outer"),
            &[("memory.max", "1000\n"), ("memory.current", "700\n"), ("memory.stat", stat)],
        );
        group(
            &top.join("outer/inner"),
            &[("memory.max", "max\n"), ("memory.high", "500\n"), ("memory.current", "100\n")],
        );
        assert_eq!(free("0::/outer/inner\n", top), Some(360), "1000 - (700 - 60), tighter than 500 - 100");
        assert_eq!(free("0::/outer\n", top), Some(360));
        assert_eq!(free("0::/\n", top), None);
        // A container that sees the host's path has its own group at the top.
        group(top, &[("memory.max", "80\n"), ("memory.current", "90\n")]);
        assert_eq!(free("0::/docker/4f1d\n", top), Some(0));
    }

    #[test]
    fn the_group_of_the_memory_controller_counts_in_version_one() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path();
        let files = [
            ("memory.limit_in_bytes", "2000\n"),
            ("memory.usage_in_bytes", "1500\n"),
            ("memory.stat", "inactive_file 1\ntotal_inactive_file 300\ntotal_active_file 200\n"),
        ];
        group(&top.join("memory/job"), &files);
        group(&top.join("memory"), &[("memory.limit_in_bytes", "9223372036854771712\n")]);
        let own = "9:name=systemd:/\n4:cpu,memory:/job/of:colons\n0::/\n";
        assert_eq!(free(own, top), Some(1000), "2000 - (1500 - 500)");
        assert_eq!(free("3:cpuset:/job\n", top), None);
        assert_eq!(free("nonsense", top), None);
    }
}
