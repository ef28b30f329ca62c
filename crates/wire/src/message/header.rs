//! Header names and the grammar that their values share.

/// A header that means something to us. Compact forms and any case are the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Name {
    /// `Via`, `v`
    Via,
    /// `From`, `f`
    From,
    /// `To`, `t`
    To,
    /// `Call-ID`, `i`
    CallId,
    /// `CSeq`
    CSeq,
    /// `Contact`, `m`
    Contact,
    /// `Record-Route`
    RecordRoute,
    /// `Content-Length`, `l`
    ContentLength,
    /// `Content-Type`, `c`
    ContentType,
    /// `Retry-After`
    RetryAfter,
    /// `WWW-Authenticate`
    WwwAuthenticate,
    /// `Proxy-Authenticate`
    ProxyAuthenticate,
    /// `Authorization`
    Authorization,
    /// `Proxy-Authorization`
    ProxyAuthorization,
    /// `Require`
    Require,
    /// `Supported`, `k`
    Supported,
    /// `Allow`
    Allow,
    /// `RSeq` (RFC 3262)
    RSeq,
    /// `RAck` (RFC 3262)
    RAck,
    /// `Session-Expires`, `x` (RFC 4028)
    SessionExpires,
    /// `Min-SE` (RFC 4028)
    MinSe,
    /// `Reason` (RFC 3326)
    Reason,
    /// `Expires`
    Expires,
    /// `Min-Expires`
    MinExpires,
    /// Any other.
    Other,
}

impl Name {
    /// The header of this name, in its long or its compact form (RFC 3261 7.3.3).
    pub(crate) fn of(name: &[u8]) -> Self {
        let is = |known: &[u8]| known.eq_ignore_ascii_case(name);
        // The length tells almost all names apart, and every message has a dozen of them.
        match name.len() {
            1 => match name[0].to_ascii_lowercase() {
                b'v' => Self::Via,
                b'f' => Self::From,
                b't' => Self::To,
                b'i' => Self::CallId,
                b'm' => Self::Contact,
                b'l' => Self::ContentLength,
                b'c' => Self::ContentType,
                b'k' => Self::Supported,
                b'x' => Self::SessionExpires,
                _ => Self::Other,
            },
            2 if is(b"to") => Self::To,
            3 if is(b"via") => Self::Via,
            4 if is(b"from") => Self::From,
            4 if is(b"cseq") => Self::CSeq,
            4 if is(b"rseq") => Self::RSeq,
            4 if is(b"rack") => Self::RAck,
            5 if is(b"allow") => Self::Allow,
            6 if is(b"min-se") => Self::MinSe,
            6 if is(b"reason") => Self::Reason,
            7 if is(b"call-id") => Self::CallId,
            7 if is(b"contact") => Self::Contact,
            7 if is(b"require") => Self::Require,
            7 if is(b"expires") => Self::Expires,
            9 if is(b"supported") => Self::Supported,
            11 if is(b"retry-after") => Self::RetryAfter,
            11 if is(b"min-expires") => Self::MinExpires,
            12 if is(b"record-route") => Self::RecordRoute,
            12 if is(b"content-type") => Self::ContentType,
            13 if is(b"authorization") => Self::Authorization,
            14 if is(b"content-length") => Self::ContentLength,
            15 if is(b"session-expires") => Self::SessionExpires,
            16 if is(b"www-authenticate") => Self::WwwAuthenticate,
            18 if is(b"proxy-authenticate") => Self::ProxyAuthenticate,
            19 if is(b"proxy-authorization") => Self::ProxyAuthorization,
            _ => Self::Other,
        }
    }
}

/// `"Display" <uri>;params` or `uri;params` (RFC 3261 20.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameAddr<'m> {
    /// The URI, with its own parameters when it stood in angle brackets.
    pub uri: &'m str,
    /// What follows it, from the first `;` on.
    params: &'m [u8],
}

impl<'m> NameAddr<'m> {
    /// Takes From, To, Contact or one entry of a route apart. The display name may be any bytes.
    pub fn parse(value: &'m [u8]) -> Option<Self> {
        let mut open = None;
        let mut at = 0;
        while let Some(byte) = value.get(at) {
            match (byte, open) {
                (b'"', _) => {
                    at = end_of_quoted(value, at);
                    if at == value.len() {
                        return None;
                    }
                }
                (b'<', None) => open = Some(at + 1),
                (b'>', Some(open)) => {
                    let uri = str::from_utf8(&value[open..at]).ok()?.trim();
                    return Some(Self { uri, params: &value[at + 1..] });
                }
                _ => {}
            }
            at += 1;
        }
        if open.is_some() {
            return None;
        }
        // Without brackets a parameter belongs to the header, not to the URI.
        let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
        let uri = str::from_utf8(&value[..end]).ok()?.trim();
        (!uri.is_empty()).then_some(Self { uri, params: &value[end..] })
    }

    /// The `tag` parameter; an error when it is there twice or is not a token.
    pub(super) fn tag(&self) -> Result<Option<&'m str>, ()> {
        let mut tags = params(self.params).filter(|(name, _)| name.eq_ignore_ascii_case(b"tag"));
        let Some((_, tag)) = tags.next() else { return Ok(None) };
        let tag = tag.and_then(|tag| str::from_utf8(tag).ok()).filter(|tag| is_token(tag));
        if tags.next().is_some() { Err(()) } else { tag.map(Some).ok_or(()) }
    }
}

/// The value of a `;name=value` parameter; empty when it is there without a value.
pub fn param<'m>(value: &'m [u8], name: &str) -> Option<&'m [u8]> {
    params(value)
        .find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()))
        .map(|(_, value)| value.unwrap_or_default())
}

/// Splits a list at the commas that are neither in quotes nor in angle brackets.
pub fn split_list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    split(value, b',').map(<[u8]>::trim_ascii).filter(|entry| !entry.is_empty())
}

/// A decimal number, digits only; `None` when it is none or does not fit.
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(digits).ok()?.parse().ok()
}

/// A token of RFC 3261 25.1: what methods and tags are made of.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte))
}

pub(crate) fn params(value: &[u8]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    split(value, b';').skip(1).map(|param| match param.iter().position(|byte| *byte == b'=') {
        Some(equals) => (param[..equals].trim_ascii(), Some(param[equals + 1..].trim_ascii())),
        None => (param.trim_ascii(), None),
    })
}

/// The parts between the separators that are neither in quotes nor in angle brackets.
pub(crate) fn split(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let value = rest?;
        let end = end_of_part(value, separator);
        rest = value.get(end + 1..);
        Some(&value[..end])
    })
}

/// Where the first part ends. Every message is taken apart dozens of times here, so bytes that
/// mean nothing cost next to nothing.
fn end_of_part(value: &[u8], separator: u8) -> usize {
    let mut bracketed = false;
    let mut at = 0;
    while let Some(byte) = value.get(at) {
        match byte {
            b'"' => at = end_of_quoted(value, at),
            b'<' => bracketed = true,
            b'>' => bracketed = false,
            byte if *byte == separator && !bracketed => return at,
            _ => {}
        }
        at += 1;
    }
    value.len()
}

/// The closing quote of the string that begins at `open`, with its escapes behind it, or the end
/// of the value.
fn end_of_quoted(value: &[u8], open: usize) -> usize {
    let mut at = open + 1;
    while let Some(byte) = value.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 1,
            _ => {}
        }
        at += 1;
    }
    value.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_in_any_case_and_in_compact_form() {
        for (written, name) in [
            ("VIA", Name::Via),
            ("v", Name::Via),
            ("cALL-iD", Name::CallId),
            ("I", Name::CallId),
            ("l", Name::ContentLength),
            ("require", Name::Require),
            ("K", Name::Supported),
            ("x", Name::SessionExpires),
            ("Proxy-Authenticate", Name::ProxyAuthenticate),
            ("X-Via", Name::Other),
            ("", Name::Other),
        ] {
            assert_eq!(Name::of(written.as_bytes()), name, "{written}");
        }
    }

    #[test]
    fn a_party_is_found_behind_any_display_name() {
        for (value, uri, tag) in [
            ("sip:a@b;tag=1", "sip:a@b", Ok(Some("1"))),
            ("<sip:a@b;user=phone>;x=1;TAG=2", "sip:a@b;user=phone", Ok(Some("2"))),
            ("\"A <b>; \\\" ,\" < sip:a@b > ; tag=3", "sip:a@b", Ok(Some("3"))),
            ("<sip:a@b>", "sip:a@b", Ok(None)),
            ("<sip:a@b>;tag", "sip:a@b", Err(())),
            ("<sip:a@b>;tag=1;tag=2", "sip:a@b", Err(())),
            ("<sip:a@b>;tag=a b", "sip:a@b", Err(())),
        ] {
            let party = NameAddr::parse(value.as_bytes()).unwrap();
            assert_eq!((party.uri, party.tag()), (uri, tag), "{value}");
        }
        let latin_1 = NameAddr::parse(b"Jos\xE9 <sip:a@b>;tag=4").unwrap();
        assert_eq!(latin_1.tag(), Ok(Some("4")), "Latin-1 does not lose the tag");
        for broken in ["", "\"open <sip:a@b>", "<sip:a@b", "   "] {
            assert_eq!(NameAddr::parse(broken.as_bytes()), None, "{broken}");
        }
    }

    #[test]
    fn lists_split_only_at_their_own_commas() {
        let entries: Vec<_> = split_list(b"<sip:a;x=1,2>, \"b, c\" <sip:b> ,, sip:c").collect();
        assert_eq!(entries, [&b"<sip:a;x=1,2>"[..], b"\"b, c\" <sip:b>", b"sip:c"]);
    }
}
