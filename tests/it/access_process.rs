//! Who may do what, through the public binary: another user at the socket, the roles of a running daemon, and what the
//! audit log keeps through a kill and a restart.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use reconciled::access::users::own_uid;

use crate::process::{Host, Ran};
use crate::tools;

/// A user and a group that exist on no machine.
const STRANGER: (u32, u32) = (54_321, 54_322);

/// Runs a command as the stranger.
async fn as_stranger(host: &Host, words: &[&str]) -> Ran {
    let own = host.command(words);
    let mut command = Command::new("setpriv");
    let (user, group) = STRANGER;
    command.args([&format!("--reuid={user}"), &format!("--regid={group}"), "--clear-groups"]);
    command.arg(own.get_program()).args(own.get_args());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Grants roles in place of those that every test has.
async fn grant(host: &Host, grants: &str) {
    host.rewrite_config(|text| {
        let (before, rest) = text.split_once("control.sock\"\n").unwrap();
        let (_, after) = rest.split_once("[poll]").unwrap();
        format!("{before}control.sock\"\n{grants}\n[poll]{after}")
    });
    host.run(&["reload"]).await.expect(0, &["the new configuration is in force"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_user_may_do_what_the_configuration_grants_and_nothing_else() {
    if own_uid() != Some(0) || Command::new("setpriv").arg("--version").output().is_err() {
        tools::skipped_unless(
            "RECONCILED_REQUIRE_ROOT",
            "roles of another user",
            "only root can call as one",
        );
        return;
    }
    let host = Host::new().await;
    let readable = |mode| std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(host.folder.path(), readable(0o755)).unwrap();
    let charge = host.plant("shop", "charge", "Captured", None, 0);
    let daemon = host.start().await;
    let mode = || std::fs::metadata(host.path("control.sock")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o660);
    as_stranger(&host, &["list"])
        .await
        .expect(77, &["may not connect", "join the group that owns the socket"]);

    let enrol = ["enrol", "--account", "shop", "--kind", "charge", "--id", charge.id()];
    grant(&host, "read = [54321]").await;
    assert_eq!(mode(), 0o666);
    as_stranger(&host, &["list"]).await.expect(0, &["via the running daemon", "0 objects"]);
    let missing = [
        "enrol needs the role enrol, which uid 54321 does not have",
        "write enrol = [54321] under [control]",
    ];
    as_stranger(&host, &enrol).await.expect(77, &missing);

    grant(&host, "enrol = [\"@54322\"]").await;
    as_stranger(&host, &enrol).await.expect(0, &["is watched from now on"]);
    as_stranger(&host, &["forget", charge.id()]).await.expect(77, &["needs the role operate"]);

    grant(&host, "operate = [54321]").await;
    as_stranger(&host, &["poll", charge.id()]).await.expect(0, &[]);
    let refund = ["call", "shop", "CreateRefund", "--yes"];
    as_stranger(&host, &refund).await.expect(77, &["needs the role write-money"]);
    host.run(&refund).await.expect(77, &["needs the role write-money, which root"]);
    let read = ["call", "shop", "GetCharge", &format!("chargeId={}", charge.id())];
    as_stranger(&host, &read).await.expect(0, &["Captured"]);

    grant(&host, "write-money = [54321]").await;
    as_stranger(&host, &refund).await.expect(65, &["chargeId: is missing", "nothing was sent"]);

    grant(&host, "").await;
    assert_eq!(mode(), 0o660, "the socket is closed again");
    let log = host.run(&["audit", "--json", "--limit", "0"]).await.expect(0, &[]).out;
    let entries: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let found = |uid: u32| {
        let of_user = entries.iter().filter(|entry| entry["uid"] == uid && entry["verb"] != "reload");
        let shown = of_user.map(|entry| {
            let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
            format!("{} {} {}", text("verb"), text("outcome"), text("cause"))
        });
        shown.collect::<Vec<_>>()
    };
    let of_stranger = [
        "call failed unprocessable",
        "call done ",
        "call refused needs write-money",
        "poll done ",
        "forget refused needs operate",
        "enrol done ",
        "enrol refused needs enrol",
    ];
    assert_eq!(found(54_321), of_stranger);
    assert_eq!(found(0), ["call refused needs write-money"]);
    assert!(entries.iter().all(|entry| entry["pid"].is_number()), "{log}");
    daemon.stop(&host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_survives_a_kill_and_a_restart_and_is_read_without_the_daemon() {
    let host = Host::new().await;
    let charge = host.plant("shop", "charge", "Authorized", None, 0);
    let daemon = host.start().await;
    host.run(&["enrol", "--account", "shop", "--kind", "charge", "--id", charge.id()])
        .await
        .expect(0, &["is watched from now on"]);
    host.run(&["forget", charge.id()]).await.expect(0, &[]);
    daemon.kill();
    let about = ["audit", "--object", charge.id()];
    let own = own_uid().unwrap().to_string();
    let kept = ["forget", "enrol", "done", &own, "2 entries"];
    host.run(&about).await.expect(0, &kept).expect(0, &["daemon not running: read the store at"]);
    host.run(&["enrol", "--account", "shop", "--kind", "charge", "--id", charge.id()])
        .await
        .expect(0, &["daemon not running: wrote to the store at"]);
    let daemon = host.start().await;
    host.run(&about).await.expect(0, &["3 entries", "via the running daemon"]);
    host.run(&["audit", "--limit", "1"]).await.expect(0, &["enrol", "1 entry, and there may be more"]);
    host.run(&["audit", "--since", "1h"]).await.expect(0, &["3 entries"]);
    host.run(&["audit", "--since", "2199-01-01"]).await.expect(0, &["0 entries"]);
    daemon.stop(&host).await;
    host.run(&["store", "rebuild"]).await.expect(0, &[]);
    host.run(&about).await.expect(0, &["3 entries"]);
    host.run(&["store", "check"]).await.expect(0, &["nothing is wrong"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_check_of_the_configuration_prints_who_may_do_what() {
    let host = Host::new().await;
    let own = own_uid().unwrap();
    let writers = format!("write-money: {own}\n");
    host.run(&["check-config"]).await.expect(0, &["operate: root, the service's own user", &writers]);
    let json = host.run(&["check-config", "--json"]).await.expect(0, &[]).json();
    assert_eq!(json["access"]["write-money"], serde_json::json!([own.to_string()]));
    host.rewrite_config(|text| text.replace("write-money = ", "read = [\"no-such-user\"] # "));
    host.run(&["check-config"])
        .await
        .expect(78, &["control.read.0: there is no user \"no-such-user\" in /etc/passwd →", "line "]);
    host.rewrite_config(|text| text.replace("read = [\"no-such-user\"]", "operate = []"));
    let daemon = host.start().await;
    let remark = "account shop has allow_writes = true, but write-money under [control] names nobody";
    assert!(host.log().contains(remark), "{}", host.log());
    host.run(&["reload"]).await.expect(0, &[remark]);
    daemon.stop(&host).await;
}
