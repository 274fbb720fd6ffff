//! Child processes that never outlive the tests.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock, PoisonError};

/// A child in a process group of its own, killed with its whole group when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

/// A signal these tests send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM.
    Terminate,
    /// SIGKILL.
    Kill,
    /// SIGSTOP.
    Stop,
    /// SIGCONT.
    Continue,
}

impl Signal {
    fn number(self) -> libc::c_int {
        match self {
            Self::Terminate => libc::SIGTERM,
            Self::Kill => libc::SIGKILL,
            Self::Stop => libc::SIGSTOP,
            Self::Continue => libc::SIGCONT,
        }
    }
}

static ENVIRONMENT: Mutex<BTreeMap<&'static str, OsString>> = Mutex::new(BTreeMap::new());

/// Gives every child from now on a variable of its environment. This process's own stays as it is: other threads may read it.
pub fn set_for_children(name: &'static str, value: impl Into<OsString>) {
    ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner).insert(name, value.into());
}

impl Process {
    /// Starts a command. The child dies with this process, even when this process is killed.
    pub fn spawn(mut command: Command) -> io::Result<Self> {
        command.envs(&*ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner));
        let (answer, answered) = channel();
        spawner().send(Order { command, answer }).map_err(io::Error::other)?;
        let child = answered.recv().map_err(io::Error::other)??;
        Ok(Self { child })
    }

    /// The child's own handle, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Whether the child still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until the child has ended.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("a child can be waited for")
    }

    /// Sends a signal to the child's process group.
    pub fn signal(&self, signal: Signal) {
        let group = libc::pid_t::try_from(self.child.id()).expect("a process id fits pid_t");
        // SAFETY: kill takes plain numbers. The group is the child's, which was not waited for yet or is gone (ESRCH).
        unsafe { libc::kill(-group, signal.number()) };
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_running() {
            self.signal(Signal::Kill);
            self.wait();
        }
    }
}

struct Order {
    command: Command,
    answer: Sender<io::Result<Child>>,
}

/// Children are started by a thread that lives as long as the process: PR_SET_PDEATHSIG fires when the *thread* that started the
/// child ends, and every test has a thread of its own.
fn spawner() -> &'static Sender<Order> {
    static SPAWNER: OnceLock<Sender<Order>> = OnceLock::new();
    SPAWNER.get_or_init(|| {
        let (sender, orders) = channel::<Order>();
        std::thread::spawn(move || {
            for mut order in orders {
                order.command.process_group(0);
                die_with_parent(&mut order.command);
                // Nobody hears the answer only if the asking thread is gone; dropping the child would leave it running.
                if let Err(unheard) = order.answer.send(order.command.spawn())
                    && let Ok(child) = unheard.0
                {
                    drop(Process { child });
                }
            }
        });
        sender
    })
}

#[cfg(target_os = "linux")]
fn die_with_parent(command: &mut Command) {
    // SAFETY: between fork and exec the closure makes one system call and allocates nothing.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent(_command: &mut Command) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_process_is_gone() {
        let mut command = Command::new("sleep");
        command.arg("600");
        let process = Process::spawn(command).expect("sleep starts");
        let pid = libc::pid_t::try_from(process.child.id()).expect("fits");
        drop(process);
        // SAFETY: signal 0 only asks whether the process exists.
        assert_eq!(unsafe { libc::kill(pid, 0) }, -1);
    }
}
