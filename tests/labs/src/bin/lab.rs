//! A shell beside a running site and a board that has joined, to try things by hand. It needs root.
//! Everything ends with the shell.

use muster_labs::{Board, NamespaceBoard, Options, Site};
use std::process::ExitCode;

fn main() -> ExitCode {
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, &Site::mac(1));
    board.power_on();
    let took = board.joined();
    let (name, seconds) = (board.name(), took.as_secs_f64());
    let enter = board.command(&[]);
    let words = enter.get_args().map(|word| word.to_string_lossy());
    let words: Vec<_> = words.collect();
    let program = enter.get_program().to_string_lossy();
    println!(
        "The board {name} has joined, {seconds:.1} s after power-on.\n\
         This shell is in the site's network: {} (k3s is the stand-in).\n\
         \n\
         $BOARD muster status           runs a command on the board\n\
         $BOARD muster --dry-run\n\
         $BOARD sh                      a shell on the board\n\
         $K3S kubectl get nodes         asks the server\n\
         ls $SITE                       the site's files: logs, release mirror, token\n\
         curl --cacert $SITE/ca.pem {}/\n\
         exit                           ends everything",
        muster_labs::ADDRESS,
        site.mirror_url(),
    );
    let mut shell = site.command("sh");
    // The board's programs must not get this user's settings, such as SSL_CERT_FILE.
    let path = std::env::var("PATH").unwrap_or_default();
    let clean = format!("env -i PATH={path} TERM=linux");
    shell.env("BOARD", format!("{clean} {program} {}", words.join(" ")));
    shell.env("K3S", muster_labs::server_k3s());
    shell.envs(site.kubectl_environment());
    shell.env("SITE", site.path(""));
    shell.env("PS1", "lab# ");
    match shell.status() {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab: cannot start a shell: {error}");
            ExitCode::FAILURE
        }
    }
}
