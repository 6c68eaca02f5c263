use std::process::ExitCode;

/// musl's allocator returns a download's buffers to the kernel at each use, and the kernel has to
/// clear new pages for the next ones (docs/performance.md).
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    ExitCode::from(muster::cli::main(std::env::args_os()))
}
