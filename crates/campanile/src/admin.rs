//! Commands of an administrator; they work whether or not the server runs.

use std::io::{Read, Write};

use anyhow::{Context, bail};
use campanile_store::{
    Store,
    rows::{Role, Scope},
};
use jiff::Timestamp;

use crate::{DataDir, KeyCreate, RoleArg, ScopeArg, UserCreate};

fn open(dir: &DataDir) -> anyhow::Result<Store> {
    Store::open(&dir.data)
        .with_context(|| format!("cannot open the data directory {}", dir.data.display()))
}

/// `campanile migrate`
pub(crate) fn migrate(dir: &DataDir) -> anyhow::Result<()> {
    open(dir)?;
    eprintln!("the database in {} is up to date", dir.data.display());
    Ok(())
}

/// `campanile openapi`. A reader that goes away early, such as `head`, is no fault.
pub(crate) fn openapi() -> anyhow::Result<()> {
    let document = serde_json::to_string_pretty(campanile_web::openapi())?;
    match writeln!(std::io::stdout().lock(), "{document}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        done => Ok(done?),
    }
}

/// `campanile key create`
pub(crate) async fn create_key(args: KeyCreate) -> anyhow::Result<()> {
    let store = open(&args.dir)?;
    let scope = match args.scope {
        ScopeArg::Admin => Scope::Admin,
        ScopeArg::Operator => Scope::Operator,
        ScopeArg::Trigger => Scope::Trigger,
        ScopeArg::Read => Scope::Read,
    };
    let minted = campanile_web::mint_key();
    store.create_key(args.name, minted.prefix, minted.hash, scope, Timestamp::now()).await?;
    println!("{}", minted.secret);
    Ok(())
}

/// `campanile user create`
pub(crate) async fn create_user(args: UserCreate) -> anyhow::Result<()> {
    let store = open(&args.dir)?;
    let role = match args.role {
        RoleArg::Admin => Role::Admin,
        RoleArg::Supervisor => Role::Supervisor,
        RoleArg::Operator => Role::Operator,
        RoleArg::Viewer => Role::Viewer,
    };
    let password = if args.password_stdin {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("the password on stdin")?;
        text.trim_end_matches(['\r', '\n']).to_owned()
    } else {
        rpassword::prompt_password("Password: ")
            .context("cannot ask for the password here; give it with --password-stdin")?
    };
    if password.chars().count() < campanile_web::PASSWORD_LENGTH_MIN {
        bail!("use a password of at least {} characters", campanile_web::PASSWORD_LENGTH_MIN);
    }
    let hash = campanile_web::hash_password(&password)?;
    store.create_user(args.email.clone(), role, hash, Timestamp::now()).await?;
    eprintln!("{} may sign in as {}", args.email, role.word());
    Ok(())
}
