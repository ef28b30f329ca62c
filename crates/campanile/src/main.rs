//! `campanile`: the command line.

mod admin;
mod backup;
mod config;
mod demo;
mod record;
mod serve;
mod sim_carrier;

use std::{io::IsTerminal, net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand, ValueEnum};

/// A self-hosted outbound dialler for voice bots.
#[derive(Debug, Parser)]
#[command(name = "campanile", version, about, max_term_width = 100)]
struct Cli {
    /// Log as JSON, one object a line.
    #[arg(long, global = true)]
    json_logs: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the dialler and its console.
    Serve(config::ServeArgs),
    /// Watch a campaign dial the built-in simulated carrier, start to end.
    Demo(demo::DemoArgs),
    /// Run the simulated carrier alone, to dial against from another process.
    Carrier(sim_carrier::CarrierArgs),
    /// API keys.
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// People who sign in.
    User {
        #[command(subcommand)]
        command: UserCommand,
    },
    /// Bring the database of a data directory to this version's schema.
    Migrate(DataDir),
    /// Print the description of the API (OpenAPI 3.1) as JSON.
    Openapi,
    /// Copy the database into one file, also while the server runs.
    Backup(backup::BackupArgs),
    /// Put a backup in the place of a database; no server may run there.
    Restore(backup::RestoreArgs),
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Create a key and print it alone on stdout; it is shown this once.
    Create(KeyCreate),
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Create a user; the password is asked for, or read with --password-stdin.
    Create(UserCreate),
}

#[derive(Debug, Args)]
struct DataDir {
    /// Data directory.
    #[arg(long, env = "CAMPANILE_DATA")]
    data: PathBuf,
}

#[derive(Debug, Args)]
struct KeyCreate {
    #[command(flatten)]
    dir: DataDir,
    /// Name for people, such as `crm`.
    #[arg(long)]
    name: String,
    /// What it may do.
    #[arg(long, value_enum, default_value_t = ScopeArg::Operator)]
    scope: ScopeArg,
}

#[derive(Debug, Args)]
struct UserCreate {
    #[command(flatten)]
    dir: DataDir,
    /// Address to sign in with.
    #[arg(long)]
    email: String,
    /// Rank.
    #[arg(long, value_enum)]
    role: RoleArg,
    /// Read the password from stdin, to its end.
    #[arg(long)]
    password_stdin: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ScopeArg {
    Admin,
    Operator,
    Trigger,
    Read,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleArg {
    Admin,
    Supervisor,
    Operator,
    Viewer,
}

/// `127.0.0.1:8080`, the console's address unless told otherwise.
fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8080))
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_logs(cli.json_logs);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("the system gives threads to a starting process");
    let done = runtime.block_on(async {
        match cli.command {
            Command::Serve(args) => serve::run(args).await,
            Command::Demo(args) => demo::run(args).await,
            Command::Carrier(args) => sim_carrier::run(args).await,
            Command::Key { command: KeyCommand::Create(args) } => admin::create_key(args).await,
            Command::User { command: UserCommand::Create(args) } => admin::create_user(args).await,
            Command::Migrate(args) => admin::migrate(&args),
            Command::Openapi => admin::openapi(),
            Command::Backup(args) => backup::backup(&args),
            Command::Restore(args) => backup::restore(&args).await,
        }
    });
    // Blocked readers (a console that asks for a password) must not hold up the exit.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("campanile: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Logs go to stderr: stdout is data. `RUST_LOG` chooses more or less.
fn start_logs(json: bool) {
    use tracing_subscriber::{EnvFilter, fmt};

    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,refinery_core=warn"));
    let colours = std::io::stderr().is_terminal();
    let builder = fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr);
    if json {
        builder.json().init();
    } else {
        builder.with_target(false).init();
    }
}
