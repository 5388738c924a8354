//! Starting after trouble, as the service manager sees it: a stopped machine, a lost journal, a full disk.

use std::fs;

use crate::process::Host;

/// A host whose store has an object, and whose daemon was stopped properly.
async fn host_with_store() -> Host {
    let host = Host::new().await;
    let object = host.plant("shop", "authorization", "Authorized", None, 600_000);
    host.run(&["enrol", "--account", "shop", "--kind", "charge", "--id", object.id()]).await.expect(0, &[]);
    host
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_stop_of_the_machine_it_is_ready_before_the_store_is_checked() {
    let host = host_with_store().await;
    fs::remove_file(host.path("store/clean")).unwrap();
    fs::write(host.path("store/running"), "the boot before").unwrap();
    let daemon = host.start().await;
    let told = host.told();
    let place = |part: &str| told.iter().position(|line| line.starts_with(part));
    let extended = place("EXTEND_TIMEOUT_USEC=").unwrap_or_else(|| panic!("{told:?}"));
    assert!(Some(extended) < place("READY=1"), "{told:?}");
    host.until("the check has ended", async || {
        host.log().contains("checked after the host went down: nothing is wrong").then_some(())
    })
    .await;
    let mark = host.path("store/unchecked");
    host.until("the mark is gone", async || (!mark.exists()).then_some(())).await;
    daemon.stop(&host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_index_ends_the_process_and_the_next_start_rebuilds_it() {
    let host = host_with_store().await;
    fs::remove_file(host.path("store/clean")).unwrap();
    fs::write(host.path("store/unchecked"), "since the host stopped\n").unwrap();
    // As the check leaves it.
    fs::write(host.path("store/suspect"), "after the host went down: a row is missing").unwrap();
    let daemon = host.start().await;
    assert!(host.log().contains("after the host went down: a row is missing"), "{}", host.log());
    assert!(!host.path("store/unchecked").exists(), "a fresh index needs no check");
    host.run(&["list"]).await.expect(0, &["1 object"]);
    daemon.stop(&host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_journal_it_does_not_start() {
    let host = host_with_store().await;
    let journal = host.path("store/journal");
    fs::rename(&journal, host.path("moved")).unwrap();
    let named = "the journal lacks entries that were acknowledged";
    // 65: the unit does not restart it.
    host.run(&["run"]).await.expect(65, &[named, "store restore --from", "store rebuild --accept-loss"]);
    host.run(&["store", "check"]).await.expect(65, &[named, "is missing"]);
    host.run(&["store", "rebuild"]).await.expect(65, &[named]);
    fs::remove_dir(&journal).unwrap();
    fs::rename(host.path("moved"), &journal).unwrap();
    host.run(&["store", "check"]).await.expect(0, &["1 object", "nothing is wrong"]);
    fs::remove_dir_all(&journal).unwrap();
    host.run(&["store", "rebuild", "--accept-loss"])
        .await
        .expect(65, &["the journal lacks entries: its file ", "kept from the old index"]);
    host.start().await.stop(&host).await;
    host.run(&["list"]).await.expect(0, &["1 object"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_ends_it_with_a_code_that_is_restarted() {
    let host = host_with_store().await;
    host.rewrite_config(|text| text.replace("[store]\n", "[store]\nmin_free_mib = 1000000000\n"));
    let ran = host.run(&["run"]).await.expect(74, &["bytes are free", "free up space first"]);
    let unit =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/systemd/reconciled.service")).unwrap();
    let prevented = unit.lines().find_map(|line| line.strip_prefix("RestartPreventExitStatus=")).unwrap();
    assert!(!prevented.split(' ').any(|code| code == ran.code.to_string()), "{prevented}");
}
