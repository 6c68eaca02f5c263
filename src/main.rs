use std::process::ExitCode;

/// This allocator replaces the allocator of musl, which is slow here: musl gives each freed
/// download buffer back to the kernel, and the kernel must then clear new pages for the next buffer
/// (docs/performance.md).
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    ExitCode::from(muster::cli::main(std::env::args_os()))
}
