//! The same far ends, called by another SIP stack: what it makes of them is what we make of
//! them, or it is written down here which of the two the standard says is right.
//!
//! The far ends are those of the other tests, in which our own server calls them and must end in
//! the outcome that each scenario names. Here rsipstack calls them, and what it was told is put
//! into api.md's words by the same table.

mod accepted;
mod caller;

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use rsipstack::platform::CancellationToken;

use self::{
    accepted::ACCEPTED,
    caller::{Account, Plan},
};
use super::{Scenario, all, cancels, every, refusals, said};

/// How long the caller lets a phone ring that somebody may answer.
const RING: Duration = Duration::from_secs(15);
/// How long it does so where nobody answers before he is withdrawn.
const SHORT_RING: Duration = Duration::from_secs(3);
/// How often it is looked whether a far end is done.
const LOOK: Duration = Duration::from_millis(50);
/// What a scenario may take.
const LIMIT: Duration = Duration::from_secs(55);

/// Lets rsipstack call a far end: the scenario's name, and what came of it if not the same.
async fn differs(index: usize, ring: Duration, scenario: Scenario) -> (String, Option<String>) {
    let Scenario { name, ends, listens, carrier, settings, mut peer, play, .. } = scenario;
    let text = |field: &str| carrier["auth"][field].as_str().map(str::to_owned);
    let account = text("username").zip(text("password"));
    let no_media = settings["no_media_seconds"].as_u64().unwrap_or(30).min(30);
    let plan = Plan {
        to: peer.addr(),
        callee: format!("+9198300{index:05}"),
        ring,
        listens: listens.then(|| Duration::from_secs(no_media)),
        account: account.map(|(username, password)| Account {
            username,
            password,
            realm: text("realm"),
        }),
    };
    let over = Arc::new(AtomicBool::new(false));
    let played = Arc::new(AtomicBool::new(false));
    let (ends_then, has_played) = (Arc::clone(&over), Arc::clone(&played));
    let thread = std::thread::Builder::new().name(name.clone());
    let thread = thread
        .spawn(move || {
            std::panic::catch_unwind(AssertUnwindSafe(|| {
                play(&mut peer);
                has_played.store(true, Ordering::Relaxed);
                peer.stays(&ends_then);
            }))
        })
        .unwrap();
    let stack = CancellationToken::new();
    // Whoever broke off does not go on with the call either.
    let broke_off = async {
        while !thread.is_finished() {
            tokio::time::sleep(LOOK).await;
        }
    };
    let called = tokio::select! {
        called = tokio::time::timeout(LIMIT, caller::call(plan, stack.clone())) => Some(called),
        () = broke_off => None,
    };
    while !played.load(Ordering::Relaxed) && !thread.is_finished() {
        tokio::time::sleep(LOOK).await;
    }
    // What follows an end, such as a BYE too many, follows at once.
    tokio::time::sleep(Duration::from_millis(300)).await;
    over.store(true, Ordering::Relaxed);
    stack.cancel();
    let played = tokio::task::spawn_blocking(|| thread.join()).await.unwrap().unwrap();
    let difference = match (called, played) {
        (_, Err(panic)) => Some(format!("far end: {}", said(&*panic))),
        (None | Some(Err(_)), _) => Some("it never ends".to_owned()),
        (Some(Ok(Err(error))), _) => Some(format!("the stack says: {error}")),
        (Some(Ok(Ok(ended))), _) => {
            let theirs = (ended.outcome, &*ended.sip_code);
            (theirs != ends).then(|| format!("{theirs:?} is not {ends:?}"))
        }
    };
    (name, difference)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_stack_makes_the_same_of_every_far_end() {
    let answered = refusals::all().into_iter().chain(all()).map(|each| (RING, each));
    let withdrawn = cancels::all().into_iter().map(|each| (SHORT_RING, each));
    let called = withdrawn
        .chain(answered)
        // Theirs is called over datagrams alone.
        .filter(|(_, each)| each.peer.transport() == "udp")
        .enumerate()
        .map(|(index, (ring, each))| tokio::spawn(differs(index, ring, each)));
    let mut failed = Vec::new();
    for ended in join_all(called.collect::<Vec<_>>()).await {
        let (name, difference) = ended.unwrap();
        let accepted = ACCEPTED.iter().find(|row| row.scenario == name);
        match (difference, accepted) {
            (Some(theirs), Some(row)) if theirs.contains(row.theirs) => {}
            (Some(theirs), Some(row)) => {
                let expected = row.theirs;
                failed.push(format!("── {name}: not {expected:?} but {theirs} ({})", row.why));
            }
            (Some(theirs), None) => failed.push(format!("── {name} differs: {theirs}")),
            (None, Some(row)) => failed.push(format!("── {name} is the same now: {}", row.why)),
            (None, None) => {}
        }
    }
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn every_accepted_difference_is_of_one_scenario() {
    let names: Vec<String> = every().into_iter().map(|each| each.name).collect();
    for row in ACCEPTED {
        let count = names.iter().filter(|name| *name == row.scenario).count();
        assert_eq!(count, 1, "{}: {}", row.scenario, row.why);
        let same = ACCEPTED.iter().filter(|other| other.scenario == row.scenario).count();
        assert_eq!(same, 1, "{} stands there twice", row.scenario);
    }
}
