//! What is compared: one file a subject; those in C++ are in cpp/.

mod fastwebsockets;
mod limits;
mod tokio_websockets;

use crate::job::{CppSubject, Subject};

unsafe extern "C" {
    static subject_uwebsockets: CppSubject;
}

/// All of them, the library first, then its peers, then what bounds them.
pub fn all() -> Vec<Box<dyn Subject>> {
    let mut subjects: Vec<Box<dyn Subject>> = Vec::new();
    for symbol in
        [c"subject_wsengine_feed", c"subject_wsengine_feed_mut", c"subject_wsengine_feed_mut_batch", c"subject_wsengine_recv_buffer"]
    {
        if let Some(subject) = wsengine_c(symbol) {
            subjects.push(Box::new(subject));
        }
    }
    // SAFETY: constants of cpp/.
    unsafe {
        subjects.push(Box::new(&subject_uwebsockets));
    }
    subjects.push(Box::new(tokio_websockets::TokioWebsockets));
    subjects.push(Box::new(fastwebsockets::FastWebsockets));
    subjects.extend(limits::all());
    subjects
}

/// A subject of the shared object that calls libwsengine.so. RTLD_DEEPBIND: this program holds the Rust crate, and so
/// the same names, too.
fn wsengine_c(symbol: &std::ffi::CStr) -> Option<&'static CppSubject> {
    let path = std::ffi::CString::new(env!("WSENGINE_SUBJECT")).expect("a path");
    // SAFETY: the object has no constructors of its own, and stays loaded; the symbol is a BenchSubject.
    unsafe {
        let library = libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL | libc::RTLD_DEEPBIND);
        if library.is_null() {
            panic!("{}", std::ffi::CStr::from_ptr(libc::dlerror()).to_string_lossy());
        }
        libc::dlsym(library, symbol.as_ptr()).cast::<CppSubject>().as_ref()
    }
}
