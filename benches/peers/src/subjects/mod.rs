//! What is compared: one file a subject; those in C++ are in cpp/.

// Each connection is a block of memory of its own, as in a server, where they come and go.
#![allow(clippy::vec_box)]

mod fastwebsockets;
mod limits;
mod small_reads;
mod sockudo_ws;
mod tokio_websockets;
mod tungstenite;
mod wsengine_rust;
mod yawc;

use crate::job::{CppSubject, Subject};
use small_reads::SmallReads;

unsafe extern "C" {
    static subject_uwebsockets: CppSubject;
    static subject_wslay: CppSubject;
    static subject_websocketpp: CppSubject;
    static subject_beast: CppSubject;
}

/// All of them, the library first, then its peers, then what bounds them; and all again with small reads.
pub fn all() -> Vec<Box<dyn Subject>> {
    let mut subjects = each();
    subjects.extend(each().into_iter().map(|subject| Box::new(SmallReads(subject)) as Box<dyn Subject>));
    subjects
}

fn each() -> Vec<Box<dyn Subject>> {
    let mut subjects: Vec<Box<dyn Subject>> = wsengine_c();
    subjects.extend(wsengine_rust::all());
    // SAFETY: constants of cpp/.
    let peers = unsafe { [&subject_uwebsockets, &subject_beast, &subject_websocketpp, &subject_wslay] };
    subjects.extend(peers.map(|peer| Box::new(peer) as Box<dyn Subject>));
    subjects.push(Box::new(tokio_websockets::TokioWebsockets));
    subjects.push(Box::new(fastwebsockets::FastWebsockets));
    subjects.push(Box::new(sockudo_ws::SockudoWs));
    subjects.push(Box::new(tungstenite::Tungstenite));
    subjects.push(Box::new(yawc::Yawc));
    subjects.extend(limits::all());
    subjects
}

/// The subjects of the shared object that calls libwsengine.so. RTLD_DEEPBIND: this program holds the Rust crate, and
/// so the same names, too.
fn wsengine_c() -> Vec<Box<dyn Subject>> {
    let symbols = [
        c"subject_wsengine_feed",
        c"subject_wsengine_feed_mut",
        c"subject_wsengine_feed_mut_batch",
        c"subject_wsengine_recv_buffer",
    ];
    let path = std::ffi::CString::new(env!("WSENGINE_SUBJECT")).expect("a path");
    // SAFETY: the object stays loaded, and its symbols are BenchSubjects.
    unsafe {
        let library = libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL | libc::RTLD_DEEPBIND);
        if library.is_null() {
            panic!("{}", std::ffi::CStr::from_ptr(libc::dlerror()).to_string_lossy());
        }
        let found =
            symbols.iter().filter_map(|symbol| libc::dlsym(library, symbol.as_ptr()).cast::<CppSubject>().as_ref());
        found.map(|subject| Box::new(subject) as Box<dyn Subject>).collect()
    }
}
