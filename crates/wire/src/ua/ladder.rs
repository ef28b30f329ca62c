//! The SIP ladder: the last messages of a call, for the operator who asks what went wrong.

use std::sync::Arc;

use crate::time::Time;

/// Which way a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// From us.
    Sent,
    /// To us.
    Received,
}

/// One message of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// When it went or came.
    pub at: Time,
    /// Which way.
    pub flow: Flow,
    /// The request or status line, such as `SIP/2.0 486 Busy Here`.
    pub first_line: String,
    /// The whole of it; the value of `Authorization` and `Proxy-Authorization` is removed.
    pub bytes: Arc<[u8]>,
}
