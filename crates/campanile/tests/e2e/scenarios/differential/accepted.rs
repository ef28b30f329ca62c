//! Where rsipstack 0.7 makes something else of a far end than we do, reviewed row by row.
//!
//! A row names the paragraph that shows who is right. One that is not met any more is as much a
//! failure of the test as a difference that is not here.

/// A difference that was looked at.
pub(super) struct Accepted {
    /// The scenario's name.
    pub(super) scenario: &'static str,
    /// A part of what came of it with rsipstack.
    pub(super) theirs: &'static str,
    /// Who is right, and what says so.
    pub(super) why: &'static str,
}

const fn row(scenario: &'static str, theirs: &'static str, why: &'static str) -> Accepted {
    Accepted { scenario, theirs, why }
}

/// It leaves 3xx to whoever uses it, as RFC 3261 8.1.3.4 lets it; api.md has us follow.
const NOT_FOLLOWED: &str = "RFC 3261 8.1.3.4: a 3xx SHOULD be followed; api.md: at most 3 hops";
/// It does not offer session timers, without which these far ends do not begin.
const NO_SESSIONS: &str = "RFC 4028 7.1: ours says `Supported: timer`; theirs has no sessions";

pub(super) const ACCEPTED: &[Accepted] = &[
    row(
        "another phone answers after the 487",
        "the ACK of a 2xx is a transaction of its own",
        "RFC 3261 13.2.2.4 and 17.1.1.3: ours is right, theirs repeats the ACK of the 487",
    ),
    row(
        "another 2xx is an answer too",
        "no BYE within",
        "RFC 3261 13.2.2.4: ours is right, any 2xx begins a dialog, not 200 alone",
    ),
    row(
        "200 with a name in Latin-1",
        "(\"unreachable\", \"200\")",
        "RFC 3261 16.3 (1): ours passes over what it needs not; theirs loses the body with it",
    ),
    row(
        "200 without a Contact",
        "no ACK within",
        "RFC 3261 13.2.2.4: ours is right, the 2xx is acknowledged; 12.1.2 lets nobody forget the \
         Contact, but a callee would stay in a call of nobody's",
    ),
    row(
        "200 with a tel: Contact",
        "no BYE within",
        "RFC 3261 15.1.1: ours ends the call the way it came; 12.2.1.1 leads theirs nowhere",
    ),
    row(
        "200 with a Contact in a name that does not resolve",
        "no BYE within",
        "RFC 3261 15.1.1: ours ends the call the way it came; 12.2.1.1 leads theirs nowhere",
    ),
    row(
        "the phone that lost hangs up too",
        "code: 481",
        "RFC 3261 13.2.2.4: both; each 2xx was a dialog of its own, of which theirs keeps nothing",
    ),
    row(
        "a method of nobody's",
        "no answer to BREW",
        "RFC 3261 8.2.1: ours is right, it is answered 501 (405 for what is known elsewhere)",
    ),
    row(
        "an extension that nobody has",
        "code: 200",
        "RFC 3261 8.2.2.3: ours is right, a Require that is not understood is answered 420",
    ),
    row(
        "a second re-INVITE before the first is acknowledged",
        "code: 200",
        "RFC 3261 14.2: ours is right, it is answered 500 or 491",
    ),
    row(
        "another BYE after the first",
        "no answer to BYE",
        "RFC 3261 15.1.2: ours is right, a BYE of no dialog is answered 481",
    ),
    row(
        "a re-INVITE that crosses our BYE",
        "code: 200",
        "RFC 3261 15.1.1: ours is right, the session is over once the BYE was sent",
    ),
    row(
        "a target that moves is followed",
        "BYE sip:far@",
        "RFC 3261 12.2.2: ours is right, the Contact of a re-INVITE is the new target",
    ),
    row(
        "through a strict router",
        "ACK sip:far@",
        "RFC 3261 12.2.1.1: ours is right, the first route without `lr` becomes the URI",
    ),
    row(
        "a Contact at another port",
        "left == right",
        "RFC 3261 12.2.1.1: ours is right, the URI is the Contact as it stands, with parameters",
    ),
    row("302 to another machine, which answers", "no INVITE came here", NOT_FOLLOWED),
    row("302 to another machine, which is busy", "no INVITE came here", NOT_FOLLOWED),
    row("301, then the answer", "no INVITE came here", NOT_FOLLOWED),
    row("300: the best of several", "no INVITE came here", NOT_FOLLOWED),
    row("302 three times, then the answer", "no INVITE came here", NOT_FOLLOWED),
    row("302 to and fro for ever", "no INVITE within", NOT_FOLLOWED),
    row("the next machine asks for our credentials", "no INVITE came here", NOT_FOLLOWED),
    row(
        "a 183 that overtook another waits for it",
        "RAck",
        "RFC 3262 4: ours is right, an RSeq that is not the next one is not acknowledged",
    ),
    row("a session of ours that is too short for them", "no INVITE within", NO_SESSIONS),
    row("a session that we refresh by UPDATE", "INVITE sip:", NO_SESSIONS),
    row("a session that we refresh by re-INVITE", "INVITE sip:", NO_SESSIONS),
    row("a session that they refresh", "INVITE sip:", NO_SESSIONS),
    row("a session that nobody refreshes", "INVITE sip:", NO_SESSIONS),
    row("a refresh of ours that nobody answers", "INVITE sip:", NO_SESSIONS),
    row(
        "407 MD5",
        "no INVITE within",
        "RFC 3261 25.1: ours is right, a comma within quotes ends no parameter",
    ),
    row(
        "401 SHA-256",
        "no INVITE within",
        "RFC 7616 3.3 and RFC 8760 2.1: ours is right, the algorithm is called `SHA-256`",
    ),
    row(
        "a proxy asks, then the callee's side",
        "no INVITE within",
        "RFC 3261 22.3: ours is right, each realm is proved to, all of them in one request",
    ),
    row(
        "a challenge that is stale for ever",
        "nothing was to come, but: INVITE",
        "RFC 7616 3.3: both, `stale` asks for another try and names no number; ours tries once",
    ),
    row(
        "a digest that nobody can compute",
        "invalid Algorithm",
        "RFC 7616 3.3: ours is right, the challenge is passed over and the 401 stays an answer",
    ),
    row(
        "a password that we would have to show",
        "missing nonce",
        "RFC 3261 22: ours is right, Basic is not answered and the 401 stays an answer",
    ),
    row(
        "a strange machine asks for our credentials",
        "credentials: BYE",
        "RFC 3261 22.3: ours is right, credentials are for the realm that asked, not for others",
    ),
    row(
        "another realm than the account's",
        "nothing was to come, but: INVITE",
        "RFC 3261 22.2: ours is right, credentials are used for the realm that they are of",
    ),
];
