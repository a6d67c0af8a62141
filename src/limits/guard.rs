//! Calls library code that may panic on bad input. In: the call. Out: its result, or `None` if it panicked.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`; `None` if it panics, without the usual message. Do not use anything that `work` may have changed then.
pub fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                usual(panic);
            }
        }));
    });
    let before = QUIET.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work)).ok();
    QUIET.set(before);
    done
}

/// Whether a panic of this thread is expected, and [`guarded`] takes it.
#[must_use]
pub fn is_guarded() -> bool {
    QUIET.get()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_panic_is_nothing() {
        assert_eq!(super::guarded(|| 3), Some(3));
        let none: Option<u8> = super::guarded(|| panic!("not printed"));
        assert_eq!(none, None);
    }
}
