//! Messages that we write: requests, and answers to the requests of others.

use std::{fmt, net::SocketAddr, sync::Arc};

use super::{
    config::{Auth, Invite, Refused},
    peer::{Peer, Transport},
};
use crate::message::{Message, Name, Start, Uri, Via, header::is_token, param};

/// What we take (RFC 3261 20.5).
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK";
/// The extensions that we have (RFC 3262, RFC 4028).
pub(super) const SUPPORTED: &str = "100rel, timer";

/// A message in the making. Values are written on one line whatever they hold.
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn request(method: &str, uri: &str) -> Self {
        let mut writer = Self(Vec::with_capacity(1_024));
        writer.text(method);
        writer.text(" ");
        writer.text(uri);
        writer.text(" SIP/2.0\r\n");
        writer
    }

    pub(super) fn header(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.text(name);
        self.text(": ");
        self.value(value.as_ref());
        self.text("\r\n");
    }

    /// As `header`, without a `String` in between.
    pub(super) fn line(&mut self, name: &str, value: fmt::Arguments<'_>) {
        self.text(name);
        self.text(": ");
        fmt::Write::write_fmt(self, value).expect("a Vec takes every byte");
        self.text("\r\n");
    }

    /// Via with our address on the transport that is taken and `rport` (RFC 3581), and
    /// Max-Forwards.
    pub(super) fn via(&mut self, transport: Transport, contact: SocketAddr, branch: &str) {
        let transport = transport.name();
        let via = format_args!("SIP/2.0/{transport} {contact};branch={branch};rport");
        self.line("Via", via);
        self.header("Max-Forwards", "70");
    }

    pub(super) fn finish(mut self, body: Option<(&str, &[u8])>) -> Arc<[u8]> {
        if let Some((kind, _)) = body {
            self.header("Content-Type", kind);
        }
        let body = body.map_or(&[][..], |(_, body)| body);
        self.line("Content-Length", format_args!("{}", body.len()));
        self.text("\r\n");
        self.0.extend_from_slice(body);
        self.0.into()
    }

    fn text(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    /// A bare CR or NUL that came in a header must not go out again.
    fn value(&mut self, value: &[u8]) {
        let plain = |byte: &u8| if matches!(byte, b'\r' | b'\n' | 0) { b' ' } else { *byte };
        self.0.extend(value.iter().map(plain));
    }
}

impl fmt::Write for Writer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.value(text.as_bytes());
        Ok(())
    }
}

/// The type of our only kind of body.
pub(super) const SDP: &str = "application/sdp";

/// What all answers to one request have in common; kept while answers are still to come.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    /// Via, From, Call-ID, CSeq, as lines.
    head: Vec<u8>,
    to: Vec<u8>,
    /// Record-Route, as lines: only in answers that make a dialog.
    routes: Vec<u8>,
    to_has_tag: bool,
    /// Where the answers go.
    pub(super) to_addr: Peer,
}

impl Reply {
    /// Takes from a request that came from `from` what its answers repeat (RFC 3261 8.2.6.2).
    pub(super) fn of(message: &Message<'_>, via: &Via<'_>, from: Peer) -> Self {
        let mut head = Writer(Vec::with_capacity(512));
        for (index, value) in message.list(Name::Via).enumerate() {
            if index == 0 {
                head.header("Via", received(value, via, from.addr));
            } else {
                head.header("Via", value);
            }
        }
        for (name, label) in [(Name::From, "From"), (Name::CallId, "Call-ID"), (Name::CSeq, "CSeq")]
        {
            head.header(label, message.get(name).unwrap_or_default());
        }
        let mut routes = Writer(Vec::new());
        for route in message.all(Name::RecordRoute) {
            routes.header("Record-Route", route);
        }
        Self {
            head: head.0,
            to: message.get(Name::To).unwrap_or_default().to_vec(),
            routes: routes.0,
            to_has_tag: message.get(Name::To).is_some_and(|to| param(to, "tag").is_some()),
            to_addr: via.answer_to(from),
        }
    }

    /// Writes an answer. `tag` is put on To unless the request already had one.
    pub(super) fn answer(
        &self,
        code: u16,
        tag: Option<&str>,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Arc<[u8]> {
        let mut writer = Writer(Vec::with_capacity(self.head.len() + 512));
        writer.text(&format!("SIP/2.0 {code} {}\r\n", reason(code)));
        writer.0.extend_from_slice(&self.head);
        writer.text("To: ");
        writer.value(&self.to);
        if let Some(tag) = tag.filter(|_| !self.to_has_tag) {
            writer.text(";tag=");
            writer.text(tag);
        }
        writer.text("\r\n");
        if (101..300).contains(&code) {
            writer.0.extend_from_slice(&self.routes);
        }
        for (name, value) in headers {
            writer.header(name, value);
        }
        writer.finish(body.map(|body| (SDP, body)))
    }
}

/// The topmost Via with `received` and `rport` as RFC 3261 18.2.1 and RFC 3581 4 ask.
fn received(value: &[u8], via: &Via<'_>, from: SocketAddr) -> Vec<u8> {
    let mut seen = Vec::with_capacity(value.len() + 32);
    if via.rport {
        // `rport` comes without a value, or with an old one.
        let mut rest = value;
        while let Some(end) = rest.iter().skip(1).position(|byte| *byte == b';').map(|at| at + 1) {
            push_unless_rport(&mut seen, &rest[..end]);
            rest = &rest[end..];
        }
        push_unless_rport(&mut seen, rest);
        seen.extend_from_slice(format!(";rport={}", from.port()).as_bytes());
    } else {
        seen.extend_from_slice(value);
    }
    if via.rport || via.host.parse() != Ok(from.ip()) {
        seen.extend_from_slice(format!(";received={}", from.ip()).as_bytes());
    }
    seen
}

fn push_unless_rport(value: &mut Vec<u8>, param: &[u8]) {
    let name = param.strip_prefix(b";").map(|param| param.trim_ascii_start());
    let is_rport = name.is_some_and(|name| {
        name.get(..5).is_some_and(|begin| begin.eq_ignore_ascii_case(b"rport"))
            && matches!(name.get(5), None | Some(b'=' | b' ' | b'\t'))
    });
    if !is_rport {
        value.extend_from_slice(param);
    }
}

/// Refuses an account whose values would break out of their header.
pub(super) fn check_account(auth: Option<&Auth>) -> Result<(), Refused> {
    match auth {
        Some(auth) if !visible(&auth.username) => Err(Refused::InvalidHeader("the account")),
        Some(Auth { realm: Some(realm), .. }) if !visible(realm) => {
            Err(Refused::InvalidHeader("the account"))
        }
        Some(_) | None => Ok(()),
    }
}

fn visible(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

/// Refuses a call whose values would break out of their headers.
pub(super) fn check(invite: &Invite) -> Result<(), Refused> {
    for (uri, name) in [
        (&invite.request_uri, "the request URI"),
        (&invite.from_uri, "the URI of From"),
        (&invite.to_uri, "the URI of To"),
    ] {
        if Uri::parse(uri).is_none() {
            return Err(Refused::InvalidHeader(name));
        }
    }
    if !invite.route.iter().all(|route| Uri::parse(route).is_some()) {
        return Err(Refused::InvalidHeader("a route"));
    }
    if invite.call_id.is_empty()
        || !invite.call_id.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>".contains(&byte))
    {
        return Err(Refused::InvalidHeader("the Call-ID"));
    }
    if !invite.from_display.as_deref().is_none_or(visible) {
        return Err(Refused::InvalidHeader("the display name"));
    }
    check_account(invite.auth.as_ref())?;
    for (name, value) in &invite.headers {
        // What we write ourselves must not stand there twice.
        let ours = Name::of(name.as_bytes()) != Name::Other
            || ["Max-Forwards", "Allow", "User-Agent", "Route", "Supported"]
                .iter()
                .any(|ours| name.eq_ignore_ascii_case(ours));
        if ours || !is_token(name) || !visible(value) {
            return Err(Refused::InvalidHeader("a further header"));
        }
    }
    Ok(())
}

/// Our Contact: an address, and the transport unless it is UDP. `user` may be empty.
pub(super) fn contact(user: &str, addr: SocketAddr, transport: Transport) -> String {
    let at = if user.is_empty() { "" } else { "@" };
    match transport {
        Transport::Udp => format!("<sip:{user}{at}{addr}>"),
        other => format!("<sip:{user}{at}{addr};transport={}>", other.param()),
    }
}

/// A display name in quotes, and the URI in angle brackets.
pub(super) fn name_addr(display: Option<&str>, uri: &str) -> String {
    match display {
        Some(display) => {
            format!("\"{}\" <{uri}>", display.replace('\\', "\\\\").replace('"', "\\\""))
        }
        None => format!("<{uri}>"),
    }
}

/// The reason phrase of a code (RFC 3261 21).
pub(super) fn reason(code: u16) -> &'static str {
    match code {
        100 => "Trying",
        180 => "Ringing",
        183 => "Session Progress",
        200 => "OK",
        302 => "Moved Temporarily",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        415 => "Unsupported Media Type",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        484 => "Address Incomplete",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        607 => "Unwanted",
        608 => "Rejected",
        _ => match code / 100 {
            1 => "Progress",
            2 => "OK",
            3 => "Redirection",
            4 => "Request Failure",
            5 => "Server Failure",
            _ => "Global Failure",
        },
    }
}

/// The first line of a message that we wrote or received, for the ladder.
pub(super) fn first_line(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// The reason phrase of an answer as text.
pub(super) fn reason_text(message: &Message<'_>) -> String {
    match message.start {
        Start::Response { reason, .. } => String::from_utf8_lossy(reason.trim_ascii()).into_owned(),
        Start::Request { .. } => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_repeats_the_way_back_with_what_was_seen_of_it() {
        let bytes = b"OPTIONS sip:a@b SIP/2.0\r\n\
            v: SIP/2.0/UDP 10.0.0.1:5070;rport;branch=z9hG4bK1, SIP/2.0/UDP far\r\n\
            Via: SIP/2.0/UDP farther\r\n\
            From: Jos\xE9 <sip:c@d>;tag=1\r\nTo: <sip:a@b>\r\ni: x\r\nCSeq: 1 OPTIONS\r\n\r\n";
        let message = Message::scan(bytes).unwrap();
        let envelope = message.check().unwrap();
        let from = Peer::udp("203.0.113.9:4000".parse().unwrap());
        let reply = Reply::of(&message, &envelope.via, from);
        assert_eq!(reply.to_addr, from);
        let answer = reply.answer(200, Some("t"), &[("Allow", ALLOW)], None);
        insta::assert_snapshot!(String::from_utf8_lossy(&answer).replace("\r\n", "\n"), @r"
        SIP/2.0 200 OK
        Via: SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK1;rport=4000;received=203.0.113.9
        Via: SIP/2.0/UDP far
        Via: SIP/2.0/UDP farther
        From: Jos� <sip:c@d>;tag=1
        Call-ID: x
        CSeq: 1 OPTIONS
        To: <sip:a@b>;tag=t
        Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK
        Content-Length: 0
        ");
    }
}
