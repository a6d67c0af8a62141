//! Zeroed memory in whole lines, for weights, caches and scores.

use super::simd::Line;
use crate::lm::LmError;

/// `n` zeroed lines, or an error if there is no memory for them.
#[allow(clippy::cast_ptr_alignment)] // The layout asks for a line's alignment.
pub(crate) fn zeros(what: &'static str, n: usize) -> Result<Vec<Line>, LmError> {
    let bytes = n.saturating_mul(size_of::<Line>());
    let layout = std::alloc::Layout::array::<Line>(n).map_err(|_| LmError::Memory { what, bytes })?;
    if layout.size() == 0 {
        return Ok(Vec::new());
    }
    // Zeroed pages are not touched at first, so a cache only uses memory where it is written.
    // SAFETY: the layout's size is above zero; all-zero bytes are a valid `Line`; the box takes over an
    // allocation of exactly its layout.
    unsafe {
        let start = std::alloc::alloc_zeroed(layout).cast::<Line>();
        if start.is_null() {
            return Err(LmError::Memory { what, bytes });
        }
        Ok(Box::from_raw(std::ptr::slice_from_raw_parts_mut(start, n)).into_vec())
    }
}
