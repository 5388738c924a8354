//! Arguments in, one call, exit code out.

fn main() -> std::process::ExitCode {
    reconciled::cli::main()
}
