//! Digest authentication (RFC 3261 22, RFC 7616, RFC 8760): MD5, SHA-256 and SHA-512/256, with
//! `qop=auth` and without.

use std::fmt::Write as _;

use md5::Md5;
use sha2::{Digest as _, Sha256, Sha512_256};

use crate::message::header::split;

/// The hash that a challenge asks for, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// Still what almost every carrier asks for.
    Md5,
    /// RFC 8760.
    Sha256,
    /// SHA-512/256 of FIPS 180-4 (RFC 8760).
    Sha512Trunc256,
}

/// What a 401 or 407 asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Which account is meant.
    pub realm: String,
    /// To be used in the proof.
    pub nonce: String,
    /// To be sent back as it is.
    pub opaque: Option<String>,
    /// The hash.
    pub algorithm: Algorithm,
    /// Whether it offers `qop=auth`; then the proof counts its uses of the nonce.
    pub qop_auth: bool,
    /// The proof was right but its nonce too old: the same password with this nonce will do.
    pub stale: bool,
    named: bool,
}

impl Algorithm {
    fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
            Self::Sha512Trunc256 => "SHA-512-256",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        let all = [Self::Md5, Self::Sha256, Self::Sha512Trunc256];
        all.into_iter().find(|known| known.name().eq_ignore_ascii_case(name))
    }

    fn hash(self, text: &str) -> String {
        match self {
            Self::Md5 => hex(&Md5::digest(text)),
            Self::Sha256 => hex(&Sha256::digest(text)),
            Self::Sha512Trunc256 => hex(&Sha512_256::digest(text)),
        }
    }
}

impl Challenge {
    /// Reads `WWW-Authenticate` or `Proxy-Authenticate`; `None` when it asks for something that
    /// we cannot do, such as another scheme or `qop=auth-int` alone.
    pub fn parse(value: &[u8]) -> Option<Self> {
        // What is said here is said back in a header of ours; a bare CR may stand in theirs.
        if value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | b'\0')) {
            return None;
        }
        let fields = Fields::parse(value)?;
        let algorithm = fields.get("algorithm");
        let qop = fields.get("qop");
        let qop_auth = qop.is_some_and(|qop| {
            qop.split(',').any(|offered| offered.trim().eq_ignore_ascii_case("auth"))
        });
        if qop.is_some() && !qop_auth {
            return None;
        }
        Some(Self {
            realm: fields.get("realm")?.to_owned(),
            nonce: fields.get("nonce")?.to_owned(),
            opaque: fields.get("opaque").map(str::to_owned),
            algorithm: algorithm.map_or(Some(Algorithm::Md5), Algorithm::parse)?,
            qop_auth,
            stale: fields.get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
            named: algorithm.is_some(),
        })
    }

    /// The value of `Authorization` or `Proxy-Authorization`. `count` is the use of the nonce,
    /// from 1; `cnonce` a fresh random number.
    pub fn answer(
        &self,
        username: &str,
        password: &str,
        method: &str,
        uri: &str,
        count: u32,
        cnonce: u64,
    ) -> String {
        let cnonce = format!("{cnonce:016x}");
        let count = format!("{count:08x}");
        let session = self.qop_auth.then_some((count.as_str(), cnonce.as_str()));
        let proof = Proof { username, realm: &self.realm, password, nonce: &self.nonce, session };
        let response = proof.response(self.algorithm, method, uri);
        let mut value = format!(
            "Digest username=\"{}\", realm=\"{}\", nonce=\"{}\", uri=\"{uri}\", response=\"{response}\"",
            username.replace('\\', "\\\\").replace('"', "\\\""),
            self.realm,
            self.nonce,
        );
        // Some servers fail on an algorithm that they did not name themselves.
        if self.named {
            value.push_str(", algorithm=");
            value.push_str(self.algorithm.name());
        }
        if let Some((count, cnonce)) = session {
            write!(value, ", qop=auth, nc={count}, cnonce=\"{cnonce}\"")
                .expect("a String takes every character");
        }
        if let Some(opaque) = &self.opaque {
            write!(value, ", opaque=\"{opaque}\"").expect("a String takes every character");
        }
        value
    }
}

/// Whether the value of `Authorization` proves that its sender knows the password and used this
/// nonce; for the simulated carrier, which asks.
pub fn verify(value: &str, method: &str, nonce: &str, username: &str, password: &str) -> bool {
    let checked = || {
        let fields = Fields::parse(value.as_bytes())?;
        let algorithm = fields.get("algorithm").map_or(Some(Algorithm::Md5), Algorithm::parse)?;
        let session = match fields.get("qop") {
            Some(qop) if qop.eq_ignore_ascii_case("auth") => {
                Some((fields.get("nc")?, fields.get("cnonce")?))
            }
            Some(_) => return None,
            None => None,
        };
        let realm = fields.get("realm")?;
        let proof = Proof { username, realm, password, nonce, session };
        let known = fields.get("username")? == username && fields.get("nonce")? == nonce;
        let response = proof.response(algorithm, method, fields.get("uri")?);
        Some(known && response.eq_ignore_ascii_case(fields.get("response")?))
    };
    checked() == Some(true)
}

/// What goes into the hash besides the request (RFC 7616 3.4.1).
struct Proof<'a> {
    username: &'a str,
    realm: &'a str,
    password: &'a str,
    nonce: &'a str,
    /// Count and client nonce, with `qop=auth`.
    session: Option<(&'a str, &'a str)>,
}

impl Proof<'_> {
    fn response(&self, algorithm: Algorithm, method: &str, uri: &str) -> String {
        let Self { username, realm, password, nonce, session } = self;
        let secret = algorithm.hash(&format!("{username}:{realm}:{password}"));
        let request = algorithm.hash(&format!("{method}:{uri}"));
        match session {
            Some((count, cnonce)) => {
                algorithm.hash(&format!("{secret}:{nonce}:{count}:{cnonce}:auth:{request}"))
            }
            None => algorithm.hash(&format!("{secret}:{nonce}:{request}")),
        }
    }
}

/// `Digest name=value, name="value"`. Values are kept as they stand between their quotes, for a
/// challenge must be given back as it came.
struct Fields<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Fields<'a> {
    fn parse(value: &'a [u8]) -> Option<Self> {
        let value = str::from_utf8(value).ok()?.trim();
        let (scheme, rest) = value.split_once([' ', '\t'])?;
        if !scheme.eq_ignore_ascii_case("Digest") {
            return None;
        }
        let fields = split(rest.as_bytes(), b',').filter_map(|field| {
            let (name, value) = str::from_utf8(field).ok()?.split_once('=')?;
            let value = value.trim();
            let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            Some((name.trim(), unquoted.unwrap_or(value)))
        });
        Some(Self(fields.collect()))
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes every character");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_7616_come_out() {
        // RFC 7616 3.9.1, whose client nonce is not a number of ours.
        let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
        let proof = Proof {
            username: "Mufasa",
            realm: "http-auth@example.org",
            password: "Circle of Life",
            nonce,
            session: Some(("00000001", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")),
        };
        assert_eq!(
            proof.response(Algorithm::Md5, "GET", "/dir/index.html"),
            "8ca523f5e9506fed4657c9700eebdbec"
        );
        assert_eq!(
            proof.response(Algorithm::Sha256, "GET", "/dir/index.html"),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
    }

    #[test]
    fn sha_512_256_is_that_of_fips_180_4() {
        // The example of RFC 7616 3.9.2 is wrong (erratum 4897), so the hash is checked by itself.
        assert_eq!(
            Algorithm::Sha512Trunc256.hash("abc"),
            "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"
        );
        let proof = Proof {
            username: "Jäsøn Doe",
            realm: "api.example.org",
            password: "Secret, or not?",
            nonce: "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
            session: Some(("00000001", "NTg6RKcb9boFIAS3KrFK9BGeh+niz/sm")),
        };
        assert_eq!(
            proof.response(Algorithm::Sha512Trunc256, "GET", "/doe.json"),
            "891c212d7330e60d6c849c171dea0ed7a9ed6fe5cb61cce1cad86dcab90d6841"
        );
    }

    #[test]
    fn the_example_of_rfc_2617_without_qop_comes_out() {
        let proof = Proof {
            username: "Mufasa",
            realm: "testrealm@host.com",
            password: "Circle Of Life",
            nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            session: None,
        };
        assert_eq!(
            proof.response(Algorithm::Md5, "GET", "/dir/index.html"),
            "670fd8c2df070c60b045671b8b24ff02"
        );
    }

    #[test]
    fn an_answer_convinces_whoever_asked_and_nobody_else() {
        for (ask, why) in [
            (r#"Digest realm="r", nonce="n""#, "the bare minimum"),
            (r#"digest realm="r,s", nonce="n", qop="auth-int,auth", opaque="o""#, "commas inside"),
            (r#"Digest nonce="n",realm="r", algorithm=sha-256, qop=auth"#, "SHA-256"),
            (r#"Digest nonce="n",realm="r", algorithm=SHA-512-256"#, "SHA-512/256"),
        ] {
            let challenge = Challenge::parse(ask.as_bytes()).expect(why);
            let answer = challenge.answer("us\"er", "pw", "INVITE", "sip:a@b", 1, 7);
            // The name in quotes is compared as it stands there.
            let name = "us\\\"er";
            assert!(!verify(&answer, "INVITE", "n", name, "other"), "{why}: {answer}");
            let answer = challenge.answer("user", "pw", "INVITE", "sip:a@b", 1, 7);
            assert!(verify(&answer, "INVITE", "n", "user", "pw"), "{why}: {answer}");
            assert!(!verify(&answer, "BYE", "n", "user", "pw"), "{why}: another method");
            assert!(!verify(&answer, "INVITE", "m", "user", "pw"), "{why}: another nonce");
        }
    }

    #[test]
    fn an_answer_gives_back_what_the_challenge_said() {
        let ask =
            br#"Digest realm="carrier", nonce="abc", opaque="xyz", algorithm=MD5, qop="auth""#;
        insta::assert_snapshot!(
            Challenge::parse(ask).unwrap().answer("u", "p", "INVITE", "sip:a@b", 2, 255),
            @r#"Digest username="u", realm="carrier", nonce="abc", uri="sip:a@b", response="c50a8714e4213e7c17edd9795aabddd0", algorithm=MD5, qop=auth, nc=00000002, cnonce="00000000000000ff", opaque="xyz""#
        );
    }

    #[test]
    fn a_challenge_cannot_begin_a_line_of_our_answer() {
        for end in ["\r", "\n", "\r\n", "\0"] {
            let value = format!("Digest realm=\"r\", nonce=\"n{end}Via: SIP/2.0/UDP evil\"");
            assert_eq!(Challenge::parse(value.as_bytes()), None, "{end:?}");
        }
    }

    #[test]
    fn what_cannot_be_answered_is_no_challenge() {
        for ask in [
            "Basic realm=\"r\"",
            "Digest realm=\"r\"",
            "Digest realm=\"r\", nonce=\"n\", algorithm=MD5-sess",
            "Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\"",
            "",
        ] {
            assert_eq!(Challenge::parse(ask.as_bytes()), None, "{ask}");
        }
    }
}
