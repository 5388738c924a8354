//! The container image, as far as it can be built without a container engine: `packaging/oci` makes it by the script that the
//! Containerfile runs, too.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{SOURCE_DATE_EPOCH, have, output, root};
use crate::tools;

fn layout(folder: &Path) {
    let mut command = Command::new(root().join("packaging/oci"));
    command.arg(env!("CARGO_BIN_EXE_reconciled")).arg(folder).env("SOURCE_DATE_EPOCH", SOURCE_DATE_EPOCH);
    output(&mut command).unwrap_or_else(|error| panic!("{error}"));
}

fn sha256(path: &Path) -> String {
    output(Command::new("sha256sum").arg(path)).unwrap().split(' ').next().unwrap().to_owned()
}

/// The blob that a descriptor names; its size and digest must be right.
fn blob(layout: &Path, descriptor: &Value) -> std::path::PathBuf {
    let digest = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
    let path = layout.join("blobs/sha256").join(digest);
    assert_eq!(std::fs::metadata(&path).unwrap().len(), descriptor["size"].as_u64().unwrap());
    assert_eq!(sha256(&path), digest);
    path
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn the_image_is_consistent_and_runs_read_only_as_a_plain_user() {
    const TEST: &str = "packages-image";
    let programs: [(&str, &[&str]); 5] = [
        ("strip", &["--version"]),
        ("ldd", &["--version"]),
        ("tar", &["--version"]),
        ("unshare", &["--mount", "--pid", "--fork", "true"]),
        ("chroot", &["--userspec=65532:65532", "/", "true"]),
    ];
    if let Err(why) = have(&programs) {
        return tools::skipped(TEST, &why);
    }
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    layout(&image);
    assert_eq!(json(&image.join("oci-layout"))["imageLayoutVersion"], "1.0.0");
    let index = json(&image.join("index.json"));
    let manifest = json(&blob(&image, &index["manifests"][0]));
    let config = json(&blob(&image, &manifest["config"]));
    let layer = blob(&image, &manifest["layers"][0]);
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/usr/bin/reconciled"]));
    assert_eq!(config["config"]["Cmd"], serde_json::json!(["run"]));
    let archive = folder.path().join("layer.tar");
    let unpacked =
        output(Command::new("sh").args(["-c", "gzip -dc \"$1\" >\"$2\"", "sh"]).arg(&layer).arg(&archive));
    unpacked.unwrap();
    assert_eq!(config["rootfs"]["diff_ids"], serde_json::json!([format!("sha256:{}", sha256(&archive))]));
    let names = output(Command::new("tar").args(["--list", "--file"]).arg(&archive)).unwrap();
    assert!(!names.contains("bin/sh"), "no shell is in the image");

    let again = folder.path().join("again");
    layout(&again);
    let same =
        |name: &str| std::fs::read(image.join(name)).unwrap() == std::fs::read(again.join(name)).unwrap();
    assert!(same("index.json"), "two runs give two images");

    if output(Command::new("id").arg("-u")).unwrap().trim() != "0" {
        return tools::skipped(TEST, "only root can run the image without an engine");
    }
    tools::not_skipped(TEST);
    let text = std::fs::read_to_string(root().join("tests/packages/scenario.toml")).unwrap();
    let mut scenario = amazon_pay_simulator::Scenario::parse(&text, folder.path()).unwrap();
    scenario.generate_credentials(folder.path()).unwrap();
    let script = root().join("tests/packages/image.sh");
    let mut command = Command::new("unshare");
    command.args(["--mount-proc", "--pid", "--fork", "--kill-child", "--propagation", "private", "--"]);
    let said = output(command.arg(script).arg(&archive).arg(folder.path().join("shop-de.private-key.pem")))
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(said.trim_end().ends_with("the end"), "{said}");
}

#[test]
fn the_containerfile_makes_the_same_image() {
    let text = std::fs::read_to_string(root().join("Containerfile")).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let stages: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("FROM ")).collect();
    let rust = format!("docker.io/library/rust:{}-bookworm AS build", env!("CARGO_PKG_RUST_VERSION"));
    assert_eq!(stages, [rust.as_str(), "scratch"]);
    // Only the root directory that packaging/rootfs makes, and the settings that packaging/oci writes.
    let (_, last) = text.split_once("FROM scratch\n").unwrap();
    let oci = std::fs::read_to_string(root().join("packaging/oci")).unwrap();
    assert!(text.contains("packaging/rootfs target/dist/reconciled /image"));
    for line in last.lines() {
        let (word, rest) = line.split_once(' ').unwrap();
        match word {
            "COPY" => assert!(rest.starts_with("--from=build ") && rest.contains(" /image/"), "{line}"),
            "USER" | "STOPSIGNAL" => assert!(oci.contains(&format!("\"{rest}\"")), "{line}"),
            "ENTRYPOINT" | "CMD" => assert!(oci.contains(&format!(":{rest}")), "{line}"),
            "VOLUME" => {
                let volumes: Vec<String> = serde_json::from_str(rest).unwrap();
                assert!(volumes.iter().all(|volume| oci.contains(&format!("\"{volume}\":{{}}"))), "{line}");
            }
            _ => panic!("{line} is not expected"),
        }
    }
}
