//! Files in the spool folder, through the public binary: enrolled, put away, and enrolled completely after a kill.

use std::fs;

use crate::process::Host;

/// Turns the folder on. Returns nothing that a test needs besides.
fn spool(host: &Host) -> std::path::PathBuf {
    let folder = host.path("spool");
    fs::create_dir(&folder).unwrap();
    host.rewrite_config(|text| {
        format!("{text}\n[spool]\nfolder = \"{}\"\naccount = \"shop\"\nkind = \"charge\"\n", folder.display())
    });
    folder
}

/// Writes a file as a shop does: beside its name, then renamed.
fn drop_file(folder: &std::path::Path, name: &str, text: &str) {
    let draft = folder.join(format!(".{name}"));
    fs::write(&draft, text).unwrap();
    fs::rename(draft, folder.join(name)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_file_is_watched_and_put_away_and_bad_lines_are_reported() {
    let host = Host::new().await;
    let folder = spool(&host);
    let charge = host.plant("shop", "charge", "Declined", Some("HardDeclined"), 0);
    let daemon = host.start().await;
    drop_file(
        &folder,
        "orders.csv",
        &format!("id,amount,currency\n{},1.234,EUR\n{},,\n", charge.id(), charge.id()),
    );
    let report = folder.join("rejected/orders.csv.rejects.csv");
    host.until("the file is put away", async || folder.join("rejected/orders.csv").exists().then_some(()))
        .await;
    let report = fs::read_to_string(report).unwrap();
    assert!(report.contains("orders.csv,2,amount 1.234 has more decimals"), "{report}");
    host.until("the decline is reported", async || (host.declines_told(charge.id()) == 1).then_some(()))
        .await;
    host.run(&["audit"]).await.expect(0, &["spool:", "enrol"]);
    daemon.stop(&host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_a_file_it_enrols_every_line_once() {
    const LINES: usize = 100_000;
    let host = Host::new().await;
    let folder = spool(&host);
    let daemon = host.start().await;
    let lines: String = (0..LINES).map(|number| format!("P02-0000000-0000000-C{number:06}\n")).collect();
    drop_file(&folder, "many.csv", &format!("id\n{lines}"));
    let objects = async || {
        let status = host.run(&["status", "--json"]).await.json();
        status["objects"].as_u64().or_else(|| status["status"]["objects"].as_u64())
    };
    host.until("some lines are enrolled", async || objects().await.filter(|number| *number > 0).map(drop))
        .await;
    daemon.kill();
    assert!(folder.join(".taking/many.csv").exists(), "it was killed after the last line");
    let daemon = host.start().await;
    host.until("the file is put away", async || folder.join("done/many.csv").exists().then_some(())).await;
    assert_eq!(objects().await, Some(LINES as u64));
    assert!(!folder.join("rejected").exists());
    daemon.stop(&host).await;
}
