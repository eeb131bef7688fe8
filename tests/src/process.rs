//! Child processes that never outlive the tests, and free ports for them.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};

/// A child process with its log. Dropping it ends it.
#[derive(Debug)]
pub struct Daemon {
    name: &'static str,
    child: Child,
    quit: Signal,
    log: PathBuf,
}

impl Daemon {
    /// Starts `command` with its output in the file `log`; `quit` is the signal that ends it
    /// quickly.
    pub fn spawn(name: &'static str, mut command: Command, log: &Path, quit: Signal) -> Self {
        let file = File::options().create(true).append(true).open(log).expect("log file");
        command.stdin(Stdio::null()).stdout(file.try_clone().expect("log file")).stderr(file);
        let child = spawn(command).unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        Self { name, child, quit, log: log.to_owned() }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        // An error means that it has ended already.
        let _ = kill_process(self.pid(), signal);
    }

    /// Freezes it: the kernel still accepts connections, nobody answers. Returns when every thread
    /// has stopped: on a busy machine one of them may go on for a moment.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
        let until = Instant::now() + Duration::from_secs(5);
        while !self.is_frozen() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether every thread is stopped (`T` in `/proc/PID/task/TID/stat`, proc(5)).
    fn is_frozen(&self) -> bool {
        let tasks = format!("/proc/{}/task", self.child.id());
        let Ok(mut tasks) = std::fs::read_dir(tasks) else { return true };
        tasks.all(|task| {
            let stat = task.and_then(|task| std::fs::read_to_string(task.path().join("stat")));
            stat.map_or(true, |stat| {
                stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
            })
        })
    }

    /// Lets a frozen one go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("wait for a child")
    }

    /// Waits for its end; `None` if it goes on beyond `limit`.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            let status = self.ended();
            if status.is_some() || Instant::now() > deadline {
                return status;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Everything it has written.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Panics with the end of its log if it has ended.
    pub fn assert_running(&mut self) {
        if let Some(status) = self.ended() {
            panic!("{} ended ({status}):\n{}", self.name, tail(&self.log()));
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.thaw();
        self.signal(self.quit);
        if self.wait(Duration::from_secs(10)).is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// `program` run such that the kernel ends it when this process dies in whatever way, as `user` if
/// given. `setpriv` is part of util-linux, which every Debian has.
pub fn bound_to_us(program: &Path, user: Option<&str>, on_death: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.arg(format!("--pdeathsig={on_death}"));
    if let Some(user) = user {
        command.arg(format!("--reuid={user}")).arg(format!("--regid={user}")).arg("--init-groups");
    }
    command.arg("--").arg(program);
    command
}

/// Whether we are root (and must step down for services that refuse root).
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Runs a command to its end; panics with its output unless it succeeds.
pub fn run(command: &mut Command) -> String {
    let line = format!("{command:?}");
    let output =
        command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{line}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{line}\n{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Where `name` lies: in `PATH` or in one of `places`; panics naming the Debian package that holds
/// it.
pub fn program(name: &str, places: &[PathBuf], package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = places
        .iter()
        .cloned()
        .chain(std::env::split_paths(OsStr::new(&path)))
        .map(|dir| dir.join(name));
    let mut found = found.filter(|file| file.is_file());
    found.next().unwrap_or_else(|| panic!("`{name}` is missing: apt-get install {package}"))
}

/// A TCP port of the loopback that nobody listens on. It lies below the kernel's ephemeral range,
/// so no outgoing connection takes it while a service is stopped for a while; processes start at
/// different ends of the range.
pub fn free_port() -> u16 {
    const RANGE: std::ops::Range<u16> = 20_000..32_000;
    static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| {
        let spread = (std::process::id().wrapping_mul(61)) % u32::from(RANGE.end - RANGE.start);
        AtomicU16::new(RANGE.start + spread as u16)
    });
    for _ in RANGE {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        if !RANGE.contains(&port) {
            NEXT.store(RANGE.start, Ordering::Relaxed);
        } else if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port in {RANGE:?}");
}

/// Starts a child from a thread that lives as long as the process: the kernel sends the
/// parent-death signal when the *thread* that started a child ends, and test threads end early.
fn spawn(command: Command) -> io::Result<Child> {
    type Order = (Command, mpsc::Sender<io::Result<Child>>);
    static ORDERS: LazyLock<Mutex<mpsc::Sender<Order>>> = LazyLock::new(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, reply) in inbox {
                let _ = reply.send(command.spawn());
            }
        });
        Mutex::new(orders)
    });
    let (reply, answer) = mpsc::channel();
    let sent = ORDERS.lock().unwrap_or_else(PoisonError::into_inner).send((command, reply));
    sent.map_err(io::Error::other)?;
    answer.recv().map_err(io::Error::other)?
}

/// The last lines of a log.
fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "apt-get install nowhere-server")]
    fn a_missing_program_names_its_package() {
        program("nowhere", &[], "nowhere-server");
    }

    #[test]
    fn a_child_ends_with_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let mut sleep = bound_to_us(&program("sleep", &[], "coreutils"), None, "KILL");
        sleep.arg("60");
        let daemon = Daemon::spawn("sleep", sleep, &dir.path().join("log"), Signal::TERM);
        let pid = daemon.pid();
        daemon.freeze();
        assert!(rustix::process::test_kill_process(pid).is_ok());
        drop(daemon);
        assert!(rustix::process::test_kill_process(pid).is_err());
    }

    #[test]
    fn ports_differ() {
        assert_ne!(free_port(), free_port());
    }
}
