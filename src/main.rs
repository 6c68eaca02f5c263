use std::process::ExitCode;

/// This allocator replaces musl's, which is slow here: musl's gives each freed download buffer back
/// to the kernel, which must then clear new pages for the next buffer (docs/performance.md).
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    ExitCode::from(muster::cli::main(std::env::args_os()))
}
