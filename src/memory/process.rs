//! What this process's own limits leave. The texts of `/proc/self/limits` and `/proc/self/status` come in; bytes go out.

use super::{Limit, kilobytes};

/// Bytes below a limit of the process; `None` without one.
pub(super) fn free(limits: &str, status: &str, limit: Limit) -> Option<u64> {
    let (name, used) = match limit {
        Limit::AddressSpace => ("Max address space", "VmSize:"),
        Limit::Data => ("Max data size", "VmData:"),
        Limit::Machine | Limit::ControlGroup => return None,
    };
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    let most: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(most.saturating_sub(kilobytes(status, used)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_less_what_is_used() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max data size             unlimited            unlimited            bytes     \n\
                      Max address space         4096000              unlimited            bytes     \n";
        let status = "Name:\tyosegi\nVmSize:\t    1000 kB\nVmData:\t    5000 kB\n";
        assert_eq!(free(limits, status, Limit::AddressSpace), Some(4_096_000 - 1_024_000));
        assert_eq!(free(limits, status, Limit::Data), None);
        let limits = limits.replace("unlimited            unlimited", "1000                 unlimited");
        assert_eq!(free(&limits, status, Limit::Data), Some(0), "more is used than the limit allows");
    }
}
