//! What is changed about a world: rules that are broken on purpose, so that every check
//! has something to find.

use std::sync::Arc;

use campanile_domain::setup::DiallerSetup;

/// What is changed about a world.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Something that is broken on purpose, so that a check has something to find.
    pub fault: Option<Fault>,
    /// The last things that happened are kept in words, for a violation to tell.
    pub traced: bool,
}

/// A rule that the model of the store or the loop breaks on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The store says that a row is durable before it is.
    AnswersBeforeWriting,
    /// The store claims a contact for two dials at once.
    ClaimsTwice,
    /// The loop loses the reports of ended calls.
    LosesReports,
    /// The loop does not tell the scheduler of changes.
    HidesChanges,
    /// The loop keeps the first setup from the scheduler for a while.
    SleepsAfterBoot,
    /// The scheduler is told of more channels than the carriers have.
    OverstatesChannels,
    /// The scheduler is told of a higher rate than the carriers take.
    OverstatesRate,
    /// The scheduler is told that every window is open around the clock.
    WidensWindows,
    /// The scheduler is told that every carrier is enabled.
    HidesDisabledCarriers,
    /// The store does not count attempts.
    ForgetsAttempts,
    /// The store excludes nobody.
    IgnoresExclusions,
    /// The agent's word that it is done with a call is lost.
    NeverReleases,
    /// The line sends each INVITE as two dialogs.
    DialsTwice,
    /// The line reports calls as ended and leaves them up.
    ForgetsToHangUp,
    /// The line reports another code than the far end answered.
    MisreadsRefusals,
}

/// The setup as the scheduler is told it: the truth, unless that is what is broken.
pub(crate) fn told(fault: Option<Fault>, mut setup: DiallerSetup) -> DiallerSetup {
    for carrier in setup.carriers.iter_mut().map(Arc::make_mut) {
        match fault {
            Some(Fault::OverstatesChannels) => carrier.settings.channels += 10,
            Some(Fault::OverstatesRate) => carrier.settings.cps *= 5.0,
            Some(Fault::HidesDisabledCarriers) => carrier.enabled = true,
            _ => {}
        }
    }
    if fault == Some(Fault::WidensWindows) {
        for campaign in &mut setup.campaigns {
            let window = &mut Arc::make_mut(&mut campaign.settings).window;
            window.start = "00:00".into();
            window.end = "24:00".into();
        }
    }
    setup
}
