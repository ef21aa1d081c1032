//! Looking at the heads of the handshake: the request, and the answer.

use crate::connection::Connection;
use crate::handshake::head::{Head, Headers};
use crate::handshake::request::Request;
use crate::handshake::response::Header;

/// Look at the handshake. The request is there from its last byte on, the answer as soon as there is one; both are gone
/// with the pull after [`Event::Open`](crate::Event::Open), or after the [`Event::Close`](crate::Event::Close) of a
/// handshake that failed.
impl Connection {
    /// The method of the request that a server got.
    pub fn request_method(&self) -> Option<&str> {
        Some(self.request()?.method())
    }

    /// The target of that request as it was sent.
    pub fn request_target(&self) -> Option<&str> {
        Some(self.request()?.target())
    }

    /// The path of that request, still percent-encoded; a slash for an absolute URI without one.
    pub fn request_path(&self) -> Option<&str> {
        self.request()?.path()
    }

    /// What stands behind the question mark in the target of that request, still percent-encoded; `None` if there is
    /// none.
    pub fn request_query(&self) -> Option<&str> {
        self.request()?.query()
    }

    /// The headers of that request in order, repeated ones too; the values without the white space around them.
    pub fn request_headers(&self) -> impl Iterator<Item = Header<'_>> {
        headers(self.request_head())
    }

    /// The value of a header of that request: the one at `index` of those with that name, in any letter case.
    pub fn request_header(&self, name: &str, index: usize) -> Option<&[u8]> {
        self.request_head()?.named(name).nth(index)
    }

    /// The status of the answer. Of a client: what the server answered, be it 101 or a refusal. Of a server's extended
    /// CONNECT: what the host has to send. A server of HTTP/1.1 has its answer in the output instead.
    pub fn response_status(&self) -> Option<u16> {
        let (status, _head) = self.opening.as_ref()?.response()?;
        Some(status)
    }

    /// The headers of that answer in order, repeated ones too; in lower case if the host has to send them.
    /// Content behind a refusal is not kept by a client, and is output of a server.
    pub fn response_headers(&self) -> impl Iterator<Item = Header<'_>> {
        headers(self.response_head())
    }

    /// The value of a header of that answer: the one at `index` of those with that name, in any letter case.
    pub fn response_header(&self, name: &str, index: usize) -> Option<&[u8]> {
        self.response_head()?.named(name).nth(index)
    }

    fn request(&self) -> Option<&Request> {
        self.opening.as_ref()?.request()
    }

    pub(crate) fn request_head(&self) -> Option<&Head> {
        Some(&self.request()?.head)
    }

    pub(crate) fn response_head(&self) -> Option<&Head> {
        let (_status, head) = self.opening.as_ref()?.response()?;
        Some(head)
    }
}

fn headers(head: Option<&Head>) -> impl Iterator<Item = Header<'_>> {
    head.into_iter().flat_map(Headers::pairs).map(|(name, value)| Header { name, value })
}
