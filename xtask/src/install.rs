//! What the tests need besides Rust and a C compiler, and how it is installed.

use std::{
    env,
    io::{self, IsTerminal},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};

/// A program that the tests start, and the Debian package that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tool {
    /// Its name on the `PATH`.
    pub(crate) program: &'static str,
    /// The Debian package.
    pub(crate) package: &'static str,
    /// What fails without it.
    pub(crate) purpose: &'static str,
}

/// Far end and load of the calling tests, and the browser of the console tests.
pub(crate) const TOOLS: &[Tool] = &[
    Tool { program: "sipp", package: "sip-tester", purpose: "a carrier that none of us wrote" },
    Tool { program: "chromium", package: "chromium", purpose: "the browser test" },
    Tool { program: "chromedriver", package: "chromium-driver", purpose: "the browser test" },
];

/// Whether `program` can be started by name.
pub(crate) fn is_installed(program: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| {
        env::split_paths(&path).any(|folder| is_executable(&folder.join(program)))
    })
}

/// Whether `cargo NAME` works. Asked of cargo, which also looks into its own folder.
pub(crate) fn has_cargo_command(name: &str) -> bool {
    let asked = crate::tree::cargo()
        .args([name, "--version"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    asked.is_ok_and(|status| status.success())
}

/// Installs what is missing, silently when nothing is.
pub(crate) fn missing_tools() -> Result<()> {
    let missing: Vec<Tool> =
        TOOLS.iter().copied().filter(|tool| !is_installed(tool.program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for tool in &missing {
        println!("{} is missing ({}), package {}", tool.program, tool.purpose, tool.package);
    }
    let install = by_hand(&missing);
    let Some(prefix) = how_to_be_root() else {
        bail!("install these as root, then run this again:\n  {install}");
    };
    ensure!(
        is_installed("apt-get"),
        "this is not a Debian machine: install by its own means what `{install}` would"
    );
    let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    apt_get(prefix, &["update"]).with_context(|| format!("do by hand: {install}"))?;
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(&packages);
    apt_get(prefix, &arguments).with_context(|| format!("do by hand: {install}"))?;
    if let Some(tool) = missing.iter().find(|tool| !is_installed(tool.program)) {
        bail!("{} was installed, but {} is not on the PATH", tool.package, tool.program);
    }
    Ok(())
}

/// `rustfmt` and `clippy` come with the usual toolchain, not with a minimal one.
pub(crate) fn missing_components() -> Result<()> {
    let missing: Vec<&str> = [("fmt", "rustfmt"), ("clippy", "clippy")]
        .into_iter()
        .filter(|(command, _)| !has_cargo_command(command))
        .map(|(_, component)| component)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    ensure!(is_installed("rustup"), "install the components {names} of your Rust toolchain");
    let done = Command::new("rustup").args(["component", "add"]).args(&missing).status()?;
    ensure!(done.success(), "rustup component add {names} failed");
    Ok(())
}

/// The words that make a command run as root: none as root, `sudo` where it
/// works without asking or may ask at a terminal. `None`: there is no way.
fn how_to_be_root() -> Option<&'static [&'static str]> {
    let id = Command::new("id").arg("-u").output().ok()?;
    if id.stdout.trim_ascii() == b"0" {
        return Some(&[]);
    }
    if !is_installed("sudo") {
        return None;
    }
    let quiet = Command::new("sudo")
        .args(["-n", "true"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if quiet {
        Some(&["sudo", "-n"])
    } else if io::stdin().is_terminal() {
        Some(&["sudo"])
    } else {
        None
    }
}

fn apt_get(prefix: &[&str], arguments: &[&str]) -> Result<()> {
    // `env` rather than Command::env: sudo resets the environment.
    let words: Vec<&str> = prefix
        .iter()
        .chain(&["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"])
        .chain(arguments)
        .copied()
        .collect();
    println!("{}", words.join(" "));
    let status = Command::new(words[0]).args(&words[1..]).stdin(Stdio::null()).status()?;
    ensure!(status.success(), "`{}` failed: {status}", words.join(" "));
    Ok(())
}

fn by_hand(missing: &[Tool]) -> String {
    let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    format!("apt-get update && apt-get install --yes {}", packages.join(" "))
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(path: &Path) -> bool {
    path.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_install_by_hand_is_one_line_to_copy() {
        assert_eq!(
            by_hand(TOOLS),
            "apt-get update && apt-get install --yes sip-tester chromium chromium-driver"
        );
    }

    #[test]
    fn a_program_that_is_not_there_is_not_found() {
        assert!(is_installed("sh"));
        assert!(!is_installed("no-such-program-anywhere"));
    }
}
