//! What the system is told about memory.
//!
//! A page of 4 KiB costs a fault when it is first written, and a walk through tables whenever the
//! processor has forgotten where it is; weights and activations are hundreds of megabytes. In pages
//! of 2 MiB both are hardly noticed. Linux gives them to who asks.

/// Shorter buffers (1 MiB) are left as they are.
const LARGE: usize = 1 << 20;

/// Asks for large pages under `values`, if they are many. To be called before they are written,
/// and it changes nothing else.
pub fn large<T>(values: &[T]) {
    if size_of_val(values) >= LARGE {
        advise(values.as_ptr().cast(), size_of_val(values));
    }
}

#[cfg(all(target_os = "linux", target_pointer_width = "64", not(miri)))]
fn advise(start: *const u8, bytes: usize) {
    use std::ffi::{c_int, c_void};
    /// `MADV_HUGEPAGE` of every Linux.
    const HUGE_PAGE: c_int = 14;
    const PAGE: usize = 4096;
    unsafe extern "C" {
        fn madvise(start: *mut c_void, bytes: usize, advice: c_int) -> c_int;
    }
    // With the pages at both ends, which others have a part in: neighbours become one region.
    let before = start.addr() % PAGE;
    let (start, bytes) = (start.wrapping_sub(before), (before + bytes).next_multiple_of(PAGE));
    // SAFETY: this is how C libraries declare it. All these pages hold something that is alive, and
    // this advice changes no contents. Where it is refused, small pages stay.
    unsafe { madvise(start.cast_mut().cast(), bytes, HUGE_PAGE) };
}

#[cfg(not(all(target_os = "linux", target_pointer_width = "64", not(miri))))]
fn advise(_: *const u8, _: usize) {}

/// Gives back to the system what the allocator has kept of everything that was freed: after a model
/// was dropped that may be gigabytes.
#[cfg(all(target_os = "linux", target_env = "gnu", not(miri)))]
pub(crate) fn trim() {
    unsafe extern "C" {
        fn malloc_trim(pad: usize) -> std::ffi::c_int;
    }
    // SAFETY: this is how glibc declares it. It gives back pages that no allocation is in, from any
    // thread at any time.
    unsafe { malloc_trim(0) };
}

/// Other allocators do so by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu", not(miri))))]
pub(crate) fn trim() {}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_in_large_pages_is_what_was_written() {
        let lengths = [0, 5, super::LARGE - 1, super::LARGE + 4097];
        for &len in &lengths[..if cfg!(miri) { 2 } else { 4 }] {
            let mut bytes = vec![0_u8; len];
            super::large(&bytes);
            assert!(bytes.iter().all(|&b| b == 0));
            bytes.fill(7);
            super::large(&bytes[len / 2..]);
            assert!(bytes.iter().all(|&b| b == 7));
        }
    }
}
