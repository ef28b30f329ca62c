//! REGISTER (RFC 3261 10): tells a carrier where we are, and keeps it told.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use super::{
    account::Account,
    call::{COOKIE, Came, Shared},
    compose::{self, ALLOW, Writer, check_account, name_addr},
    config::{Auth, Refused},
    lone::Lone,
    peer::Peer,
    slab::CallKey,
};
use crate::{
    message::{Message, Name, NameAddr, Uri, header, param},
    time::Time,
};

/// Refreshed more often than this is no registration.
const EXPIRES_MIN: u32 = 20;
/// A week; longer ones are as good as for ever.
const EXPIRES_MAX: u32 = 604_800;
/// How long is waited after a failure, and after many (RFC 5626 4.5).
const BACK_OFF: Duration = Duration::from_secs(30);
const BACK_OFF_MAX: Duration = Duration::from_secs(1_800);
/// So many requests a registration takes at most: two realms, a stale nonce, a 423.
const TRIES_MAX: u8 = 5;

/// Names a registration until it is [`RegistrationEvent::Unregistered`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegistrationKey(pub(super) CallKey);

/// What to register where.
#[derive(Debug, Clone)]
pub struct Registration {
    /// The registrar, or the outbound proxy in front of it.
    pub to: Peer,
    /// Routes to begin with; `to` is then the address of the first.
    pub route: Vec<String>,
    /// The domain to register with, such as `sip:carrier.example`.
    pub registrar: String,
    /// Whom calls are for, such as `sip:account@carrier.example`.
    pub address_of_record: String,
    /// Where calls are to be sent: what Via and Contact say.
    pub contact: SocketAddr,
    /// What to answer a challenge with.
    pub auth: Option<Auth>,
    /// For how many seconds, if the registrar agrees.
    pub expires: u32,
}

/// What became of a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistrationEvent {
    /// The carrier knows where we are; told after each refresh.
    Registered {
        /// For how long, unless it is refreshed, which happens before.
        until: Time,
    },
    /// It does not, or may soon not; this is tried again by itself.
    Failed {
        /// What was answered; `None`: nothing came back.
        code: Option<u16>,
        /// Why, for the operator.
        why: String,
        /// When it is tried again.
        again: Time,
    },
    /// The carrier was told that we are gone, or did not want to know. Always the last.
    Unregistered,
}

/// A registration at work.
pub(super) struct Registering {
    key: CallKey,
    registration: Registration,
    account: Account,
    call_id: String,
    tag: String,
    cseq: u32,
    /// What we ask for; more after a 423.
    expires: u32,
    /// Requests since the last success or pause.
    tries: u8,
    failures: u32,
    state: State,
    /// The owner wants it ended.
    leaving: bool,
}

enum State {
    /// Waits for an answer.
    Asking(Lone),
    /// Waits until it asks again.
    Waiting(Time),
    /// Over.
    Gone,
}

impl Registration {
    fn check(&self) -> Result<(), Refused> {
        for (uri, name) in
            [(&self.registrar, "the request URI"), (&self.address_of_record, "the URI of To")]
        {
            if Uri::parse(uri).is_none() {
                return Err(Refused::InvalidHeader(name));
            }
        }
        if !self.route.iter().all(|route| Uri::parse(route).is_some()) {
            return Err(Refused::InvalidHeader("a route"));
        }
        check_account(self.auth.as_ref())
    }
}

impl Registering {
    /// Sends the first REGISTER.
    pub(super) fn start(
        shared: &mut Shared,
        now: Time,
        key: CallKey,
        mut registration: Registration,
    ) -> Self {
        let account = Account::new(registration.auth.take(), vec![registration.to]);
        // One Call-ID for all of them, and growing numbers (RFC 3261 10.2).
        let call_id = format!("{:016x}{:016x}", shared.tokens.next(), shared.tokens.next());
        let tag = format!("{:016x}", shared.tokens.next());
        let expires = registration.expires.clamp(EXPIRES_MIN, EXPIRES_MAX);
        let mut registering = Self {
            key,
            registration,
            account,
            call_id,
            tag,
            cseq: 0,
            expires,
            tries: 0,
            failures: 0,
            state: State::Waiting(now),
            leaving: false,
        };
        registering.ask(shared, now);
        registering
    }

    /// Checks what is to be registered before anything of it is kept.
    pub(super) fn check(registration: &Registration) -> Result<(), Refused> {
        registration.check()
    }

    /// When to wake it.
    pub(super) fn next(&self) -> Option<Time> {
        match &self.state {
            State::Asking(lone) => Some(lone.next()),
            State::Waiting(at) => Some(*at),
            State::Gone => None,
        }
    }

    pub(super) fn wake(&mut self, shared: &mut Shared, now: Time) -> Option<RegistrationEvent> {
        match &mut self.state {
            State::Asking(lone) if lone.next() <= now => {
                let given_up = lone.wake(shared, now);
                given_up.then(|| self.fail(shared, now, None, "no answer".to_owned(), None))
            }
            State::Waiting(at) if *at <= now => {
                self.tries = 0;
                self.ask(shared, now);
                None
            }
            State::Asking(_) | State::Waiting(_) | State::Gone => None,
        }
    }

    pub(super) fn answered(
        &mut self,
        shared: &mut Shared,
        now: Time,
        code: u16,
        came: Came<'_>,
    ) -> Option<RegistrationEvent> {
        let State::Asking(lone) = &mut self.state else { return None };
        if *self.call_id != *came.envelope.call_id || self.tag != came.tag_of_from() {
            return None;
        }
        let code = lone.answered(shared, code, came)?;
        let first = self.tries == 1;
        let may_ask = self.tries < TRIES_MAX;
        if may_ask && self.account.take(code, came.message, self.registration.to, first) {
            self.ask(shared, now);
            return None;
        }
        match code {
            200..300 => Some(self.agreed(shared, now, came.message)),
            423 if may_ask && self.asks_for_longer(came.message) => {
                self.ask(shared, now);
                None
            }
            _ => {
                let reason = compose::reason_text(came.message);
                let retry_after = came.message.retry_after();
                Some(self.fail(shared, now, Some(code), reason, retry_after))
            }
        }
    }

    /// Nobody is at `to`.
    pub(super) fn unreachable(
        &mut self,
        shared: &mut Shared,
        now: Time,
        to: Peer,
    ) -> Option<RegistrationEvent> {
        match &self.state {
            State::Asking(lone) if lone.to == to => {
                Some(self.fail(shared, now, None, format!("{to} is unreachable"), None))
            }
            State::Asking(_) | State::Waiting(_) | State::Gone => None,
        }
    }

    pub(super) fn broken(&mut self, shared: &mut Shared, to: Peer) {
        if let State::Asking(lone) = &mut self.state {
            lone.broken(shared, to);
        }
    }

    /// Tells the carrier that we leave, by a registration for no time (RFC 3261 10.2.2).
    pub(super) fn leave(&mut self, shared: &mut Shared, now: Time) {
        if !self.leaving {
            self.leaving = true;
            self.tries = 0;
            self.ask(shared, now);
        }
    }

    fn ask(&mut self, shared: &mut Shared, now: Time) {
        let Registration { to, route, registrar, address_of_record, contact, .. } =
            &self.registration;
        self.cseq += 1;
        self.tries += 1;
        let branch = format!("{COOKIE}r{}", self.key.token(shared.tokens.next()));
        let mut writer = Writer::request("REGISTER", registrar);
        writer.via(to.transport, *contact, &branch);
        for route in route {
            writer.line("Route", format_args!("<{route}>"));
        }
        let party = name_addr(None, address_of_record);
        writer.line("From", format_args!("{party};tag={}", self.tag));
        writer.header("To", party);
        writer.header("Call-ID", &self.call_id);
        writer.line("CSeq", format_args!("{} REGISTER", self.cseq));
        let user = Uri::parse(address_of_record).and_then(|uri| uri.user).unwrap_or_default();
        writer.header("Contact", compose::contact(user, *contact, to.transport));
        let expires = if self.leaving { 0 } else { self.expires };
        writer.header("Expires", expires.to_string());
        writer.header("Allow", ALLOW);
        writer.header("User-Agent", &shared.config.user_agent);
        for (name, proof) in self.account.prove(&mut shared.tokens, "REGISTER", registrar, *to) {
            writer.header(name, proof);
        }
        let bytes: Arc<[u8]> = writer.finish(None);
        let lone = Lone::send(shared, now, *to, branch, (self.cseq, "REGISTER"), bytes);
        self.state = State::Asking(lone);
    }

    fn agreed(
        &mut self,
        shared: &mut Shared,
        now: Time,
        message: &Message<'_>,
    ) -> RegistrationEvent {
        if self.leaving {
            self.state = State::Gone;
            return RegistrationEvent::Unregistered;
        }
        let granted = self.granted(message);
        if granted == 0 {
            return self.fail(shared, now, Some(200), "registered for no time".to_owned(), None);
        }
        self.failures = 0;
        // At three to four fifths of its time, so that many do not come at once.
        let millis = u64::from(granted.max(EXPIRES_MIN)) * 1_000;
        let early = millis / 5 + shared.tokens.next() % (millis / 5);
        self.state = State::Waiting(now + Duration::from_millis(millis - early));
        RegistrationEvent::Registered { until: now + Duration::from_secs(u64::from(granted)) }
    }

    /// For how many seconds we are registered: what our own Contact says among those of others,
    /// else `Expires`, else what we asked for (RFC 3261 10.2.4).
    fn granted(&self, message: &Message<'_>) -> u32 {
        let is_ours = |contact: &&[u8]| {
            let uri = NameAddr::parse(contact).and_then(|contact| Uri::parse(contact.uri));
            uri.and_then(|uri| uri.socket_addr(self.registration.to.transport))
                == Some(self.registration.contact)
        };
        let of_contact = message
            .list(Name::Contact)
            .find(is_ours)
            .and_then(|contact| header::number(param(contact, "expires")?))
            .map(|seconds| u32::try_from(seconds).unwrap_or(EXPIRES_MAX));
        let granted = of_contact.or_else(|| message.expires()).unwrap_or(self.expires);
        granted.min(EXPIRES_MAX)
    }

    /// A 423; whether we asked for less than it wants.
    fn asks_for_longer(&mut self, message: &Message<'_>) -> bool {
        match message.min_expires() {
            Some(least) if least > self.expires && !self.leaving => {
                self.expires = least.min(EXPIRES_MAX);
                true
            }
            _ => false,
        }
    }

    fn fail(
        &mut self,
        shared: &mut Shared,
        now: Time,
        code: Option<u16>,
        why: String,
        retry_after: Option<u32>,
    ) -> RegistrationEvent {
        if self.leaving {
            self.state = State::Gone;
            return RegistrationEvent::Unregistered;
        }
        // Half to the whole of it, at random (RFC 5626 4.5).
        let whole = (BACK_OFF * (1 << self.failures.min(6))).min(BACK_OFF_MAX).as_millis() as u64;
        let mut pause = Duration::from_millis(whole / 2 + shared.tokens.next() % (whole / 2));
        if let Some(seconds) = retry_after {
            pause = pause.max(Duration::from_secs(u64::from(seconds)));
        }
        self.failures += 1;
        let again = now + pause;
        self.state = State::Waiting(again);
        RegistrationEvent::Failed { code, why, again }
    }
}
