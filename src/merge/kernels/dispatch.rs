//! One copy of a pass for each width of vectors, and the choice among them at run time.
//!
//! A pass is a plain `#[inline(always)]` function of loops that the compiler vectorises. `for_every_width!` wraps it
//! in a function that calls the copy compiled for this CPU. All operations are exact IEEE ones (fused
//! multiply-adds included), so every copy gives the same bits.

/// The vector widths that passes are compiled for.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Width {
    /// The baseline of every x86-64 CPU.
    Baseline,
    /// 256 bits: AVX2 and FMA.
    Avx2,
    /// 512 bits: AVX-512 F, BW, DQ, VL, and FMA.
    Avx512,
}

/// The widest vectors of this CPU.
#[cfg(target_arch = "x86_64")]
pub(crate) fn width() -> Width {
    #[cfg(test)]
    if let Some(width) = tests::asked() {
        return width;
    }
    let fma = is_x86_feature_detected!("fma");
    if fma
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
    {
        Width::Avx512
    } else if fma && is_x86_feature_detected!("avx2") {
        Width::Avx2
    } else {
        Width::Baseline
    }
}

/// `fn name(arguments) -> Output => pass;` makes `name` call `pass`, an `#[inline(always)]` function with these
/// arguments, in the copy compiled for the widest vectors of this CPU.
macro_rules! for_every_width {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),+ $(,)?) $(-> $out:ty)? => $pass:path;) => {
        $(#[$meta])*
        $vis fn $name($($arg: $type),+) $(-> $out)? {
            #[cfg(target_arch = "x86_64")]
            {
                use $crate::merge::kernels::dispatch::{Width, width};
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
                fn avx512($($arg: $type),+) $(-> $out)? {
                    $pass($($arg),+)
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $type),+) $(-> $out)? {
                    $pass($($arg),+)
                }
                match width() {
                    // SAFETY: `width` found AVX-512 F, BW, DQ, VL and FMA on this CPU.
                    Width::Avx512 => return unsafe { avx512($($arg),+) },
                    // SAFETY: `width` found AVX2 and FMA on this CPU.
                    Width::Avx2 => return unsafe { avx2($($arg),+) },
                    Width::Baseline => {}
                }
            }
            $pass($($arg),+)
        }
    };
}
pub(crate) use for_every_width;

#[cfg(all(test, target_arch = "x86_64"))]
pub(crate) mod tests {
    use std::cell::Cell;

    use super::{Width, width};

    thread_local! {
        static ASKED: Cell<Option<Width>> = const { Cell::new(None) };
    }

    /// The width that a test forces on this thread.
    pub(super) fn asked() -> Option<Width> {
        ASKED.get()
    }

    /// Runs `f` on this thread once for each width that this CPU has, and returns the results.
    pub(crate) fn at_every_width<T>(mut f: impl FnMut() -> T) -> Vec<T> {
        let widest = width();
        let widths = [Width::Baseline, Width::Avx2, Width::Avx512].into_iter().filter(|w| *w <= widest);
        let results = widths.map(|width| {
            ASKED.set(Some(width));
            f()
        });
        let results = results.collect();
        ASKED.set(None);
        results
    }
}
