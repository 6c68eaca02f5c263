//! A shell beside a running site and a board that has joined, to try things by hand. It needs root.
//! Everything ends with the shell.
//!
//! The shell's own commands are scripts in a folder of its `PATH`. Those that change the board write their word into a
//! named pipe, where this program reads it, and print its answer from another one.

use muster_labs::{Board, NamespaceBoard, Options, Site, run};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// How often this program looks whether the shell has ended.
const LOOK: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, &Site::mac(1));
    board.power_on();
    let took = board.joined();
    let commands = Commands::new(&site);
    commands.set_board(&board);
    println!(
        "The board {} has joined, {:.1} s after power-on.\n\
         This shell is in the site's network: {} (k3s is the stand-in).\n\
         \n\
         board muster status            runs a command on the board\n\
         board muster --dry-run\n\
         board sh                       a shell on the board\n\
         reboot-board                   powers the board off and on: it has nothing but its overlay then\n\
         replace-board                  puts another board in its place, with a MAC address of its own\n\
         $K3S kubectl get nodes         asks the server\n\
         ls $SITE                       the site's files: logs, release mirror, token\n\
         curl --cacert $SITE/ca.pem {}/\n\
         exit                           ends everything",
        board.name(),
        took.as_secs_f64(),
        muster_labs::ADDRESS,
        site.mirror_url(),
    );
    let mut shell = site.command("sh");
    shell.env("PATH", format!("{}:{}", commands.0.display(), path()));
    shell.env("K3S", muster_labs::server_k3s());
    shell.envs(site.kubectl_environment());
    shell.env("SITE", site.path(""));
    shell.env("PS1", "lab# ");
    let mut shell = match shell.spawn() {
        Ok(shell) => shell,
        Err(error) => {
            eprintln!("lab: cannot start a shell: {error}");
            return ExitCode::FAILURE;
        }
    };
    let words = commands.words();
    let mut number = 1;
    while shell.try_wait().expect("the shell").is_none() {
        let Ok(word) = words.recv_timeout(LOOK) else {
            continue;
        };
        if word == "replace" {
            board.power_off();
            number += 1;
            board = NamespaceBoard::new(&site, &Site::mac(number));
        }
        board.power_on();
        commands.set_board(&board);
        commands.answer(&format!("The board {} is on.\n", board.name()));
    }
    ExitCode::SUCCESS
}

fn path() -> String {
    std::env::var("PATH").unwrap_or_default()
}

/// The folder with the shell's own commands.
struct Commands(PathBuf);

impl Commands {
    fn new(site: &Site) -> Commands {
        let folder = site.path("commands");
        fs::create_dir(&folder).expect("a new folder");
        for pipe in ["ask", "answer"] {
            run(&["mkfifo", &folder.join(pipe).display().to_string()]);
        }
        let commands = Commands(folder);
        let shown = commands.0.display();
        for word in ["reboot", "replace"] {
            let script = format!("echo {word} >{shown}/ask && cat {shown}/answer");
            commands.write(&format!("{word}-board"), &script);
        }
        commands
    }

    fn write(&self, name: &str, script: &str) {
        let file = self.0.join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("a command");
        fs::set_permissions(&file, Permissions::from_mode(0o755)).expect("a command");
    }

    /// Makes the command `board` for this board, which is on.
    fn set_board(&self, board: &NamespaceBoard) {
        let enter = board.command(&[]);
        let words = enter.get_args().map(|word| word.to_string_lossy());
        let words: Vec<_> = words.collect();
        let program = enter.get_program().to_string_lossy();
        // The board's programs must not get this user's settings, such as SSL_CERT_FILE.
        let script = format!(
            "exec env -i 'PATH={}' TERM=linux {program} {} \"$@\"",
            path(),
            words.join(" ")
        );
        self.write("board", &script);
    }

    /// The words that the commands write, as they come.
    fn words(&self) -> Receiver<String> {
        let (sender, receiver) = channel();
        let pipe = self.0.join("ask");
        // It reads until this program ends: the pipe has an end of file after each command.
        std::thread::spawn(move || {
            while let Ok(text) = fs::read_to_string(&pipe) {
                for word in text.lines() {
                    let _ = sender.send(word.to_string());
                }
            }
        });
        receiver
    }

    fn answer(&self, text: &str) {
        let pipe: &Path = &self.0.join("answer");
        fs::write(pipe, text).expect("the answer");
    }
}
