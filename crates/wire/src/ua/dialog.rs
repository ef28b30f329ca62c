//! A dialog (RFC 3261 12): what a request within a call is made from.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use super::{
    compose::Writer,
    peer::{Peer, Transport},
};
use crate::message::{Message, Name, NameAddr, Uri};

/// The state of one dialog. A forked call has several.
#[derive(Debug, Clone)]
pub(super) struct Dialog {
    pub(super) call_id: Arc<str>,
    /// From of our requests, with our tag.
    local: Arc<str>,
    /// To of our requests, with the far end's tag.
    remote: String,
    /// The far end's tag; empty with a far end from before RFC 3261.
    pub(super) remote_tag: String,
    /// The far end's Contact.
    target: String,
    /// In the order in which we send them.
    routes: Vec<String>,
    /// Where the call went or came from, if its URIs do not say better.
    peer: Peer,
    /// We placed the call, so `peer` can be connected to.
    placed: bool,
    /// Of our last request.
    pub(super) cseq: u32,
    /// Of the far end's last request.
    pub(super) remote_cseq: Option<u32>,
}

/// A request ready to go.
pub(super) struct Ready {
    pub(super) to: Peer,
    pub(super) writer: Writer,
    /// The request URI, which a digest is computed over.
    pub(super) uri: String,
}

/// What both ends agree on when a dialog begins.
pub(super) struct Parties<'a> {
    pub(super) call_id: Arc<str>,
    /// From of our requests, with our tag.
    pub(super) local: Arc<str>,
    /// The far end's URI, without its tag.
    pub(super) remote_uri: &'a str,
    pub(super) remote_tag: &'a str,
    /// Where to send when there is no Contact.
    pub(super) fallback_target: &'a str,
    pub(super) peer: Peer,
}

impl Dialog {
    /// The dialog that a message makes: an answer to us (`reversed`), or a request.
    pub(super) fn of(message: &Message<'_>, parties: Parties<'_>, reversed: bool) -> Self {
        let mut routes: Vec<String> = message
            .list(Name::RecordRoute)
            .filter_map(|route| Some(NameAddr::parse(route)?.uri.to_owned()))
            .filter(|route| Uri::parse(route).is_some())
            .collect();
        // RFC 3261 12.1.2: who placed the call takes the routes in reverse.
        if reversed {
            routes.reverse();
        }
        let remote = match parties.remote_tag {
            "" => format!("<{}>", parties.remote_uri),
            tag => format!("<{}>;tag={tag}", parties.remote_uri),
        };
        Self {
            call_id: parties.call_id,
            local: parties.local,
            remote,
            remote_tag: parties.remote_tag.to_owned(),
            target: message.contact().unwrap_or(parties.fallback_target).to_owned(),
            routes,
            peer: parties.peer,
            placed: reversed,
            cseq: 0,
            remote_cseq: None,
        }
    }

    /// Begins a request within the dialog (RFC 3261 12.2.1.1).
    pub(super) fn request(
        &self,
        method: &str,
        cseq: u32,
        contact: SocketAddr,
        branch: &str,
    ) -> Ready {
        let loose = self
            .routes
            .first()
            .is_none_or(|first| Uri::parse(first).is_some_and(|first| first.has_param("lr")));
        let (uri, routes): (&str, Vec<&str>) = if loose {
            (&self.target, self.routes.iter().map(String::as_str).collect())
        } else {
            // A strict router wants itself in the request URI and the target as last route.
            let (first, rest) = self.routes.split_first().expect("no route would be loose");
            let rest = rest.iter().map(String::as_str).chain([self.target.as_str()]);
            (first, rest.collect())
        };
        let next = self.routes.first().unwrap_or(&self.target);
        let to = self.next_hop(next);
        let mut writer = Writer::request(method, uri);
        writer.via(to.transport, contact, branch);
        for route in routes {
            writer.line("Route", format_args!("<{route}>"));
        }
        writer.header("From", self.local.as_bytes());
        writer.header("To", &self.remote);
        writer.header("Call-ID", self.call_id.as_bytes());
        writer.line("CSeq", format_args!("{cseq} {method}"));
        Ready { to, writer, uri: uri.to_owned() }
    }

    /// The far end moved: a target refresh (RFC 3261 12.2).
    pub(super) fn moved(&mut self, message: &Message<'_>) {
        if let Some(contact) = message.contact() {
            contact.clone_into(&mut self.target);
        }
    }

    /// Where a URI leads. A name would need a resolver, a private address behind a public
    /// carrier is the inside of its NAT, and on TLS only the carrier's own name was checked: all
    /// these go where the call itself goes. So does what is meant for the host that connected to
    /// us, which need not listen at all.
    fn next_hop(&self, uri: &str) -> Peer {
        let hop = || {
            let uri = Uri::parse(uri)?;
            let transport = uri.transport().ok()?.unwrap_or(self.peer.transport);
            Some(Peer { transport, addr: uri.socket_addr(transport)? })
        };
        match hop() {
            _ if self.peer.transport == Transport::Tls => self.peer,
            Some(hop) if self.comes_by_connection(hop) => self.peer,
            Some(hop) if !is_inside(hop.addr) || is_inside(self.peer.addr) => hop,
            Some(_) | None => self.peer,
        }
    }

    fn comes_by_connection(&self, hop: Peer) -> bool {
        !self.placed && self.peer.transport.is_reliable() && hop.addr.ip() == self.peer.addr.ip()
    }
}

/// Whether an address means something only where it was written.
fn is_inside(addr: SocketAddr) -> bool {
    match addr.ip() {
        IpAddr::V4(ip) => {
            ip.is_private() || ip.is_loopback() || ip.is_unspecified() || ip.is_link_local()
        }
        IpAddr::V6(ip) => {
            ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_unique_local()
                || ip.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_lines(head: &str, reversed: bool, peer: &str) -> String {
        let bytes =
            format!("SIP/2.0 200 OK\r\n{head}Contact: <sip:callee@192.0.2.50:5062>\r\n\r\n");
        let message = Message::scan(bytes.as_bytes()).unwrap();
        let parties = Parties {
            call_id: "c".into(),
            local: "<sip:me@here>;tag=a".into(),
            remote_uri: "sip:you@there",
            remote_tag: "b",
            fallback_target: "sip:you@there",
            peer: Peer::udp(peer.parse().unwrap()),
        };
        let dialog = Dialog::of(&message, parties, reversed);
        let ready = dialog.request("BYE", 2, "198.51.100.1:5060".parse().unwrap(), "z9hG4bKx");
        let bytes = ready.writer.finish(None);
        let lines: Vec<_> = str::from_utf8(&bytes)
            .unwrap()
            .lines()
            .filter(|line| line.starts_with("BYE") || line.starts_with("Route"))
            .map(str::to_owned)
            .chain([ready.to.to_string()])
            .collect();
        lines.join("\n")
    }

    #[test]
    fn two_proxies_are_passed_in_reverse() {
        let head = "Record-Route: <sip:192.0.2.2;lr>, <sip:192.0.2.1:5090;lr>\r\n";
        insta::assert_snapshot!(first_lines(head, true, "192.0.2.9:5060"), @r"
        BYE sip:callee@192.0.2.50:5062 SIP/2.0
        Route: <sip:192.0.2.1:5090;lr>
        Route: <sip:192.0.2.2;lr>
        192.0.2.1:5090
        ");
    }

    #[test]
    fn a_strict_router_stands_in_the_request_uri() {
        let head = "Record-Route: <sip:192.0.2.1>\r\nRecord-Route: <sip:192.0.2.2>\r\n";
        insta::assert_snapshot!(first_lines(head, false, "192.0.2.9:5060"), @r"
        BYE sip:192.0.2.1 SIP/2.0
        Route: <sip:192.0.2.2>
        Route: <sip:callee@192.0.2.50:5062>
        192.0.2.1:5060
        ");
    }

    #[test]
    fn names_and_private_addresses_go_where_the_call_went() {
        for (route, to) in [
            ("<sip:proxy.example;lr>", "192.0.2.9:5060"),
            ("<sip:10.1.2.3;lr>", "192.0.2.9:5060"),
            ("<sip:203.0.113.4;lr>", "203.0.113.4:5060"),
        ] {
            let head = format!("Record-Route: {route}\r\n");
            let lines = first_lines(&head, true, "192.0.2.9:5060");
            assert_eq!(lines.lines().last(), Some(to), "{route}");
        }
        let inside = first_lines("Record-Route: <sip:10.1.2.3;lr>\r\n", true, "10.9.9.9:5060");
        assert_eq!(inside.lines().last(), Some("10.1.2.3:5060"), "both are inside");
    }
}
