//! What holds for every request of the dialler, whatever the scenario: a far end that keeps
//! this judge notices a wrong CANCEL or ACK even where it would get away with it.

use std::collections::{HashMap, HashSet};

use crate::far_end::{Request, param};

/// What was said so far, as far as later requests must agree with it.
#[derive(Default)]
pub(super) struct Judge {
    known: HashSet<Known>,
    invites: Vec<Request>,
    /// Answers to INVITEs that were sent: their CSeq number, code, To and Contact.
    answers: Vec<Answered>,
    branches: HashSet<String>,
    /// The highest CSeq number in each dialog, by the far end's tag.
    cseq: HashMap<String, u32>,
}

/// What makes two requests the same one, sent again.
type Known = (String, String, String, u32);

struct Answered {
    cseq: u32,
    code: u16,
    to: String,
    contact: Option<String>,
}

impl Judge {
    /// Looks at a request; whether it is new, and not one that came before.
    pub(super) fn hear(&mut self, request: &Request) -> bool {
        let Request { method, .. } = request;
        let tag = param(request.header("To"), "tag").unwrap_or_default().to_owned();
        // Each 2xx is acknowledged by an ACK of its own, which says the same as the last.
        let names = if method == "ACK" { tag.clone() } else { request.branch().to_owned() };
        let known = (method.clone(), request.call_id(), names, request.cseq());
        if !self.known.insert(known) {
            return false;
        }
        is_well_formed(request);
        match method.as_str() {
            "CANCEL" => self.cancel(request),
            "ACK" => self.ack(request, &tag),
            _ => {
                assert!(
                    self.branches.insert(request.branch().to_owned()),
                    "a branch for two requests: {}",
                    request.text()
                );
                if method == "INVITE" && tag.is_empty() {
                    self.invite(request);
                }
                if method != "OPTIONS" && method != "REGISTER" {
                    let last = self.cseq.entry(format!("{} {tag}", request.call_id())).or_insert(0);
                    assert!(*last < request.cseq(), "CSeq does not rise: {}", request.text());
                    *last = request.cseq();
                }
            }
        }
        true
    }

    /// Whether anything of this call was heard.
    pub(super) fn knows(&self, call_id: &str) -> bool {
        self.known.iter().any(|(_, known, ..)| known == call_id)
    }

    /// Remembers an answer that goes to the dialler.
    pub(super) fn say(&mut self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let Some(code) = text.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)) else {
            return;
        };
        let value = |name: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned))
        };
        let (Ok(code), Some(to), Some(cseq)) = (code.parse(), value("To"), value("CSeq")) else {
            return;
        };
        if let Some(cseq) = cseq.strip_suffix(" INVITE").and_then(|cseq| cseq.parse().ok()) {
            self.answers.push(Answered { cseq, code, to, contact: value("Contact") });
        }
    }

    fn invite(&mut self, request: &Request) {
        if let Some(first) = self.invites.first() {
            assert_eq!(request.call_id(), first.call_id(), "a second call: {}", request.text());
        }
        self.invites.push(request.clone());
    }

    /// RFC 3261 9.1: the INVITE's branch, URI, From, To, Call-ID, CSeq number and Route; and
    /// never before a provisional answer.
    fn cancel(&self, cancel: &Request) {
        let invite = self.invites.iter().find(|invite| invite.branch() == cancel.branch());
        let invite = invite.unwrap_or_else(|| panic!("whose CANCEL? {}", cancel.text()));
        same(invite, cancel, &["From", "To", "Call-ID", "Route"]);
        assert_eq!(cancel.values("Via").count(), 1, "{}", cancel.text());
        let answered = self.answers.iter().any(|answer| answer.cseq == invite.cseq());
        assert!(answered, "a CANCEL before any answer: {}", cancel.text());
    }

    /// RFC 3261 17.1.1.3 for refusals, 13.2.2.4 for answers.
    fn ack(&self, ack: &Request, tag: &str) {
        let mut finals = self.answers.iter().filter(|answer| {
            let same_tag = param(&answer.to, "tag").unwrap_or_default() == tag;
            answer.cseq == ack.cseq() && answer.code >= 200 && same_tag
        });
        let last = finals.next_back();
        let last = last.unwrap_or_else(|| panic!("what is acknowledged? {}", ack.text()));
        if last.code >= 300 {
            let invite = self.invites.iter().find(|invite| invite.branch() == ack.branch());
            let invite = invite.unwrap_or_else(|| panic!("ACK of another branch: {}", ack.text()));
            same(invite, ack, &["From", "Call-ID", "Route"]);
            assert_eq!(ack.header("To"), last.to, "{}", ack.text());
        } else {
            let known = self.branches.contains(ack.branch());
            assert!(!known, "the ACK of a 2xx is a transaction of its own: {}", ack.text());
            let routed = ack.find("Route").is_some();
            if let Some(contact) = last.contact.as_deref().filter(|_| !routed) {
                let uri = contact.split(['<', '>']).nth(1).unwrap_or(contact);
                assert_eq!(ack.uri(), uri, "the ACK goes to the Contact");
            }
        }
    }
}

fn same(invite: &Request, other: &Request, headers: &[&str]) {
    assert_eq!(invite.uri(), other.uri(), "{}", other.text());
    assert_eq!(invite.cseq(), other.cseq(), "{}", other.text());
    for name in headers {
        let [theirs, its] = [invite, other].map(|each| each.values(name).collect::<Vec<_>>());
        assert_eq!(theirs, its, "{name} of {}", other.text());
    }
}

fn is_well_formed(request: &Request) {
    let text = request.text();
    for name in ["Via", "Max-Forwards", "From", "To", "Call-ID", "CSeq"] {
        assert!(request.find(name).is_some(), "no {name} in {text}");
    }
    assert!(request.branch().starts_with("z9hG4bK"), "{text}");
    assert!(param(request.header("From"), "tag").is_some(), "no tag in From: {text}");
    assert_eq!(request.header("CSeq").split(' ').nth(1), Some(&*request.method), "{text}");
    let length = request.body().len().to_string();
    assert_eq!(request.header("Content-Length"), length, "{text}");
    if request.method == "INVITE" {
        assert!(request.find("Contact").is_some(), "no Contact in {text}");
    }
}
