//! A program that we started: what it cost, and its certain end.

use std::{
    fs,
    process::{Child, Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

/// Linux counts CPU time in hundredths of a second for every program, whatever its own clock (`USER_HZ`).
const TICKS_A_SECOND: f64 = 100.0;

/// A running program. It is ended when this goes out of scope.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    name: &'static str,
}

impl Running {
    /// Starts it.
    pub(super) fn start(name: &'static str, command: &mut Command) -> Result<Self> {
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Self { child, name })
    }

    /// The child itself, to take its pipes.
    pub(super) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// User and system time of all its threads so far, in seconds. Also after its end, until it is waited for.
    pub(super) fn cpu(&self) -> Result<f64> {
        Ok(self.stat()?.cpu)
    }

    /// Bytes of memory it holds now.
    pub(super) fn memory(&self) -> Result<u64> {
        self.status("VmRSS:")
    }

    /// The most bytes of memory it held since [`Self::forget_peak`].
    pub(super) fn memory_peak(&self) -> Result<u64> {
        self.status("VmHWM:")
    }

    /// From here on [`Self::memory_peak`] counts anew (proc_pid_clear_refs(5)).
    pub(super) fn forget_peak(&self) -> Result<()> {
        let path = format!("/proc/{}/clear_refs", self.child.id());
        fs::write(&path, "5").context(path)
    }

    fn status(&self, field: &str) -> Result<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        let text = fs::read_to_string(&path).with_context(|| path.clone())?;
        read_status(&text, field).with_context(|| format!("{path} has no {field}"))
    }

    /// An error if it ended: a program that should still be there.
    pub(super) fn still_runs(&self) -> Result<()> {
        if self.stat()?.ended {
            bail!("{} ended by itself", self.name);
        }
        Ok(())
    }

    /// Waits for its end, not longer than `limit`, and says what it cost in all.
    pub(super) fn finish(mut self, limit: Duration) -> Result<(ExitStatus, f64)> {
        let deadline = Instant::now() + limit;
        loop {
            // The kernel keeps the figures of a program that ended until somebody waits for it.
            let stat = self.stat()?;
            if stat.ended {
                return Ok((self.child.wait()?, stat.cpu));
            }
            if Instant::now() > deadline {
                bail!("{} did not end within {} s", self.name, limit.as_secs());
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Asks it to end (SIGTERM), waits not longer than `limit`.
    pub(super) fn stop(self, limit: Duration) -> Result<ExitStatus> {
        let process = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &process]).status()?;
        if !asked.success() {
            bail!("cannot ask {} to end", self.name);
        }
        Ok(self.finish(limit)?.0)
    }

    fn stat(&self) -> Result<Stat> {
        let path = format!("/proc/{}/stat", self.child.id());
        let text = fs::read_to_string(&path).with_context(|| path.clone())?;
        read_stat(&text).with_context(|| format!("{path} says {text:?}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Debug, PartialEq)]
struct Stat {
    ended: bool,
    cpu: f64,
}

/// proc_pid_stat(5): state is field 3, utime 14, stime 15; the name in field 2 may hold blanks and brackets.
fn read_stat(text: &str) -> Option<Stat> {
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
    Some(Stat {
        ended: matches!(*fields.first()?, "Z" | "X"),
        cpu: (ticks(14)? + ticks(15)?) / TICKS_A_SECOND,
    })
}

/// proc_pid_status(5): kibibytes, behind the name of the field.
fn read_status(text: &str, field: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes() {
        let text = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(read_status(text, "VmRSS:"), Some(1 << 20));
        assert_eq!(read_status(text, "VmHWM:"), Some(2 << 20));
        assert_eq!(read_status(text, "VmSwap:"), None);
    }

    #[test]
    fn the_kernels_figures_are_read_behind_the_name() {
        let line = "7 (a b) c) Z 1 7 1 0 -1 4194304 751 0 9 0 2 14 0 0 20 0 1 0 204093 1772 1966";
        assert_eq!(read_stat(line), Some(Stat { ended: true, cpu: 0.16 }));
        assert_eq!(read_stat("7 (a"), None);
    }

    #[test]
    fn a_program_that_ended_still_says_what_it_cost() {
        let mut command = Command::new("sh");
        command.args(["-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exit 3"]);
        let running = Running::start("sh", &mut command).unwrap();
        let (status, cpu) = running.finish(Duration::from_secs(20)).unwrap();
        assert_eq!(status.code(), Some(3));
        assert!((0.0..20.0).contains(&cpu), "{cpu}");
    }

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let running = Running::start("sleep", Command::new("sleep").arg("600")).unwrap();
        let process = running.child.id();
        assert!(running.finish(Duration::from_millis(20)).is_err());
        assert!(!std::path::Path::new(&format!("/proc/{process}")).exists());
    }

    #[test]
    fn a_program_that_is_asked_to_end_does() {
        let running = Running::start("sleep", Command::new("sleep").arg("600")).unwrap();
        running.still_runs().unwrap();
        assert!(!running.stop(Duration::from_secs(10)).unwrap().success());
    }
}
