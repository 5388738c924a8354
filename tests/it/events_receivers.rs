//! The example receivers of the documentation, run as they are: what they accept, refuse and do once, and in which order.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reconciled::clock::SystemClock;
use reconciled::http::{HttpClient, Method, Request, Transport};
use reconciled::webhook::{SigningKey, headers_of};
use serde_json::{Value, json};

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
    port: u16,
    client: HttpClient,
    inbox: PathBuf,
    /// What the program printed.
    printed: PathBuf,
    _running: Running,
}

impl Scene {
    async fn start(program: &str, arguments: &[&str], folder: &Path) -> Scene {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (inbox, printed) = (folder.join("inbox"), folder.join("printed"));
        let arguments: Vec<String> =
            arguments.iter().map(|word| word.replace("PORT", &port.to_string())).collect();
        let running = Command::new(program)
            .args(&arguments)
            .env("EVENTS_SECRET", KEY)
            .env("EVENTS_INBOX", &inbox)
            .env("PORT", port.to_string())
            .stdin(Stdio::null())
            .stdout(File::options().create(true).append(true).open(&printed).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let scene = Scene {
            port,
            client: HttpClient::new(None).unwrap(),
            inbox,
            printed,
            _running: Running(running),
        };
        let is_up = async || scene.post("evt_up", &[OTHER], 0, BODY).await;
        patiently(&SystemClock::shared(), "the receiver answers", is_up, String::new).await;
        scene
    }

    /// The status of its answer to the usual message, signed this long ago, with these bytes in its place.
    async fn post(&self, id: &str, keys: &[&str], age_s: i64, sent: &str) -> Option<u16> {
        self.post_signed(id, keys, age_s, BODY, sent).await
    }

    async fn post_signed(
        &self,
        id: &str,
        keys: &[&str],
        age_s: i64,
        signed: &str,
        sent: &str,
    ) -> Option<u16> {
        let keys: Vec<SigningKey> = keys.iter().map(|key| SigningKey::parse(key).unwrap()).collect();
        let now = SystemClock::shared().now().as_second();
        let request = Request {
            method: Method::Post,
            url: format!("http://127.0.0.1:{}/events", self.port),
            headers: headers_of(&keys, id, now - age_s, signed.as_bytes()),
            body: sent.as_bytes().to_vec(),
            deadline: Duration::from_secs(10),
            longest_body: 1024,
            is_beginning_enough: true,
        };
        self.client.send(request).await.ok().map(|answer| answer.status)
    }

    /// The first line of its answer to a request with these headers, byte for byte.
    fn post_raw(&self, headers: &[u8]) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(b"POST /events HTTP/1.1\r\nhost: here\r\nconnection: close\r\n").unwrap();
        stream.write_all(headers).unwrap();
        stream.write_all(b"\r\n").unwrap();
        let mut answer = [0; 64];
        let length = stream.read(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..length]).lines().next().unwrap_or_default().to_owned()
    }

    /// The object and number of each event that was worked on, in order. `work` is the command that works, if the
    /// receiver does not.
    fn worked(&self, program: &str, work: Option<&[&str]>) -> Vec<(String, u64)> {
        if let Some(work) = work {
            let mut printed = File::options().append(true).open(&self.printed).unwrap();
            let ran = Command::new(program).args(work).env("EVENTS_INBOX", &self.inbox).output().unwrap();
            printed.write_all(&ran.stdout).unwrap();
        }
        let printed = fs::read_to_string(&self.printed).unwrap();
        // The last line may still be being written.
        let whole = printed.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let read = |line: &str| {
            let data: Value = serde_json::from_str(line.strip_prefix("charge.captured ")?).unwrap();
            Some((data["id"].as_str()?.to_owned(), data["sequence"].as_u64()?))
        };
        whole.lines().filter_map(read).collect()
    }

    /// Waits until `done` events are done, and compares what was worked on.
    async fn expect_worked(
        &self,
        program: &str,
        work: Option<&[&str]>,
        done: usize,
        expected: &[(&str, u64)],
    ) {
        let worked = async || {
            let worked = self.worked(program, work);
            (self.kept().1 == done && worked.len() == expected.len()).then_some(worked)
        };
        let evidence = || format!("{:?}", fs::read_to_string(&self.printed));
        let worked = patiently(&SystemClock::shared(), "all events are worked on", worked, evidence).await;
        let worked: Vec<(&str, u64)> = worked.iter().map(|(id, number)| (id.as_str(), *number)).collect();
        assert_eq!(worked, expected, "{program}");
    }

    /// The events that were kept, and those that were worked on.
    fn kept(&self) -> (usize, usize) {
        let count = |folder: &Path| {
            let names = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().file_name());
            names.filter(|name| name.to_str().unwrap().ends_with(".json")).count()
        };
        let done = count(&self.inbox.join("done"));
        (count(&self.inbox) + done, done)
    }
}

/// An event of a charge.
fn body(id: &str, sequence: u64, found_at: &str) -> String {
    let data =
        json!({"account": "shop", "kind": "charge", "id": id, "sequence": sequence, "found_at": found_at});
    json!({"type": "charge.captured", "timestamp": found_at, "data": data}).to_string()
}

fn is_there(name: &str, program: &str) -> bool {
    let test = format!("the example receiver in {name}");
    let is_there = Command::new(program).arg("--version").output().is_ok();
    match is_there {
        true => tools::not_skipped(&test),
        false => tools::skipped(&test, &format!("{program} is missing")),
    }
    is_there
}

/// Events that came in any order, and some that are no events, are worked on in the order of their object.
async fn check_order(name: &str, program: &str, arguments: &[&str], work: Option<&[&str]>) {
    if !is_there(name, program) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let inbox = folder.path().join("inbox");
    fs::create_dir(&inbox).unwrap();
    for (id, body) in [
        ("evt_0", "7".to_owned()),
        ("evt_1", r#"{"type":"charge.captured","#.to_owned()),
        ("evt_a", body("S01", 2, "2026-01-15T09:30:00.5Z")),
        ("evt_b", body("S01", 1, "2026-01-15T09:30:00.25Z")),
        ("evt_c", body("S01", 3, "2026-01-15T09:30:01Z")),
        ("evt_d", body("S02", 1, "2026-01-15T09:30:00Z")),
    ] {
        fs::write(inbox.join(format!("{id}.json")), body).unwrap();
    }
    let scene = Scene::start(program, arguments, folder.path()).await;
    let mut expected = vec![("S02", 1), ("S01", 1), ("S01", 2), ("S01", 3)];
    scene.expect_worked(program, work, 4, &expected).await;
    // An older one that comes late is not worked on, and one of a newly built store is.
    for (id, sent) in [
        ("evt_e", body("S01", 1, "2026-01-15T09:30:00.75Z")),
        ("evt_f", body("S01", 1, "2026-01-16T09:30:00Z")),
    ] {
        assert_eq!(scene.post_signed(id, &[KEY], 0, &sent, &sent).await, Some(204), "{name}");
    }
    expected.push(("S01", 1));
    scene.expect_worked(program, work, 6, &expected).await;
}

/// An event whose work fails is tried again before the later ones of its object. `work_begins` is the first line of the
/// work, before which `fails` is put: it fails for the first event while there is a file `broken` in the inbox.
async fn check_failing(name: &str, program: &str, (work_begins, fails): (&str, &str), is_php: bool) {
    if !is_there(name, program) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (inbox, receiver) = (folder.path().join("inbox"), folder.path().join(name));
    let text = fs::read_to_string(file(name)).unwrap();
    assert_eq!(text.matches(work_begins).count(), 1, "{name}");
    fs::write(&receiver, text.replacen(work_begins, &format!("{fails}\n{work_begins}"), 1)).unwrap();
    fs::create_dir(&inbox).unwrap();
    for (id, body) in [
        ("broken", String::new()),
        ("evt_a.json", body("S01", 1, "2026-01-15T09:30:00Z")),
        ("evt_b.json", body("S01", 2, "2026-01-15T09:30:01Z")),
        ("evt_c.json", body("S02", 2, "2026-01-15T09:30:02Z")),
    ] {
        fs::write(inbox.join(id), body).unwrap();
    }
    let receiver = receiver.to_str().unwrap();
    let arguments = if is_php { vec!["-S", "127.0.0.1:PORT", receiver] } else { vec![receiver] };
    let work = [receiver, "work"];
    let work = is_php.then_some(&work[..]);
    let scene = Scene::start(program, &arguments, folder.path()).await;
    scene.expect_worked(program, work, 1, &[("S02", 2)]).await;
    fs::remove_file(inbox.join("broken")).unwrap();
    let next = body("S02", 3, "2026-01-15T09:30:03Z");
    assert_eq!(scene.post_signed("evt_d", &[KEY], 0, &next, &next).await, Some(204), "{name}");
    let expected = [("S02", 2), ("S01", 1), ("S01", 2), ("S02", 3)];
    scene.expect_worked(program, work, 4, &expected).await;
}

/// Headers that no sender of ours makes are refused, and the next event is accepted.
async fn check_odd(name: &str, program: &str, arguments: &[&str], reads_length: bool) {
    if !is_there(name, program) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let scene = Scene::start(program, arguments, folder.path()).await;
    let now = SystemClock::shared().now().as_second().to_string();
    // One byte for each letter, as old programs write them.
    let signed = |id: &str, at: &str, signature: &str| -> Vec<u8> {
        let id_and_time = format!("webhook-id: {id}\r\nwebhook-timestamp: {at}\r\n");
        let text = format!("content-length: 0\r\n{id_and_time}webhook-signature: {signature}\r\n");
        text.chars().map(|letter| u8::try_from(letter).unwrap()).collect()
    };
    for headers in [
        signed("evt_one", &now, "v1,\u{e9} v1,"),
        signed("evt_one", &now, ""),
        signed("evt_one", "\u{b2}", "v1,x"),
        signed("evt_one", &"9".repeat(5_000), "v1,x"),
        signed("\u{e9}", &now, "v1,x"),
        signed(&"a".repeat(300), &now, "v1,x"),
        b"content-length: 0\r\n".to_vec(),
    ] {
        let answer = scene.post_raw(&headers);
        assert!(answer.contains(" 401 "), "{name}: {answer:?} to {}", String::from_utf8_lossy(&headers));
    }
    for length in ["wibble", "-5", "9999999999"].into_iter().filter(|_| reads_length) {
        let answer = scene.post_raw(format!("content-length: {length}\r\n").as_bytes());
        assert!(answer.contains(" 400 "), "{name}: {answer:?} to {length}");
    }
    assert_eq!(scene.post("evt_one", &[KEY], 0, BODY).await, Some(204), "{name}");
}

async fn check(name: &str, program: &str, arguments: &[&str], work: Option<&[&str]>) {
    if !is_there(name, program) {
        return;
    }
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
async fn the_receiver_in_python_works_in_order_and_survives_what_is_odd() {
    let file = file("receiver.py");
    check_order("Python", "python3", &[file.to_str().unwrap()], None).await;
    check_odd("Python", "python3", &[file.to_str().unwrap()], true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_receiver_in_node_takes_each_genuine_event_once() {
    let file = file("receiver.js");
    check("Node", "node", &[file.to_str().unwrap()], None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_receiver_in_node_works_in_order_and_survives_what_is_odd() {
    let file = file("receiver.js");
    check_order("Node", "node", &[file.to_str().unwrap()], None).await;
    check_odd("Node", "node", &[file.to_str().unwrap()], true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_receiver_in_php_takes_each_genuine_event_once() {
    let file = file("receiver.php");
    let file = file.to_str().unwrap();
    check("PHP", "php", &["-S", "127.0.0.1:PORT", file], Some(&[file, "work"])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_receiver_in_php_works_in_order_and_survives_what_is_odd() {
    let file = file("receiver.php");
    let file = file.to_str().unwrap();
    check_order("PHP", "php", &["-S", "127.0.0.1:PORT", file], Some(&[file, "work"])).await;
    // Lengths are read by PHP's own server.
    check_odd("PHP", "php", &["-S", "127.0.0.1:PORT", file], false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_work_fails_is_tried_again_before_the_later_ones_of_its_object() {
    let python = (
        r#"    print(event["type"]"#,
        r#"    if event["data"]["sequence"] == 1 and os.path.exists(os.path.join(INBOX, "broken")):
        raise RuntimeError("broken")"#,
    );
    check_failing("receiver.py", "python3", python, false).await;
    let node = (
        "  console.log(event.type",
        r#"  if (event.data.sequence === 1 && fs.existsSync(path.join(INBOX, "broken"))) throw new Error("broken");"#,
    );
    check_failing("receiver.js", "node", node, false).await;
    let php = (
        "    echo $event['type']",
        "    if ($event['data']['sequence'] === 1 && file_exists(getenv('EVENTS_INBOX') . '/broken')) {
        throw new RuntimeException('broken');
    }",
    );
    check_failing("receiver.php", "php", php, true).await;
}

#[test]
fn the_documentation_shows_each_receiver() {
    let page = std::fs::read_to_string(file("../events.md")).unwrap();
    for name in ["receiver.py", "receiver.js", "receiver.php"] {
        assert!(page.contains(&format!("{{{{#include events/{name}}}}}")), "{name}");
    }
}
