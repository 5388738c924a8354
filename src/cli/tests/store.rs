//! The commands on the store as a whole.

use super::*;

#[tokio::test]
async fn a_store_is_checked_copied_restored_and_rebuilt_without_a_daemon() {
    let house = House::new();
    let nothing = house.run(&["store", "check"]).await;
    nothing.expect(Exit::NoInput, &[], &["there is no store at", "store.folder"]);
    house.furnish().await;
    house.run(&["store", "check"]).await.expect(
        Exit::Ok,
        &["2 objects, 1 state change, 2 alerts"],
        &["daemon not running: read the store at", "nothing is wrong"],
    );
    let copy = house.folder.path().join("copy").display().to_string();
    house.run(&["store", "backup", "--to", &copy]).await.expect(
        Exit::Ok,
        &["journal entr", "in 1 file", &copy],
        &[],
    );
    house.run(&["store", "backup", "--to", &copy]).await.expect(
        Exit::CannotCreate,
        &[],
        &["is not empty", "name an empty or new folder"],
    );
    house.run(&["enrol", "--id", "S03"]).await.expect(Exit::Ok, &[], &[]);
    house.run(&["store", "restore", "--from", &copy]).await.expect(
        Exit::Ok,
        &["in place: 2 objects"],
        &["is kept in", "aside-1", "restored the store at"],
    );
    house.run(&["audit"]).await.expect(Exit::Ok, &["store restore", &copy], &[]);
    house.run(&["audit", "verify"]).await.expect(
        Exit::Ok,
        &["journal entries, the last is ", " with hash "],
        &["read the store at", "every entry is linked to the one before"],
    );
    house.run(&["show", "S03"]).await.expect(Exit::NoInput, &[], &["S03 is not watched"]);
    house.run(&["store", "rebuild"]).await.expect(
        Exit::Ok,
        &[" applied"],
        &["the index was rebuilt", "rebuilt the store at"],
    );
    house.run(&["store", "compact"]).await.expect(
        Exit::Ok,
        &["rows of ", "the index's file had "],
        &["compacted the store at"],
    );
    let json = house.run(&["store", "check", "--json"]).await;
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((&json["records"], &json["problem_count"]), (&2.into(), &0.into()));
    let missing = house.folder.path().display().to_string();
    house.run(&["store", "restore", "--from", &missing]).await.expect(
        Exit::NoInput,
        &[],
        &["there is no backup"],
    );
}

#[tokio::test]
async fn damage_is_named_and_the_rest_is_rebuilt() {
    let house = House::new();
    house.furnish().await;
    let journal = house.local.store.join("journal");
    let segment = std::fs::read_dir(&journal).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[200] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    std::fs::remove_file(house.local.store.join("clean")).unwrap();
    house.run(&["store", "check"]).await.expect(
        Exit::Data,
        &["journal: file 00000000000000000001.journal at byte", "entry 1"],
        &["store rebuild"],
    );
    house.run(&["audit", "verify"]).await.expect(
        Exit::Data,
        &["journal: file 00000000000000000001.journal at byte", "entry 1"],
        &[],
    );
    house.run(&["store", "rebuild"]).await.expect(
        Exit::Data,
        &["cannot be read: file 00000000000000000001.journal", "kept from the old index"],
        &["enrol again"],
    );
    house.run(&["list"]).await.expect(Exit::Ok, &["S01-1-1-C1", "S02"], &["2 objects"]);
}

#[tokio::test]
async fn a_backup_that_was_cut_off_is_restored_and_the_loss_is_told() {
    let house = House::new();
    house.furnish().await;
    let copy = house.folder.path().join("copy").display().to_string();
    house.run(&["store", "backup", "--to", &copy]).await.expect(Exit::Ok, &[], &[]);
    let segment = std::fs::read_dir(format!("{copy}/journal")).unwrap().next().unwrap().unwrap().path();
    let bytes = std::fs::read(&segment).unwrap();
    std::fs::write(&segment, &bytes[..bytes.len() - 200]).unwrap();
    house.run(&["store", "restore", "--from", &copy]).await.expect(
        Exit::Data,
        &["journal entr", "the backup is cut off: file 00000000000000000001.journal at byte"],
        &["is kept in"],
    );
}

#[tokio::test]
async fn a_running_daemon_checks_and_copies_its_own_store() {
    let house = House::new();
    let pid = format!("pid {}", std::process::id());
    house.furnish().await;
    let (service, _store) = service_in(&house.local.store, Fixture::default()).await;
    let stop = CancellationToken::new();
    let server = Server::bind(Options::at(&house.local.socket)).await.unwrap();
    let serving = tokio::spawn(server.serve(service, stop.clone()));
    house.run(&["store", "check"]).await.expect(
        Exit::Ok,
        &["2 objects"],
        &[&format!("via the running daemon ({pid})"), "nothing is wrong"],
    );
    house.run(&["store", "compact"]).await.expect(
        Exit::Ok,
        &["rows of ", "the index's file had "],
        &["via the running daemon"],
    );
    let verify = ["audit", "verify", "--json"];
    let verified = house.run(&verify).await;
    let before: serde_json::Value = serde_json::from_str(&verified.out).unwrap();
    assert!(before["entries"].as_u64() > Some(0) && before["entries"] == before["last"], "{before}");
    assert_eq!((before["problem_count"].as_u64(), before["digest"].as_str().unwrap().len()), (Some(0), 64));
    let copy = house.folder.path().join("copy").display().to_string();
    let segment = house.local.store.join("journal/00000000000000000001.journal");
    let whole = std::fs::read(&segment).unwrap();
    let mut changed = whole.clone();
    changed[200] ^= 1;
    std::fs::write(&segment, changed).unwrap();
    house.run(&["audit", "verify"]).await.expect(
        Exit::Data,
        &["journal: file 00000000000000000001.journal at byte", "entry 1"],
        &["via the running daemon", "the audit trail is not intact"],
    );
    std::fs::write(&segment, whole).unwrap();
    let backup = ["store", "backup", "--to", &copy];
    house.run(&backup).await.expect(Exit::Ok, &[&copy], &["via the running daemon"]);
    house.run(&backup).await.expect(Exit::CannotCreate, &[], &["is not empty", "/var/lib/reconciled"]);
    for words in [&["store", "rebuild"][..], &["store", "restore", "--from", &copy]] {
        house.run(words).await.expect(Exit::Unavailable, &[], &[&pid, "systemctl stop reconciled"]);
    }
    stop.cancel();
    serving.await.unwrap();
}
