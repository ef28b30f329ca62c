//! What the values of single headers say.

use super::{
    Message, Name, NameAddr, Uri,
    header::{number, param},
};

/// Who keeps a session alive (RFC 4028 5), as the request that asks sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresher {
    /// Who sent the request.
    Uac,
    /// Who answers it.
    Uas,
}

/// `Session-Expires: 1800;refresher=uac`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// How long a session lives without a refresh; at most a day.
    pub seconds: u32,
    /// Who is to refresh it, when that was said.
    pub refresher: Option<Refresher>,
}

/// `RAck: 776656 1 INVITE`: which provisional a PRACK acknowledges (RFC 3262 7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rack<'m> {
    /// The RSeq of the provisional.
    pub rseq: u32,
    /// The CSeq of the request that it answers.
    pub cseq: u32,
    /// The method of that request.
    pub method: &'m str,
}

/// A longer time than this is taken for this.
const DAY_S: u64 = 86_400;

impl Refresher {
    /// As the parameter says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uac => "uac",
            Self::Uas => "uas",
        }
    }
}

impl Message<'_> {
    /// Seconds of `Retry-After`: `7`, `7 (overload)`, `7;duration=60`; at most an hour, so that
    /// a carrier that answers nonsense is tried again on the same day.
    pub fn retry_after(&self) -> Option<u32> {
        let value = self.get(Name::RetryAfter)?;
        let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let whole = matches!(value.get(digits), None | Some(b' ' | b'\t' | b'(' | b';'));
        if digits == 0 || !whole {
            return None;
        }
        Some(number(&value[..digits]).map_or(3_600, |seconds| seconds.min(3_600) as u32))
    }

    /// Whether a list of tokens, such as `Supported`, `Require` or `Allow`, has this one. Option
    /// tags are compared without regard to case, which does no harm to methods.
    pub fn lists(&self, name: Name, token: &str) -> bool {
        self.list(name).any(|known| known.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// `Session-Expires` (RFC 4028 4).
    pub fn session_expires(&self) -> Option<Expiry> {
        let value = self.get(Name::SessionExpires)?;
        let refresher = match param(value, "refresher") {
            Some(who) if who.eq_ignore_ascii_case(b"uac") => Some(Refresher::Uac),
            Some(who) if who.eq_ignore_ascii_case(b"uas") => Some(Refresher::Uas),
            Some(_) | None => None,
        };
        Some(Expiry { seconds: delta_seconds(value)?, refresher })
    }

    /// `Min-SE` (RFC 4028 5), in seconds.
    pub fn min_se(&self) -> Option<u32> {
        delta_seconds(self.get(Name::MinSe)?)
    }

    /// `Min-Expires` (RFC 3261 20.23), in seconds.
    pub fn min_expires(&self) -> Option<u32> {
        delta_seconds(self.get(Name::MinExpires)?)
    }

    /// `Expires` (RFC 3261 20.19), in seconds.
    pub fn expires(&self) -> Option<u32> {
        delta_seconds(self.get(Name::Expires)?)
    }

    /// `RSeq` of a provisional that must be acknowledged (RFC 3262 7.1), from 1.
    pub fn rseq(&self) -> Option<u32> {
        let rseq = number(self.get(Name::RSeq)?)?;
        u32::try_from(rseq).ok().filter(|rseq| *rseq > 0)
    }

    /// `RAck` of a PRACK.
    pub fn rack(&self) -> Option<Rack<'_>> {
        let value = str::from_utf8(self.get(Name::RAck)?).ok()?;
        let mut words = value.split_ascii_whitespace();
        let mut next = || number(words.next()?.as_bytes()).and_then(|n| u32::try_from(n).ok());
        let (rseq, cseq) = (next()?, next()?);
        let method = words.next()?;
        words.next().is_none().then_some(Rack { rseq, cseq, method })
    }

    /// The Q.850 cause of `Reason: Q.850;cause=17` (RFC 3326 2), 1 to 127.
    pub fn q850(&self) -> Option<u8> {
        self.list(Name::Reason).find_map(|reason| {
            let protocol = reason.split(|byte| *byte == b';').next()?.trim_ascii();
            if !protocol.eq_ignore_ascii_case(b"Q.850") {
                return None;
            }
            let cause = u8::try_from(number(param(reason, "cause")?)?).ok()?;
            (1..128).contains(&cause).then_some(cause)
        })
    }

    /// Every Contact that a request can go to, with its `q` in thousandths, the best first and
    /// those of the same `q` in their order (RFC 3261 20.10, 8.1.3.4).
    pub fn contacts_by_q(&self) -> Vec<(&str, u16)> {
        let mut contacts: Vec<_> = self
            .list(Name::Contact)
            .filter_map(|contact| {
                let uri = NameAddr::parse(contact)?.uri;
                Uri::parse(uri)?;
                Some((uri, param(contact, "q").map_or(Some(1_000), thousandths)?))
            })
            .collect();
        contacts.sort_by_key(|(_, q)| std::cmp::Reverse(*q));
        contacts
    }

    /// The option tags of `Require` that are not in `known`, as `Unsupported` names them.
    pub fn required_beyond(&self, known: &[&str]) -> Option<String> {
        let unknown: Vec<_> = self
            .list(Name::Require)
            .filter(|tag| !known.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(tag)))
            .map(String::from_utf8_lossy)
            .collect();
        (!unknown.is_empty()).then(|| unknown.join(", "))
    }
}

/// The number at the beginning of a value that parameters may follow.
fn delta_seconds(value: &[u8]) -> Option<u32> {
    let seconds = value.split(|byte| *byte == b';').next()?.trim_ascii();
    if seconds.is_empty() || !seconds.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // A number too large for us is still a number.
    Some(number(seconds).unwrap_or(DAY_S).min(DAY_S) as u32)
}

/// `0.7` as 700; a qvalue has at most three digits after its point (RFC 3261 25.1).
fn thousandths(q: &[u8]) -> Option<u16> {
    let (whole, part) = match q.iter().position(|byte| *byte == b'.') {
        Some(point) => (&q[..point], &q[point + 1..]),
        None => (q, &[][..]),
    };
    let mut value = match whole {
        b"0" | b"" => 0,
        b"1" => 1_000,
        _ => return None,
    };
    if part.len() > 3 || !part.iter().all(u8::is_ascii_digit) {
        return None;
    }
    for (digit, weight) in part.iter().zip([100, 10, 1]) {
        value += u16::from(digit - b'0') * weight;
    }
    Some(value.min(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<T>(headers: &str, read: impl Fn(&Message<'_>) -> T) -> T {
        let bytes = format!("SIP/2.0 200 OK\r\n{headers}\r\n\r\n");
        read(&Message::scan(bytes.as_bytes()).unwrap())
    }

    #[test]
    fn session_timers_are_read_in_every_spelling() {
        for (line, expiry) in [
            ("Session-Expires: 1800;refresher=uac", Some((1_800, Some(Refresher::Uac)))),
            ("x: 90 ; Refresher = UAS", Some((90, Some(Refresher::Uas)))),
            ("x:90;refresher=me", Some((90, None))),
            ("x: 99999999999999999999999", Some((86_400, None))),
            ("x: soon", None),
            ("x: -1", None),
        ] {
            let expiry = expiry.map(|(seconds, refresher)| Expiry { seconds, refresher });
            assert_eq!(with(line, |message| message.session_expires()), expiry, "{line}");
        }
        assert_eq!(with("Min-SE: 120;x=y", |message| message.min_se()), Some(120));
    }

    #[test]
    fn a_rack_names_its_provisional() {
        let rack = |line| with(line, |message| message.rack().map(|r| (r.rseq, r.cseq)));
        assert_eq!(rack("RAck: 776656  1\tINVITE"), Some((776_656, 1)));
        for broken in ["RAck: 1 INVITE", "RAck: 1 2 INVITE x", "RAck: 99999999999 1 INVITE"] {
            assert_eq!(rack(broken), None, "{broken}");
        }
        assert_eq!(with("RSeq: 0", |message| message.rseq()), None, "RFC 3262 7.1 begins at 1");
        assert_eq!(with("RSeq: 4294967295", |message| message.rseq()), Some(u32::MAX));
    }

    #[test]
    fn contacts_are_ordered_by_q() {
        let contacts = "Contact: <sip:c@h>;q=0.25, <sip:a@h;x=1>;q=1.0, mailto:x@y\r\n\
                        m: sip:b@h;Q=0.9, <sip:d@h>;q=0.25, <sip:e@h>;q=7, \"f, f\" <sip:f@h>";
        with(contacts, |message| {
            assert_eq!(
                message.contacts_by_q(),
                [
                    ("sip:a@h;x=1", 1_000),
                    ("sip:f@h", 1_000),
                    ("sip:b@h", 900),
                    ("sip:c@h", 250),
                    ("sip:d@h", 250)
                ]
            );
        });
    }

    #[test]
    fn the_cause_of_the_telephone_network_is_found_among_others() {
        for (line, cause) in [
            ("Reason: Q.850;cause=17;text=\"User busy\"", Some(17)),
            ("Reason: SIP;cause=200;text=\"a, b\", q.850 ; cause = 16", Some(16)),
            ("Reason: Q.850;cause=0", None),
            ("Reason: Q.850;cause=300", None),
            ("Reason: SIP;cause=486", None),
        ] {
            assert_eq!(with(line, |message| message.q850()), cause, "{line}");
        }
    }

    #[test]
    fn what_is_required_beyond_the_known_is_named() {
        let beyond = |line| with(line, |message| message.required_beyond(&["100rel", "timer"]));
        assert_eq!(beyond("Require: 100REL, timer"), None);
        assert_eq!(beyond("Require: dance, timer\r\nRequire: sing"), Some("dance, sing".into()));
    }
}
