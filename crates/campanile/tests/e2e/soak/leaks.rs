//! What a call takes it gives back: after many short calls of every kind, descriptors, ports,
//! threads, tasks and memory are what they were before.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use serde_json::json;

use super::{asked, memory, metrics, once, outcomes, report, start, status};
use crate::{far_end::FarEnd, server::Server};

/// What the process holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    /// Open files and sockets, but for the database's: a reader's connection is opened when it
    /// is first needed, which may be late, and then there are at most four.
    descriptors: usize,
    threads: u64,
    /// Of the runtime, as `/metrics` says.
    tasks: u64,
    /// Calls of which SIP still knows.
    kept: u64,
    /// Of the write-ahead log.
    wal_bytes: u64,
    /// In KiB.
    memory: u64,
}

impl Held {
    async fn by(server: &Server) -> Self {
        let process = server.process.0.id();
        let gauges = metrics(server).await;
        let gauge = |name: &str| gauges[&format!("campanile_{name}")] as u64;
        Self {
            descriptors: descriptors(process),
            threads: status(process, "Threads"),
            tasks: gauge("tasks"),
            kept: gauge("kept_calls"),
            wal_bytes: gauge("wal_bytes"),
            memory: memory(process),
        }
    }
}

/// The calls come in so many parts, a campaign each.
const PARTS: usize = 4;
/// Growth of memory with a thousand calls, in KiB, from the second part to the fourth: less than
/// the quarter of a kilobyte a call that the least thing forgotten would keep.
const MEMORY_A_THOUSAND: u64 = 256;
/// What comes and goes between two looks, in KiB.
const MEMORY_NOISE: u64 = 4 * 1_024;
/// What caches may take, however many calls there are, in KiB.
const MEMORY_ONCE: u64 = 48 * 1_024;

#[tokio::test]
async fn after_many_short_calls_nothing_is_held_that_was_not_before() {
    let calls: usize = asked("CAMPANILE_SOAK_CALLS", 1_000);
    let cps: f64 = asked("CAMPANILE_SOAK_CPS", 250.0);
    let rests: bool = asked("CAMPANILE_SOAK_RESTS", false);
    let dir = tempfile::tempdir().unwrap();
    // 600 RTP ports, 300 calls: far fewer than the calls of the test, so that one that is not
    // given back is missed.
    let server =
        Server::start_with(dir.path(), &["--rtp-ports", "41000-41599", "--max-calls", "300"]);
    let phones = phones();
    let script = json!({ "start": "end", "steps": { "end": {} } });
    let carrier = json!({ "cps": cps, "burst": 10, "channels": 250 });
    let (number, bot) = server.setup(phones.port, carrier, script).await;

    let mut next = 0;
    let mut dial = async |count: usize| {
        let numbers = (next..next + count).map(|n| format!("+91983{n:07}\n"));
        let csv = format!("phone_number\n{}", numbers.collect::<String>());
        next += count;
        let settings = once(&format!("calls up to {next}"), &number, &bot, 250);
        let campaign = start(&server, settings, csv).await;
        let limit = Duration::from_secs(60) + Duration::from_secs_f64(count as f64 / cps * 3.0);
        let rows = report(&server, &campaign, limit).await;
        assert_eq!(rows.len(), count);
        for (outcome, expected) in [("completed", 2), ("busy", 1), ("congestion", 0)] {
            let came = outcomes(&rows).get(outcome).copied().unwrap_or_default();
            // Six calls in ten are answered, two are busy, the rest are refused otherwise.
            assert!(came * 10 >= count * expected, "{outcome}: {came} of {count}");
        }
    };
    // Threads and connections of the first calls come to stay.
    dial(calls / 10).await;
    settled(&server, rests).await;
    let idle = Held::by(&server).await;
    println!("idle after {} calls: {idle:?}", calls / 10);
    let mut held = Vec::new();
    for part in 1..=PARTS {
        dial(calls / PARTS).await;
        settled(&server, rests).await;
        held.push(Held::by(&server).await);
        println!("after {} more: {:?}", part * calls / PARTS, held[part - 1]);
    }
    let after = back_to(&idle, &server).await;
    println!("in the end: {after:?}");
    // Caches of the database and the allocator fill first; what a call leaves shows at the end.
    assert!(after.memory <= idle.memory + MEMORY_ONCE, "{idle:?}, then {after:?}");
    let grown = held[PARTS - 1].memory.saturating_sub(held[1].memory);
    let may_grow = MEMORY_NOISE + MEMORY_A_THOUSAND * (calls / 2) as u64 / 1_000;
    assert!(grown <= may_grow, "{grown} KiB for the last {} calls: {held:?}", calls / 2);
}

fn descriptors(process: u32) -> usize {
    let open = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap();
    // One that was closed meanwhile leads nowhere.
    let paths = open.filter_map(|each| std::fs::read_link(each.ok()?.path()).ok());
    let (database, others): (Vec<_>, Vec<_>) =
        paths.partition(|path| path.to_string_lossy().contains("campanile.db"));
    // The writer and four readers, with a log each, and the index of the log.
    assert!(database.len() <= 12, "{database:?}");
    others.len()
}

/// Waits until no more descriptors, threads and tasks are held than before: kept connections of
/// HTTP and threads that wait for files end by themselves within a minute and a half. Nothing is
/// asked meanwhile, which would keep them busy.
async fn back_to(idle: &Held, server: &Server) -> Held {
    let process = server.process.0.id();
    let deadline = Instant::now() + Duration::from_secs(100);
    while descriptors(process) > idle.descriptors || status(process, "Threads") > idle.threads {
        assert!(Instant::now() < deadline, "{idle:?}, and now {:?}", Held::by(server).await);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let held = Held::by(server).await;
    assert!(held.tasks <= idle.tasks, "{idle:?}, and now {held:?}");
    held
}

/// Waits until all gauges say that nothing is under way; with `rests`, until SIP has forgotten
/// the last call too: ended calls answer stragglers for 32 s (Timers D and K).
async fn settled(server: &Server, rests: bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let names = ["calls_up", "rtp_ports_used", "calls_ringing", "calls_in_progress", "kept_calls"];
    let names = if rests { &names[..] } else { &names[..4] };
    loop {
        let gauges = metrics(server).await;
        let busy: Vec<_> = names
            .iter()
            .map(|name| format!("campanile_{name}"))
            .filter(|name| gauges.get(name).copied().unwrap_or_default() != 0.0)
            .collect();
        if busy.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "still held: {busy:?} in {gauges:#?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Six of ten are answered and hung up by either side, two are busy, one is not there, one
/// is refused after early media.
fn phones() -> FarEnd {
    let calls = AtomicU32::new(0);
    let mut known: HashMap<String, u32> = HashMap::new();
    FarEnd::start(move |request, answers| {
        if request.method == "INVITE" {
            let nth = *known
                .entry(request.call_id())
                .or_insert_with(|| calls.fetch_add(1, Ordering::Relaxed));
            let sdp = crate::far_end::sdp("m=audio 9 RTP/AVP 8\r\n");
            let typed = "Content-Type: application/sdp\r\n";
            match nth % 10 {
                0..6 => {
                    answers.push(request.answer("180 Ringing", "", ""));
                    answers.push(request.accept());
                }
                // Not at once, or it is the carrier that is full: ringing says that it is not.
                6 | 7 => {
                    answers.push(request.answer("180 Ringing", "", ""));
                    answers.push(request.answer("486 Busy Here", "", ""));
                }
                8 => answers.push(request.answer("404 Not Found", "", "")),
                _ => {
                    answers.push(request.answer("183 Session Progress", typed, &sdp));
                    answers.push(request.answer("603 Decline", "", ""));
                }
            }
        }
        request.part(answers);
    })
}
