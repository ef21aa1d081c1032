//! What every function of the C ABI does first: checks its handle, and catches a panic.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::capi::connection::ws_header;
use crate::capi::status::ws_status;
use crate::error::Error;
use crate::handshake::response::Header;
use crate::simd;

/// An object that C holds a pointer to.
pub(crate) trait Handle {
    /// Set when a panic left it in an unknown state. From then on it can only be freed.
    fn poisoned(&mut self) -> &mut bool;
}

/// Runs `call` on the object that `handle` points to.
pub(crate) fn with<H: Handle>(handle: *mut H, call: impl FnOnce(&mut H) -> Result<ws_status, Error>) -> ws_status {
    ask(handle, ws_status::WS_ERR_INVALID_ARGUMENT, ws_status::WS_ERR_INTERNAL, |object| {
        call(object).unwrap_or_else(ws_status::from)
    })
}

/// Like [`with`], for functions that do not return a status.
#[inline(always)]
pub(crate) fn ask<H: Handle, R>(handle: *mut H, if_null: R, if_poisoned: R, call: impl FnOnce(&mut H) -> R) -> R {
    // SAFETY: a handle is NULL or came from a `_new` function and was not freed, and its thread is ours (Conventions).
    let Some(object) = (unsafe { handle.as_mut() }) else {
        return if_null;
    };
    if *object.poisoned() {
        return if_poisoned;
    }
    match catch_unwind(AssertUnwindSafe(|| call(object))) {
        Ok(result) => result,
        Err(_) => {
            *object.poisoned() = true;
            if_poisoned
        }
    }
}

/// Runs `call` on each of `count` items, and the object that `handle` says; `refuse` hears of one whose object is NULL,
/// poisoned, or panics. That one is poisoned, and the others go on. Neither `handle` nor `refuse` may panic. The
/// processor is told to fetch objects that are so many items `AHEAD`; 0: they are in its cache.
#[inline(always)]
pub(crate) fn with_each<const AHEAD: usize, T, H: Handle>(
    items: *mut T,
    count: usize,
    handle: impl Fn(*mut T) -> *mut H,
    mut call: impl FnMut(*mut T, &mut H),
    mut refuse: impl FnMut(*mut T, ws_status),
) {
    let (mut item, end) = (items, items.wrapping_add(count));
    while item != end {
        let all = catch_unwind(AssertUnwindSafe(|| {
            while item != end {
                if AHEAD > 0 {
                    prefetch(handle(item.wrapping_add(AHEAD).min(end.wrapping_sub(1))));
                }
                // SAFETY: as in `ask`; one at a time, so it may be the same as another one.
                match unsafe { handle(item).as_mut() } {
                    Some(object) => match *object.poisoned() {
                        false => call(item, object),
                        true => refuse(item, because(ws_status::WS_ERR_INTERNAL)),
                    },
                    None => refuse(item, because(ws_status::WS_ERR_INVALID_ARGUMENT)),
                }
                item = item.wrapping_add(1);
            }
        }));
        if all.is_err() {
            // SAFETY: as above; the call that panicked is over.
            if let Some(object) = unsafe { handle(item).as_mut() } {
                *object.poisoned() = true;
            }
            refuse(item, ws_status::WS_ERR_INTERNAL);
            item = item.wrapping_add(1);
        }
    }
}

/// Seldom.
#[cold]
fn because(status: ws_status) -> ws_status {
    status
}

/// Has the processor fetch an object that is needed soon; NULL is fine. They are many, and lie where they were made, so
/// that it cannot know.
#[inline(always)]
fn prefetch<H>(handle: *const H) {
    #[cfg(all(target_arch = "x86_64", target_feature = "sse"))]
    for offset in (0..size_of::<H>()).step_by(CACHE_LINE) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: it reads nothing, and the instruction is there.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(handle.cast::<i8>().wrapping_add(offset)) };
    }
    #[cfg(target_arch = "aarch64")]
    for offset in (0..size_of::<H>()).step_by(CACHE_LINE) {
        let place = handle.cast::<u8>().wrapping_add(offset);
        // SAFETY: it reads nothing.
        unsafe { std::arch::asm!("prfm pldl1keep, [{}]", in(reg) place, options(nostack, preserves_flags, readonly)) };
    }
    let _ = handle;
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
const CACHE_LINE: usize = 64;

/// Runs `call`, which needs no handle; NULL or another fallback if it panics.
pub(crate) fn stateless<R>(fallback: R, call: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or(fallback)
}

/// Gives an object to C.
#[inline(always)]
pub(crate) fn into_handle<H>(object: H) -> *mut H {
    Box::into_raw(Box::new(object))
}

/// Makes an object where it stays, and gives it to C.
#[inline(always)]
pub(crate) fn make_handle<H>(make: impl FnOnce() -> H) -> *mut H {
    let place = Box::new_uninit();
    Box::into_raw(Box::write(place, make()))
}

/// Frees an object that C gives back; NULL is fine.
pub(crate) fn free<H>(handle: *mut H) {
    if !handle.is_null() {
        // SAFETY: the handle came from `into_handle`, and is not used again (Conventions).
        stateless((), || drop(unsafe { Box::from_raw(handle) }));
    }
}

/// The bytes that C points to; `(NULL, 0)` is empty.
pub(crate) fn bytes<'a>(data: *const c_void, len: usize) -> Result<&'a [u8], Error> {
    slice(data.cast(), len)
}

/// The bytes that C points to, if they are few and `data` is not NULL: the usual case, with fewer questions.
#[inline(always)]
pub(crate) fn short_bytes<'a>(data: *const c_void, len: usize) -> Option<&'a [u8]> {
    if len > simd::SHORT || data.is_null() {
        return None;
    }
    // SAFETY: not NULL, and the caller owns these bytes for the time of the call (Conventions).
    Some(unsafe { std::slice::from_raw_parts(data.cast(), len) })
}

/// The bytes that C points to, to be changed; `(NULL, 0)` is empty.
pub(crate) fn bytes_mut<'a>(data: *mut c_void, len: usize) -> Result<&'a mut [u8], Error> {
    if len == 0 {
        return Ok(&mut []);
    }
    slice(data.cast::<u8>().cast_const(), len)?; // refuses NULL and a length that no object can have
    // SAFETY: not NULL, of a possible size, and the caller owns these bytes for the time of the call (Conventions).
    Ok(unsafe { std::slice::from_raw_parts_mut(data.cast(), len) })
}

/// The array that C points to; `(NULL, 0)` is empty.
pub(crate) fn slice<'a, T>(items: *const T, count: usize) -> Result<&'a [T], Error> {
    if count == 0 {
        return Ok(&[]);
    }
    if items.is_null() {
        return Err(Error::InvalidArgument("a NULL pointer with a length above 0"));
    }
    if count > isize::MAX as usize / size_of::<T>().max(1) {
        return Err(Error::InvalidArgument("a length that no object can have"));
    }
    // SAFETY: not NULL, of a possible size, and the caller owns `count` items there for the time of the call (Conventions).
    Ok(unsafe { std::slice::from_raw_parts(items, count) })
}

/// A NUL-terminated text; `None` for NULL.
pub(crate) fn optional_text<'a>(text: *const c_char) -> Result<Option<&'a str>, Error> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL, and NUL-terminated (Conventions).
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map(Some).map_err(|_| Error::InvalidArgument("a text that is not UTF-8"))
}

/// Bytes that may be missing: `None` for NULL.
pub(crate) fn optional_bytes<'a>(data: *const c_char, len: usize) -> Result<Option<&'a [u8]>, Error> {
    if data.is_null() && len == 0 { Ok(None) } else { bytes(data.cast(), len).map(Some) }
}

/// A NUL-terminated text that must be there.
pub(crate) fn text<'a>(text: *const c_char) -> Result<&'a str, Error> {
    optional_text(text)?.ok_or(Error::InvalidArgument("NULL instead of a text"))
}

/// A switch that C gives.
pub(crate) fn flag(value: c_int) -> Result<bool, Error> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Error::InvalidArgument("a switch must be 0 or 1")),
    }
}

/// Headers that C gives.
pub(crate) fn headers<'a>(headers: *const ws_header, count: usize) -> Result<Vec<Header<'a>>, Error> {
    slice(headers, count)?
        .iter()
        .map(|header: &ws_header| {
            Ok(Header {
                name: bytes(header.name.cast(), header.name_len)?,
                value: bytes(header.value.cast(), header.value_len)?,
            })
        })
        .collect()
}

/// Where C wants a result; refuses NULL.
pub(crate) fn out<'a, T>(place: *mut T) -> Result<&'a mut T, Error> {
    // SAFETY: NULL, or a place of that type that the caller owns for the time of the call (Conventions).
    unsafe { place.as_mut() }.ok_or(Error::InvalidArgument("NULL instead of a place for the result"))
}

/// Puts into a place for a result, if there is one, what C finds there when the call fails.
pub(crate) fn preset<T>(place: *mut T, value: T) {
    if let Ok(place) = out(place) {
        *place = value;
    }
}

/// A struct of the C ABI that C fills. Its first field is `struct_size: usize`, the size that C knows.
pub(crate) trait SizedByCaller {}

/// The struct that C fills; refuses NULL and one that is smaller than ours. A larger one comes from a newer caller,
/// and its other fields are none of ours.
pub(crate) fn sized<'a, T: SizedByCaller>(place: *const T) -> Result<&'a T, Error> {
    // SAFETY: NULL, or a struct that the caller owns for the time of the call, of which this is there for sure.
    let struct_size = unsafe { place.cast::<usize>().as_ref() };
    let struct_size = *struct_size.ok_or(Error::InvalidArgument("NULL instead of a struct"))?;
    if struct_size < size_of::<T>() {
        return Err(Error::InvalidArgument("struct_size is smaller than this struct has ever been"));
    }
    // SAFETY: not NULL, and the caller owns as many bytes there for the time of the call (Conventions).
    Ok(unsafe { &*place })
}

/// Writes a text and a NUL to where C has room for them; nothing if there is no room at all.
pub(crate) fn write_text(text: &str, buffer: *mut c_char, capacity: usize) {
    if buffer.is_null() || capacity <= text.len() {
        return;
    }
    // SAFETY: the caller has room for `capacity` bytes, the text and its NUL are no more, and its buffer is not ours.
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr(), buffer.cast::<u8>(), text.len());
        buffer.add(text.len()).write(0);
    }
}

/// Lends bytes to C.
pub(crate) fn lend(view: &[u8], data: *mut *const c_char, len: *mut usize) -> Result<ws_status, Error> {
    let (data, len) = (out(data)?, out(len)?);
    *data = view.as_ptr().cast();
    *len = view.len();
    Ok(ws_status::WS_OK)
}

/// Lends a header to C.
pub(crate) fn lend_header(
    field: (&[u8], &[u8]),
    name: (*mut *const c_char, *mut usize),
    value: (*mut *const c_char, *mut usize),
) -> Result<ws_status, Error> {
    out(value.0)?;
    out(value.1)?; // before the name is written: nothing half done
    lend(field.0, name.0, name.1)?;
    lend(field.1, value.0, value.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing {
        poisoned: bool,
    }

    impl Handle for Thing {
        fn poisoned(&mut self) -> &mut bool {
            &mut self.poisoned
        }
    }

    #[test]
    fn a_panic_becomes_a_status_and_poisons_the_handle() {
        let thing = into_handle(Thing { poisoned: false });
        assert_eq!(with(thing, |_| panic!("expected in this test")), ws_status::WS_ERR_INTERNAL);
        assert_eq!(with(thing, |_| Ok(ws_status::WS_OK)), ws_status::WS_ERR_INTERNAL);
        assert_eq!(ask(thing, 1, 2, |_| 3), 2);
        free(thing);
    }

    #[test]
    #[allow(clippy::undocumented_unsafe_blocks)] // each item is one of the array
    fn of_many_only_the_one_that_panics_is_poisoned() {
        let things = [false, true, false, false].map(|poisoned| into_handle(Thing { poisoned }));
        let [fine, poisoned, panics, last] = things;
        let mut items = [fine, poisoned, std::ptr::null_mut(), panics, panics, fine, last].map(|thing| (thing, None));
        with_each::<2, _, Thing>(
            items.as_mut_ptr(),
            items.len(),
            |item| unsafe { (*item).0 },
            |item, _| {
                let item = unsafe { &mut *item };
                assert_ne!(item.0, panics, "expected in this test");
                item.1 = Some(ws_status::WS_OK);
            },
            |item, status| unsafe { (*item).1 = Some(status) },
        );
        use ws_status::*;
        let expected =
            [WS_OK, WS_ERR_INTERNAL, WS_ERR_INVALID_ARGUMENT, WS_ERR_INTERNAL, WS_ERR_INTERNAL, WS_OK, WS_OK];
        assert_eq!(items.map(|item| item.1), expected.map(Some));
        assert_eq!(things.map(|thing| ask(thing, true, true, |_| false)), [false, true, true, false]);
        with_each::<2, (), Thing>(std::ptr::null_mut(), 0, |_| unreachable!(), |_, _| {}, |_, _| {});
        things.into_iter().for_each(free);
    }

    #[test]
    fn null_is_refused() {
        let thing: *mut Thing = std::ptr::null_mut();
        assert_eq!(with(thing, |_| Ok(ws_status::WS_OK)), ws_status::WS_ERR_INVALID_ARGUMENT);
        free(thing);
        assert!(bytes(std::ptr::null(), 1).is_err());
        assert_eq!(bytes(std::ptr::null(), 0), Ok(&[][..]));
        assert!(slice(std::ptr::NonNull::<u64>::dangling().as_ptr(), usize::MAX / 4).is_err());
    }
}
