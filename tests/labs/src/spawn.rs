//! Starts programs that end when this process ends, however it ends.

use std::io;
use std::process::{Child, Command};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock};

/// A command, and where its child goes.
type Request = (Command, Sender<io::Result<Child>>);

/// What stands before a program that must be killed when the thread that started it ends.
pub const KILLED_WITH_PARENT: [&str; 3] = ["setpriv", "--pdeathsig", "KILL"];

/// Starts a command on a thread that lives as long as this process.
///
/// The kernel sends the signal that `setpriv --pdeathsig` asks for when the parent *thread* ends. A board is often powered on
/// by a thread that ends long before the board is powered off.
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    static SPAWNER: OnceLock<Mutex<Sender<Request>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, requests) = channel::<Request>();
        std::thread::spawn(move || {
            for (mut command, answer) in requests {
                // Nobody waits for the answer only if the asking thread panicked.
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(sender)
    });
    let command = std::mem::replace(command, Command::new(""));
    let (answer, child) = channel();
    let sender = spawner.lock().expect("the spawner").clone();
    sender
        .send((command, answer))
        .map_err(|_| io::Error::other("the spawner has ended"))?;
    child.recv().map_err(io::Error::other)?
}
