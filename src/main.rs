use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(muster::cli::main(std::env::args_os()))
}
