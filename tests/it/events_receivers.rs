//! The example receivers of the documentation, run as they are: what they accept, refuse and do once.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reconciled::clock::SystemClock;
use reconciled::http::{HttpClient, Method, Request, Transport};
use reconciled::webhook::{SigningKey, headers_of};

use crate::process::patiently;
use crate::tools;

const KEY: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OTHER: &str = "whsec_ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";
const BODY: &str = r#"{"type":"charge.captured","timestamp":"2026-01-15T09:30:00Z","data":{"id":"S01-1"}}"#;

/// Killed when dropped, so that a failed test leaves none behind.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src/events").join(name)
}

struct Scene {
    url: String,
    client: HttpClient,
    inbox: PathBuf,
    _running: Running,
}

impl Scene {
    async fn start(program: &str, arguments: &[&str], folder: &Path) -> Scene {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let inbox = folder.join("inbox");
        let arguments: Vec<String> =
            arguments.iter().map(|word| word.replace("PORT", &port.to_string())).collect();
        let running = Command::new(program)
            .args(&arguments)
            .env("EVENTS_SECRET", KEY)
            .env("EVENTS_INBOX", &inbox)
            .env("PORT", port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let scene = Scene {
            url: format!("http://127.0.0.1:{port}/events"),
            client: HttpClient::new(None).unwrap(),
            inbox,
            _running: Running(running),
        };
        let is_up = async || scene.post("evt_up", &[OTHER], 0, BODY).await;
        patiently(&SystemClock::shared(), "the receiver answers", is_up, String::new).await;
        scene
    }

    /// The status of its answer to a message that was signed this long ago.
    async fn post(&self, id: &str, keys: &[&str], age_s: i64, sent: &str) -> Option<u16> {
        let keys: Vec<SigningKey> = keys.iter().map(|key| SigningKey::parse(key).unwrap()).collect();
        let now = SystemClock::shared().now().as_second();
        let request = Request {
            method: Method::Post,
            url: self.url.clone(),
            headers: headers_of(&keys, id, now - age_s, BODY.as_bytes()),
            body: sent.as_bytes().to_vec(),
            deadline: Duration::from_secs(10),
            longest_body: 1024,
            is_beginning_enough: true,
        };
        self.client.send(request).await.ok().map(|answer| answer.status)
    }

    /// The events that were kept, and those that were worked on.
    fn kept(&self) -> (usize, usize) {
        let names = std::fs::read_dir(&self.inbox).into_iter().flatten();
        let names: Vec<String> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        let count = |ending: &str| names.iter().filter(|name| name.ends_with(ending)).count();
        (count(".json"), count(".done"))
    }
}

async fn check(name: &str, program: &str, arguments: &[&str], work: Option<&[&str]>) {
    let test = format!("the example receiver in {name}");
    if Command::new(program).arg("--version").output().is_err() {
        return tools::skipped(&test, &format!("{program} is missing"));
    }
    tools::not_skipped(&test);
    let folder = tempfile::tempdir().unwrap();
    let scene = Scene::start(program, arguments, folder.path()).await;
    for (what, id, keys, age_s, sent, expected) in [
        ("signed with our key", "evt_one", &[KEY][..], 0, BODY, 204),
        ("the same again", "evt_one", &[KEY], 0, BODY, 204),
        ("signed with two keys, ours the second", "evt_two", &[OTHER, KEY], 0, BODY, 204),
        ("signed with another key", "evt_three", &[OTHER], 0, BODY, 401),
        ("not signed", "evt_four", &[], 0, BODY, 401),
        ("changed on the way", "evt_five", &[KEY], 0, "{}", 401),
        ("signed long ago", "evt_six", &[KEY], 600, BODY, 401),
        ("signed in the future", "evt_seven", &[KEY], -600, BODY, 401),
        ("an id that leads elsewhere", "../evt_eight", &[KEY], 0, BODY, 401),
    ] {
        assert_eq!(scene.post(id, keys, age_s, sent).await, Some(expected), "{name}: {what}");
    }
    if let Some(work) = work {
        let ran = Command::new(program).args(work).env("EVENTS_INBOX", &scene.inbox).output().unwrap();
        let printed = String::from_utf8(ran.stdout).unwrap();
        assert_eq!(printed.matches("charge.captured").count(), 2, "{printed}");
    }
    let is_done = async || (scene.kept() == (2, 2)).then_some(());
    patiently(&SystemClock::shared(), "both events are worked on", is_done, || format!("{:?}", scene.kept()))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_receiver_in_python_takes_each_genuine_event_once() {
    let file = file("receiver.py");
    check("Python", "python3", &[file.to_str().unwrap()], None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_receiver_in_node_takes_each_genuine_event_once() {
    let file = file("receiver.js");
    check("Node", "node", &[file.to_str().unwrap()], None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_receiver_in_php_takes_each_genuine_event_once() {
    let file = file("receiver.php");
    let file = file.to_str().unwrap();
    check("PHP", "php", &["-S", "127.0.0.1:PORT", file], Some(&[file, "work"])).await;
}

#[test]
fn the_documentation_shows_each_receiver() {
    let page = std::fs::read_to_string(file("../events.md")).unwrap();
    for name in ["receiver.py", "receiver.js", "receiver.php"] {
        assert!(page.contains(&format!("{{{{#include events/{name}}}}}")), "{name}");
    }
}
