//! A caller on rsipstack: another implementation of the standard, with as little of our own
//! around it as a call needs. It rings, hangs up, sends silence, and knows none of our code but
//! the table of outcomes.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use campanile_domain::outcome::Ending;
use rsipstack::{
    EndpointBuilder,
    dialog::{
        authenticate::Credential,
        dialog::{Dialog, DialogState, DialogStateReceiver},
        dialog_layer::DialogLayer,
        invitation::InviteOption,
        invite_dialog::InviteDialog,
    },
    platform::CancellationToken,
    sip::{Header, Method, Request, Response, SipMessage, StatusCode, StatusCodeKind, Uri},
    transaction::{Transaction, TransactionReceiver, endpoint::MessageInspector},
    transport::{SipAddr, TransportLayer, udp::UdpConnection},
};
use tokio::{net::UdpSocket, sync::watch, time::sleep};

use crate::far_end::sdp;

/// 64*T1 after a CANCEL nobody waits any more (RFC 3261 9.1).
const AFTER_CANCEL: Duration = Duration::from_secs(32);
/// How often audio is sent.
const PTIME: Duration = Duration::from_millis(20);

/// How a call is made.
pub(super) struct Plan {
    pub(super) to: SocketAddr,
    pub(super) callee: String,
    pub(super) ring: Duration,
    /// How long it listens to a callee who does not hang up; it hangs up at once without.
    pub(super) listens: Option<Duration>,
    pub(super) account: Option<Account>,
}

/// Who it is to a carrier that asks.
pub(super) struct Account {
    pub(super) username: String,
    pub(super) password: String,
    pub(super) realm: Option<String>,
}

/// What a call came to: the outcome of api.md, and the code of the answer that decided.
pub(super) struct Ended {
    pub(super) outcome: &'static str,
    pub(super) sip_code: String,
}

impl Ended {
    fn of(ending: Ending, sip_code: Option<u16>) -> Self {
        let outcome = ending.outcome(false).word();
        Self { outcome, sip_code: sip_code.map(|code| code.to_string()).unwrap_or_default() }
    }
}

/// Where the callee hears, and what: the payload type that it takes.
type Ear = Option<(SocketAddr, u8)>;

/// One call from a socket of its own, until the caller has nothing more to say; the stack still
/// hears what comes until it is `over`.
pub(super) async fn call(plan: Plan, over: CancellationToken) -> Result<Ended, rsipstack::Error> {
    let transport = TransportLayer::new(over.child_token());
    let me = (Ipv4Addr::LOCALHOST, 0).into();
    let socket = UdpConnection::create_connection(me, None, Some(over.child_token())).await?;
    let me = socket.get_addr().addr.to_string();
    transport.add_transport(socket.into());
    let wire = Arc::new(Mutex::new(Vec::new()));
    let endpoint = EndpointBuilder::new()
        .with_cancel_token(over.clone())
        .with_transport_layer(transport)
        .with_inspector(Box::new(Wire(Arc::clone(&wire))))
        .build();
    let incoming = endpoint.incoming_transactions()?;
    let layer = Arc::new(DialogLayer::new(Arc::clone(&endpoint.inner)));
    let media = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let offer = sdp(&format!(
        "m=audio {} RTP/AVP 8 0\r\n",
        media.local_addr().expect("it is bound").port()
    ));
    let (ear, hears) = watch::channel(None);
    let (ended, mut ends) = watch::channel(false);
    let (states, states_of_it) = layer.new_dialog_state_channel();
    tokio::spawn(over.clone().run_until_cancelled_owned(talk(media, hears)));
    tokio::spawn(async move { endpoint.serve().await });
    tokio::spawn(
        over.clone().run_until_cancelled_owned(take_requests(incoming, Arc::clone(&layer))),
    );
    let told = Told { layer: Arc::clone(&layer), offer: offer.clone(), ear, ended };
    tokio::spawn(over.clone().run_until_cancelled_owned(told.follow(states_of_it)));

    let option = InviteOption {
        caller: Uri::try_from(format!("sip:caller@{me}"))?,
        callee: Uri::try_from(format!("sip:{}@{}", plan.callee, plan.to))?,
        contact: Uri::try_from(format!("sip:caller@{me}"))?,
        offer: Some(offer.into_bytes()),
        support_prack: true,
        credential: plan.account.map(|Account { username, password, realm }| Credential {
            username,
            password,
            realm,
            auth_username: None,
        }),
        ..InviteOption::default()
    };
    let (dialog, mut invite) = layer.do_invite_async(option, states)?;
    let (answer, is_cancelled) = tokio::select! {
        answer = &mut invite => (Some(answer), false),
        () = sleep(plan.ring) => {
            let withdrawn = dialog.clone();
            tokio::spawn(async move { withdrawn.cancel().await });
            (tokio::time::timeout(AFTER_CANCEL, &mut invite).await.ok(), true)
        }
    };
    let answer = match answer {
        Some(answer) => answer.expect("the stack does not panic")?.1,
        None => None,
    };
    // What the stack made up itself, when nobody spoke, did not come from the wire.
    let answer = answer.filter(|answer| wire.lock().unwrap().contains(&answer.status_code.code()));
    conclude(&dialog, answer, is_cancelled, plan.listens, &mut ends).await
}

/// Talks and hangs up if there was an answer; what it all came to.
async fn conclude(
    dialog: &InviteDialog,
    answer: Option<Response>,
    is_cancelled: bool,
    listens: Option<Duration>,
    ends: &mut watch::Receiver<bool>,
) -> Result<Ended, rsipstack::Error> {
    let code = answer.as_ref().map(|answer| answer.status_code.code());
    let Some(answer) = answer.filter(|each| each.status_code.kind() == StatusCodeKind::Successful)
    else {
        let ending = match code {
            Some(487) | None if is_cancelled => Ending::RingTimeout { sip_code: code },
            Some(sip_code) => Ending::Refused { sip_code, after_ms: u32::MAX, rang: true },
            None => Ending::NoReply,
        };
        return Ok(Ended::of(ending, code));
    };
    if is_cancelled {
        return Ok(Ended::of(Ending::RingTimeout { sip_code: code }, code));
    }
    let is_useless = listener(&answer.body).is_none();
    if let Some(limit) = listens.filter(|_| !is_useless) {
        let _ = tokio::time::timeout(limit, ends.wait_for(|ended| *ended)).await;
    }
    match () {
        () if *ends.borrow() => {}
        () if is_useless => dialog.bye_with_reason("SIP ;cause=488".to_owned()).await?,
        () => dialog.bye().await?,
    }
    if is_useless {
        // No audio in common is what 488 would have said.
        let refused = Ending::Refused { sip_code: 488, after_ms: u32::MAX, rang: true };
        return Ok(Ended::of(refused, code));
    }
    Ok(Ended::of(Ending::Connected { bot_failed: false }, code))
}

/// The codes of the answers that came, as the socket saw them.
struct Wire(Arc<Mutex<Vec<u16>>>);

impl MessageInspector for Wire {
    fn before_send(&self, message: SipMessage, _: Option<&SipAddr>) -> SipMessage {
        message
    }

    fn after_received(&self, message: SipMessage, _: Option<&SipAddr>) -> SipMessage {
        if let SipMessage::Response(answer) = &message {
            self.0.lock().unwrap().push(answer.status_code.code());
        }
        message
    }
}

/// Silence in A-law or mu-law, to wherever the callee hears.
async fn talk(media: UdpSocket, hears: watch::Receiver<Ear>) {
    let mut packet = [0xD5; 172];
    for count in 0u16.. {
        let to = *hears.borrow();
        if let Some((to, payload)) = to {
            packet[..2].copy_from_slice(&[0x80, payload]);
            packet[2..4].copy_from_slice(&count.to_be_bytes());
            packet[4..8].copy_from_slice(&(u32::from(count) * 160).to_be_bytes());
            // Whoever does not listen any more says so by ICMP; that ends nothing.
            let _ = media.send_to(&packet, to).await;
        }
        sleep(PTIME).await;
    }
}

/// Requests of the far end go to the dialog that they name.
async fn take_requests(mut incoming: TransactionReceiver, layer: Arc<DialogLayer>) {
    while let Some(transaction) = incoming.recv().await {
        tokio::spawn(answer(transaction, Arc::clone(&layer)));
    }
}

async fn answer(mut transaction: Transaction, layer: Arc<DialogLayer>) {
    let handled = match layer.match_dialog(&transaction) {
        Some(mut dialog) => dialog.handle(&mut transaction).await,
        None if transaction.original.method == Method::Ack => Ok(()),
        None if transaction.original.method == Method::Options => {
            transaction.reply(StatusCode::OK).await
        }
        None => transaction.reply(StatusCode::CallTransactionDoesNotExist).await,
    };
    // The stack says with an error that a request was refused, which the far end judges.
    drop(handled);
}

/// What the stack tells and leaves to whoever uses it: early media, the answer, and what is
/// asked within the call.
struct Told {
    layer: Arc<DialogLayer>,
    offer: String,
    ear: watch::Sender<Ear>,
    ended: watch::Sender<bool>,
}

impl Told {
    async fn follow(self, mut states: DialogStateReceiver) {
        let mut is_answered = false;
        while let Some(state) = states.recv().await {
            let done = match state {
                DialogState::Early(_, answer) => {
                    self.hear(&answer.body);
                    continue;
                }
                // Told again after each request within the call, with an answer of ours.
                DialogState::Confirmed(id, _) if is_answered => {
                    if let Some(Dialog::Invite(dialog)) = self.layer.get_dialog(&id)
                        && let Some(ack) = dialog.last_remote_ack()
                    {
                        self.hear(&ack.body);
                    }
                    continue;
                }
                DialogState::Confirmed(_, answer) => {
                    is_answered = true;
                    self.hear(&answer.body);
                    continue;
                }
                DialogState::Terminated(..) => {
                    self.ended.send_replace(true);
                    continue;
                }
                DialogState::Updated(_, request, handle) => {
                    let (status, body) = self.agree(&request);
                    let typed =
                        body.is_some().then(|| Header::ContentType("application/sdp".into()));
                    let body = body.map(String::into_bytes);
                    handle.respond(status, Some(typed.into_iter().collect()), body).await
                }
                DialogState::Refer(_, _, handle) => handle.reply(StatusCode::Decline).await,
                DialogState::Message(_, _, handle) => {
                    handle.reply(StatusCode::MethodNotAllowed).await
                }
                DialogState::Notify(_, _, handle) => {
                    handle.reply(StatusCode::CallTransactionDoesNotExist).await
                }
                DialogState::Info(_, _, handle) | DialogState::Options(_, _, handle) => {
                    handle.reply(StatusCode::OK).await
                }
                _ => continue,
            };
            // Nobody waits for it any more when the call ended meanwhile.
            drop(done);
        }
    }

    /// The answer to an offer within the call, which is followed to where it leads.
    fn agree(&self, request: &Request) -> (StatusCode, Option<String>) {
        if request.body.is_empty() {
            let is_late_offer = request.method == Method::Invite;
            return (StatusCode::OK, is_late_offer.then(|| self.offer.clone()));
        }
        let Some((_, payload)) = self.hear(&request.body) else {
            return (StatusCode::NotAcceptableHere, None);
        };
        let text = String::from_utf8_lossy(&request.body).into_owned();
        let direction = match () {
            () if text.contains("a=sendonly") => "a=recvonly\r\n",
            () if text.contains("a=inactive") => "a=inactive\r\n",
            () => "",
        };
        let ours = self.offer.replace("RTP/AVP 8 0", &format!("RTP/AVP {payload}"));
        (StatusCode::OK, Some(format!("{ours}{direction}")))
    }

    /// Speaks to where a description says, if it says anything.
    fn hear(&self, body: &[u8]) -> Ear {
        let ear = listener(body)?;
        self.ear.send_replace(Some(ear).filter(|_| !is_held(body)));
        Some(ear)
    }
}

/// Where a description says that audio is heard, with the first codec of ours.
fn listener(body: &[u8]) -> Ear {
    let text = String::from_utf8_lossy(body);
    let media = text.lines().find_map(|line| line.strip_prefix("m=audio "))?;
    let mut words = media.split(' ');
    let port = words.next()?.parse().ok()?;
    // What was not offered, such as encryption, is no answer (RFC 3264 6).
    words.next().filter(|protocol| *protocol == "RTP/AVP")?;
    let payload = words.filter_map(|word| word.parse().ok()).find(|p| [0, 8].contains(p))?;
    // The address of the media part, which comes last, is the nearer one.
    let address = text.lines().rev().find_map(|line| line.strip_prefix("c=IN IP4 "))?;
    Some((SocketAddr::new(address.trim().parse().ok()?, port), payload))
}

/// Whoever only sends, or is away, is not spoken to (RFC 3264 8.4).
fn is_held(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    text.contains("a=sendonly") || text.contains("a=inactive")
}
