//! The program's allocator: without its settings (.cargo/config.toml, read at build time), an idle daemon
//! keeps the memory of its busiest moment.

use std::process::Command;

#[test]
fn the_program_is_built_with_the_allocators_settings() {
    let output = Command::new(env!("CARGO_BIN_EXE_reconciled"))
        .arg("--version")
        .env("_RJEM_MALLOC_CONF", "stats_print:true")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let expected = [
        "opt.narenas: 1",
        "opt.dirty_decay_ms: 1000",
        "opt.muzzy_decay_ms: 0",
        "opt.background_thread: true",
        "opt.tcache_max: 512",
        "opt.tcache_nslots_small_max: 50",
        "opt.lg_tcache_nslots_mul: -2",
    ];
    for setting in expected {
        let stands = said.lines().any(|line| line.trim_start().starts_with(setting));
        assert!(stands, "{setting} is missing in:\n{said}");
    }
}
