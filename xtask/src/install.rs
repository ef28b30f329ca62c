//! What the tests need besides Rust and a C compiler, and how it is installed.

use std::{
    env,
    ffi::OsString,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
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

/// Far end and load of the calling tests, the browser of the console tests, and what runs the
/// programs that the guide shows.
pub(crate) const TOOLS: &[Tool] = &[
    Tool { program: "sipp", package: "sip-tester", purpose: "a carrier that none of us wrote" },
    Tool { program: "chromium", package: "chromium", purpose: "the browser test" },
    Tool { program: "chromedriver", package: "chromium-driver", purpose: "the browser test" },
    Tool { program: "curl", package: "curl", purpose: "the guide's programs" },
    Tool { program: "python3", package: "python3", purpose: "the guide's programs" },
    Tool { program: "node", package: "nodejs", purpose: "the guide's programs" },
];

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
    Machine::this().install(TOOLS)
}

/// Version of Schemathesis that the API is tested with: another one may ask for more.
const SCHEMATHESIS: &str = "4.32.5";

/// Where Schemathesis is, in a virtual environment within the target directory; installed
/// there when it is not.
pub(crate) fn schemathesis(target: &Path) -> Result<PathBuf> {
    let home = target.join(format!("schemathesis-{SCHEMATHESIS}"));
    let program = home.join("bin/schemathesis");
    if is_executable(&program) {
        return Ok(program);
    }
    let machine = Machine::this();
    let has_venv = machine.command("python3").args(["-c", "import ensurepip, venv"]).status();
    if !has_venv.is_ok_and(|status| status.success()) {
        let by_hand = "apt-get install python3-venv";
        let prefix = machine.how_to_be_root().with_context(|| format!("as root: {by_hand}"))?;
        let install = ["install", "--yes", "--no-install-recommends", "python3-venv"];
        for arguments in [&["update"][..], &install] {
            machine.apt_get(prefix, arguments).with_context(|| format!("do by hand: {by_hand}"))?;
        }
    }
    let made = machine.command("python3").args(["-m", "venv", "--clear"]).arg(&home).status()?;
    ensure!(made.success(), "python3 -m venv: {made}");
    let wanted = format!("schemathesis=={SCHEMATHESIS}");
    let installed =
        Command::new(home.join("bin/pip")).args(["install", "--quiet", &wanted]).status()?;
    ensure!(installed.success(), "pip install {wanted}: {installed}");
    Ok(program)
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
    let has_rustup = Machine::this().has("rustup");
    ensure!(has_rustup, "install the components {names} of your Rust toolchain");
    let done = Command::new("rustup").args(["component", "add"]).args(&missing).status()?;
    ensure!(done.success(), "rustup component add {names} failed");
    Ok(())
}

/// Where programs are looked for; tests invent one.
#[derive(Debug)]
struct Machine {
    path: OsString,
    /// Somebody could type a password.
    is_attended: bool,
}

impl Machine {
    fn this() -> Self {
        let path = env::var_os("PATH").unwrap_or_default();
        Self { path, is_attended: io::stdin().is_terminal() }
    }

    fn install(&self, tools: &[Tool]) -> Result<()> {
        let missing: Vec<Tool> =
            tools.iter().copied().filter(|tool| !self.has(tool.program)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        for tool in &missing {
            println!("{} is missing ({}), package {}", tool.program, tool.purpose, tool.package);
        }
        let by_hand = by_hand(&missing);
        ensure!(
            self.has("apt-get"),
            "this is not a Debian machine: install by its own means what this would\n  {by_hand}"
        );
        let Some(prefix) = self.how_to_be_root() else {
            bail!("install these as root, then run this again\n  {by_hand}");
        };
        let mut install = vec!["install", "--yes", "--no-install-recommends"];
        install.extend(missing.iter().map(|tool| tool.package));
        for arguments in [&["update"][..], &install] {
            self.apt_get(prefix, arguments).with_context(|| format!("do by hand: {by_hand}"))?;
        }
        match missing.iter().find(|tool| !self.has(tool.program)) {
            None => Ok(()),
            Some(Tool { program, package, .. }) => {
                bail!("{package} was installed, but {program} is not on the PATH")
            }
        }
    }

    /// Whether `program` can be started by name.
    fn has(&self, program: &str) -> bool {
        self.find(program).is_some()
    }

    fn find(&self, program: &str) -> Option<PathBuf> {
        env::split_paths(&self.path)
            .map(|folder| folder.join(program))
            .find(|path| is_executable(path))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.find(program).unwrap_or_else(|| program.into()));
        command.env("PATH", &self.path).stdin(Stdio::null());
        command
    }

    /// The words that make a command run as root: none as root, `sudo` where it
    /// works without asking or may ask at a terminal. `None`: there is no way.
    fn how_to_be_root(&self) -> Option<&'static [&'static str]> {
        let id = self.command("id").arg("-u").output().ok()?;
        if id.stdout.trim_ascii() == b"0" {
            return Some(&[]);
        }
        if !self.has("sudo") {
            return None;
        }
        let asked = self.command("sudo").args(["-n", "true"]).stderr(Stdio::null()).status();
        if asked.is_ok_and(|status| status.success()) {
            Some(&["sudo", "-n"])
        } else {
            self.is_attended.then_some(&["sudo"])
        }
    }

    fn apt_get(&self, prefix: &[&str], arguments: &[&str]) -> Result<()> {
        // `env` rather than Command::env: sudo resets the environment.
        let words: Vec<&str> = prefix
            .iter()
            .chain(&["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"])
            .chain(arguments)
            .copied()
            .collect();
        println!("{}", words.join(" "));
        let mut command = self.command(words[0]);
        if prefix == ["sudo"] {
            // It asks for the password at the terminal.
            command.stdin(Stdio::inherit());
        }
        let status = command.args(&words[1..]).status()?;
        ensure!(status.success(), "`{}` failed: {status}", words.join(" "));
        Ok(())
    }
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
            "apt-get update && apt-get install --yes sip-tester chromium chromium-driver curl python3 nodejs"
        );
    }

    /// A folder of invented programs. `apt-get` writes down what it is asked and
    /// installs every tool.
    struct Invented(tempfile::TempDir);

    impl Invented {
        fn with(programs: &[(&str, &str)]) -> Self {
            let invented = Self(tempfile::tempdir().unwrap());
            for (name, script) in programs {
                invented.add(name, script);
            }
            invented
        }

        /// Written by another process: a program that this one has open for
        /// writing while a neighbouring test forks cannot be started.
        fn add(&self, name: &str, script: &str) {
            let path = self.0.path().join(name);
            let done = Command::new("sh")
                .args(["-c", r#"printf '#!/bin/sh\n%s\n' "$1" > "$2" && chmod +x "$2""#, "sh"])
                .arg(script)
                .arg(path)
                .status();
            assert!(done.unwrap().success());
        }

        fn machine(&self) -> Machine {
            Machine { path: self.0.path().into(), is_attended: false }
        }

        fn log(&self) -> String {
            std::fs::read_to_string(self.0.path().join("log")).unwrap_or_default()
        }
    }

    const APT_GET: &str = r#"here=${0%/*}
echo "$@ [$DEBIAN_FRONTEND]" >> "$here/log"
[ "$2" = update ] || for tool in sipp chromium chromedriver curl python3 node; do /bin/cp "$0" "$here/$tool"; done"#;
    const ENV: &str = r#"exec /usr/bin/env "$@""#;

    #[test]
    fn nothing_happens_when_nothing_is_missing() {
        let mut programs: Vec<_> = TOOLS.iter().map(|tool| (tool.program, "")).collect();
        programs.push(("apt-get", APT_GET));
        let there = Invented::with(&programs);
        there.machine().install(TOOLS).unwrap();
        assert_eq!(there.log(), "");
    }

    #[test]
    fn root_installs_what_is_missing_after_an_update() {
        let there = Invented::with(&[
            ("id", "echo 0"),
            ("env", ENV),
            ("chromium", ""),
            ("curl", ""),
            ("python3", ""),
            ("apt-get", APT_GET),
        ]);
        there.machine().install(TOOLS).unwrap();
        assert_eq!(
            there.log(),
            "-q update [noninteractive]\n\
             -q install --yes --no-install-recommends sip-tester chromium-driver nodejs \
             [noninteractive]\n"
        );
    }

    #[test]
    fn another_user_goes_through_sudo() {
        let there = Invented::with(&[
            ("id", "echo 1000"),
            ("sudo", r#"[ "$1" = -n ] && shift; [ "$1" = true ] || exec "$@""#),
            ("env", ENV),
            ("apt-get", APT_GET),
        ]);
        there.machine().install(TOOLS).unwrap();
        assert_eq!(there.log().lines().count(), 2, "{}", there.log());
    }

    #[test]
    fn without_a_way_to_install_it_says_exactly_what_to_do() {
        let line = by_hand(TOOLS);
        let plain = ("id", "echo 1000");
        for programs in [
            &[plain, ("apt-get", APT_GET)][..],
            &[plain, ("apt-get", APT_GET), ("sudo", "exit 1")],
            &[("id", "echo 0")],
            &[("id", "echo 0"), ("env", ENV), ("apt-get", "exit 100")],
        ] {
            let there = Invented::with(programs);
            let error = format!("{:#}", there.machine().install(TOOLS).unwrap_err());
            assert!(error.contains(&line), "{programs:?}: {error}");
        }
    }
}
