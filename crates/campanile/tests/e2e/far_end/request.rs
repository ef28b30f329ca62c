//! A request of the dialler, as a far end reads it, and what may be said to it.

use std::time::Instant;

use super::sdp;

/// A request, kept as the text that came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) at: Instant,
    pub(crate) method: String,
    text: String,
}

impl Request {
    /// `None` for what is no request: an answer, or a keep-alive.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?.to_owned();
        let method = text.split(' ').next()?.to_owned();
        let whole = text.contains("\r\n\r\n") && text.contains("SIP/2.0");
        let is_answer = method.starts_with("SIP/");
        (whole && !is_answer).then(|| Self { at: Instant::now(), method, text })
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The value of a header that every request has.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.find(name).unwrap_or_else(|| panic!("no {name} in {}", self.text))
    }

    /// The value of the first header of this name, if there is one.
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }

    /// The values of all headers of this name, in order.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let head = self.text.split("\r\n\r\n").next().unwrap_or_default();
        head.lines().filter_map(move |line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub(crate) fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    pub(crate) fn call_id(&self) -> String {
        self.header("Call-ID").to_owned()
    }

    /// The number of CSeq.
    pub(crate) fn cseq(&self) -> u32 {
        self.header("CSeq").split(' ').next().unwrap().parse().unwrap()
    }

    /// The branch of the topmost Via.
    pub(crate) fn branch(&self) -> &str {
        param(self.header("Via"), "branch").expect("every Via of ours has a branch")
    }

    /// The request URI.
    pub(crate) fn uri(&self) -> &str {
        self.text.split(' ').nth(1).unwrap()
    }

    /// The user that is called.
    pub(crate) fn callee(&self) -> &str {
        self.uri().trim_start_matches("sip:").split('@').next().unwrap()
    }

    /// A proper answer, such as `486 Busy Here`, with further header lines and a body.
    pub(crate) fn answer(&self, status: &str, more: &str, body: &str) -> Vec<u8> {
        self.answer_as(self.header("CSeq"), status, "far", more, body)
    }

    /// The same, from a phone with another tag.
    pub(crate) fn answer_from(&self, tag: &str, status: &str, more: &str, body: &str) -> Vec<u8> {
        self.answer_as(self.header("CSeq"), status, tag, more, body)
    }

    fn answer_as(&self, cseq: &str, status: &str, tag: &str, more: &str, body: &str) -> Vec<u8> {
        let [via, from, to] = ["Via", "From", "To"].map(|name| self.header(name));
        let is_bare = to.contains("tag=") || status.starts_with("100");
        let tag = if is_bare { String::new() } else { format!(";tag={tag}") };
        let (call_id, length) = (self.header("Call-ID"), body.len());
        format!(
            "SIP/2.0 {status}\r\nVia: {via}\r\nFrom: {from}\r\nTo: {to}{tag}\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq}\r\n{more}\
             Content-Length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }

    /// 200 with a description of audio that goes nowhere.
    pub(crate) fn accept(&self) -> Vec<u8> {
        let body = sdp("m=audio 9 RTP/AVP 8 0\r\n");
        self.answer("200 OK", "Content-Type: application/sdp\r\n", &body)
    }

    /// What a proper far end says to BYE and CANCEL, and to a carrier's health check.
    pub(crate) fn part(&self, answers: &mut Vec<Vec<u8>>) {
        match self.method.as_str() {
            "BYE" | "OPTIONS" => answers.push(self.answer("200 OK", "", "")),
            "CANCEL" => {
                answers.push(self.answer("200 OK", "", ""));
                let invite = self.header("CSeq").replace("CANCEL", "INVITE");
                answers.push(self.answer_as(&invite, "487 Request Terminated", "far", "", ""));
            }
            _ => {}
        }
    }
}

/// The value of a `;name=value` of a header.
pub(crate) fn param<'h>(header: &'h str, name: &str) -> Option<&'h str> {
    header.split(';').skip(1).find_map(|param| param.trim().strip_prefix(name)?.strip_prefix('='))
}
