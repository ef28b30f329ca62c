//! `campanile backup` and `campanile restore`.

use std::{
    io::{IsTerminal, Write as _},
    path::PathBuf,
};

use anyhow::Context;
use campanile_domain::campaign::Status;
use campanile_store::{
    BackupFacts, Store,
    rows::{Actor, CampaignFilter},
};
use clap::Args;
use jiff::Timestamp;

use crate::DataDir;

#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    dir: DataDir,
    /// The file to write; it must not exist.
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    #[command(flatten)]
    dir: DataDir,
    /// A file that `campanile backup` wrote.
    file: PathBuf,
    /// Replace the database that is there; it is put aside, not deleted.
    #[arg(long)]
    force: bool,
    /// Leave running campaigns running. Whoever was called after the backup was taken
    /// is called again.
    #[arg(long)]
    keep_running: bool,
}

/// `campanile backup`: works while the server runs.
pub(crate) fn backup(args: &BackupArgs) -> anyhow::Result<()> {
    let mut shown = None;
    let facts = Store::backup(&args.dir.data, &args.file, |done, all| {
        let percent = done * 100 / all.max(1);
        // On a terminal one line that changes; in a log nothing but the end.
        if std::io::stderr().is_terminal() && shown != Some(percent) {
            eprint!("\r{percent:>3} %");
            let _ = std::io::stderr().flush();
            shown = Some(percent);
        }
    });
    if shown.is_some() {
        eprintln!();
    }
    let facts = facts.with_context(|| {
        format!("cannot back up {} to {}", args.dir.data.display(), args.file.display())
    })?;
    eprintln!("{} holds {}", args.file.display(), in_words(&facts));
    Ok(())
}

/// `campanile restore`: only while no server runs there. Running campaigns are paused,
/// because the backup does not know whom they called after it was taken.
pub(crate) async fn restore(args: &RestoreArgs) -> anyhow::Result<()> {
    let (data, file, now) = (&args.dir.data, &args.file, Timestamp::now());
    let restored = Store::restore(data, file, args.force, now)
        .with_context(|| format!("cannot restore {} to {}", file.display(), data.display()))?;
    eprintln!("{} holds {}", data.display(), in_words(&restored.facts));
    if let Some(aside) = &restored.aside {
        eprintln!("what was there is now in {}", aside.display());
    }
    if args.keep_running {
        return Ok(());
    }
    // `restored` still keeps a server from starting.
    let store = Store::open(data)?;
    let running = CampaignFilter {
        status: Some(Status::Running),
        limit: u32::MAX,
        ..CampaignFilter::default()
    };
    for campaign in store.campaigns(running).await? {
        let by = Actor { name: "campanile restore".into(), ..Actor::dialler() };
        store.pause(campaign.id, by, now).await?;
        eprintln!("paused: {} ({})", campaign.settings.name, campaign.id);
    }
    Ok(())
}

fn in_words(facts: &BackupFacts) -> String {
    format!(
        "{} campaigns and {} attempts, schema {}, {:.1} MB",
        facts.campaigns,
        facts.attempts,
        facts.schema,
        facts.bytes as f64 / 1e6
    )
}
