//! Challenges: answered with a digest that the far end computes for itself, and only where
//! the carrier's own proxy asks.

use md5::{Digest as _, Md5};
use serde_json::json;
use sha2::Sha256;

use super::{
    Scenario,
    peer::{Beside, Peer},
};
use crate::far_end::Request;

const COMPLETED: (&str, &str) = ("completed", "200");
const USER: &str = "dialler";
const PASSWORD: &str = "s3cret";

pub(super) fn all() -> Vec<Scenario> {
    vec![
        account("401 MD5 with qop", COMPLETED, |far| {
            let proved = far.challenges(401, "realm=\"far\", nonce=\"n1\", qop=\"auth\"");
            is_proof(&proved, "Authorization", "MD5");
            is_taken(far, &proved);
        }),
        account("401 MD5 as RFC 2069 had it", COMPLETED, |far| {
            let proved = far.challenges(401, "realm=\"far\", nonce=\"n1\"");
            is_proof(&proved, "Authorization", "MD5");
            is_taken(far, &proved);
        }),
        account("407 MD5", COMPLETED, |far| {
            let proved =
                far.challenges(407, "realm=\"far, end\", nonce=\"n=1\", qop=\"auth,auth-int\"");
            is_proof(&proved, "Proxy-Authorization", "MD5");
            is_taken(far, &proved);
        }),
        account("401 SHA-256", COMPLETED, |far| {
            let asks = "realm=\"far\", nonce=\"n1\", algorithm=SHA-256, qop=\"auth\", opaque=\"o\"";
            let proved = far.challenges(401, asks);
            is_proof(&proved, "Authorization", "SHA-256");
            assert!(proved.header("Authorization").contains("opaque=\"o\""));
            is_taken(far, &proved);
        }),
        account("401 with a nonce gone stale", COMPLETED, |far| {
            let first = far.challenges(401, "realm=\"far\", nonce=\"n1\", qop=\"auth\"");
            is_proof(&first, "Authorization", "MD5");
            let asks = "realm=\"far\", nonce=\"n2\", qop=\"auth\", stale=true";
            let second = far.challenges_again(&first, 401, asks);
            is_proof(&second, "Authorization", "MD5");
            assert!(second.header("Authorization").contains("nonce=\"n2\""));
            is_taken(far, &second);
        }),
        account("a proxy asks, then the callee's side", COMPLETED, |far| {
            let first = far.challenges(407, "realm=\"proxy\", nonce=\"n1\", qop=\"auth\"");
            let asks = "realm=\"far\", nonce=\"n2\", qop=\"auth\"";
            let second = far.challenges_again(&first, 401, asks);
            is_proof(&second, "Proxy-Authorization", "MD5");
            is_proof(&second, "Authorization", "MD5");
            is_taken(far, &second);
        }),
        account("our proof is refused", ("unreachable", "401"), |far| {
            let asks = "realm=\"far\", nonce=\"n1\", qop=\"auth\"";
            let first = far.challenges(401, asks);
            far.send(first.answer("401 Unauthorized", &www(401, asks), ""));
            far.expect("ACK");
        }),
        account("a challenge that is stale for ever", ("unreachable", "407"), |far| {
            let asks = "realm=\"far\", nonce=\"n1\", qop=\"auth\", stale=true";
            let first = far.challenges(407, asks);
            let second = far.challenges_again(&first, 407, asks);
            far.send(second.answer("407 Proxy Authentication Required", &www(407, asks), ""));
            far.expect("ACK");
        }),
        account("a digest that nobody can compute", ("unreachable", "401"), |far| {
            let invite = far.expect("INVITE");
            let asks = "realm=\"far\", nonce=\"n1\", algorithm=ROT13, qop=\"auth\"";
            far.send(invite.answer("401 Unauthorized", &www(401, asks), ""));
            far.expect("ACK");
        }),
        account("a password that we would have to show", ("unreachable", "401"), |far| {
            let invite = far.expect("INVITE");
            let asks = "WWW-Authenticate: Basic realm=\"far\"\r\n";
            far.send(invite.answer("401 Unauthorized", asks, ""));
            far.expect("ACK");
        }),
        account("our BYE is challenged too", COMPLETED, |far| {
            let proved = far.challenges(407, "realm=\"far\", nonce=\"n1\", qop=\"auth\"");
            far.accept(&proved);
            far.expect("ACK");
            let bye = far.expect("BYE");
            let asks = www(407, "realm=\"far\", nonce=\"n2\", qop=\"auth\"");
            far.send(bye.answer("407 Proxy Authentication Required", &asks, ""));
            let bye = far.expect("BYE");
            is_proof(&bye, "Proxy-Authorization", "MD5");
            far.say(&bye, "200 OK");
        }),
        account("a strange machine asks for our credentials", COMPLETED, |far| {
            let mut thief = Beside::elsewhere();
            let invite = far.expect("INVITE");
            let contact = format!("Contact: <sip:thief@{}>\r\n", thief.addr());
            far.send(invite.answer(
                "200 OK",
                &format!("{contact}{}", super::peer::AS_SDP),
                &super::peer::audio(9),
            ));
            thief.expect("ACK");
            let bye = thief.expect("BYE");
            assert!(bye.find("Authorization").is_none(), "{}", bye.text());
            let asks = www(401, "realm=\"far\", nonce=\"stolen\", qop=\"auth\"");
            thief.send(&bye.answer("401 Unauthorized", &asks, ""));
            while let Some(request) = thief.next_within(std::time::Duration::from_secs(1)) {
                for name in ["Authorization", "Proxy-Authorization"] {
                    assert!(request.find(name).is_none(), "credentials: {}", request.text());
                }
            }
        })
        .by_datagrams(),
        Scenario::new("another realm than the account's", ("unreachable", "401"), |far| {
            let invite = far.expect("INVITE");
            let asks = www(401, "realm=\"elsewhere\", nonce=\"n1\", qop=\"auth\"");
            far.send(invite.answer("401 Unauthorized", &asks, ""));
            far.expect("ACK");
        })
        .carrier(json!({ "auth": { "username": USER, "password": PASSWORD, "realm": "far" } })),
        Scenario::new("a challenge to one without an account", ("unreachable", "407"), |far| {
            let invite = far.expect("INVITE");
            let asks = www(407, "realm=\"far\", nonce=\"n1\", qop=\"auth\"");
            far.send(invite.answer("407 Proxy Authentication Required", &asks, ""));
            far.expect("ACK");
        }),
    ]
}

fn account(name: &str, ends: (&'static str, &'static str), play: fn(&mut Peer)) -> Scenario {
    Scenario::new(name, ends, play)
        .carrier(json!({ "auth": { "username": USER, "password": PASSWORD } }))
}

impl Peer {
    /// Challenges the call that comes; the INVITE that proves who calls.
    fn challenges(&mut self, code: u16, asks: &str) -> Request {
        let invite = self.expect("INVITE");
        for name in ["Authorization", "Proxy-Authorization"] {
            assert!(invite.find(name).is_none(), "nobody asked: {}", invite.text());
        }
        self.challenges_again(&invite, code, asks)
    }

    fn challenges_again(&mut self, invite: &Request, code: u16, asks: &str) -> Request {
        self.send(invite.answer(&format!("{code} Who Are You"), &www(code, asks), ""));
        self.expect("ACK");
        self.expect("INVITE")
    }
}

fn is_taken(far: &mut Peer, invite: &Request) {
    far.accept(invite);
    far.expect("ACK");
    far.is_hung_up();
}

fn www(code: u16, asks: &str) -> String {
    let name = if code == 401 { "WWW-Authenticate" } else { "Proxy-Authenticate" };
    format!("{name}: Digest {asks}\r\n")
}

/// The proof is what RFC 7616 3.4 says, computed from its own parameters.
fn is_proof(request: &Request, header: &str, algorithm: &str) {
    let value = request.header(header).strip_prefix("Digest ").expect("a digest");
    let get = |name: &str| {
        let start = value.match_indices(&format!("{name}=")).find_map(|(at, found)| {
            let alone = at == 0 || matches!(value.as_bytes()[at - 1], b' ' | b',');
            alone.then_some(at + found.len())
        })?;
        let rest = &value[start..];
        Some(match rest.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next()?,
            None => rest.split([',', ' ']).next()?,
        })
    };
    let of = |name: &str| get(name).unwrap_or_else(|| panic!("no {name} in {value}"));
    assert_eq!(of("username"), USER);
    assert_eq!(of("uri"), request.uri(), "{value}");
    assert_eq!(get("algorithm").unwrap_or("MD5"), algorithm, "{value}");
    let hash = |text: String| match algorithm {
        "MD5" => hex(&Md5::digest(text)),
        _ => hex(&Sha256::digest(text)),
    };
    let secret = hash(format!("{USER}:{}:{PASSWORD}", of("realm")));
    let asked = hash(format!("{}:{}", request.method, of("uri")));
    let expected = match get("qop") {
        Some(qop) => {
            let (nonce, count, own) = (of("nonce"), of("nc"), of("cnonce"));
            hash(format!("{secret}:{nonce}:{count}:{own}:{qop}:{asked}"))
        }
        None => hash(format!("{secret}:{}:{asked}", of("nonce"))),
    };
    assert_eq!(of("response"), expected, "{value}");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
