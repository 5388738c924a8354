use std::sync::Mutex;

use super::*;
use crate::control::messages::EnrolOutcome;

/// Takes every line, except those about an id that says that it is bad, and keeps the ids.
#[derive(Clone, Default)]
struct Taker {
    ids: Arc<Mutex<Vec<String>>>,
    /// After this many lines it is out of order.
    breaks_after: Option<usize>,
}

impl Taker {
    fn enrolling(&self) -> Enrolling {
        let taker = self.clone();
        Arc::new(move |requests| {
            let taker = taker.clone();
            Box::pin(async move {
                let mut ids = taker.ids.lock().unwrap();
                if taker.breaks_after.is_some_and(|most| ids.len() >= most) {
                    return Err("the store is out of order".to_owned());
                }
                let results = requests.into_iter().map(|request| {
                    let id = request.id.to_string();
                    let is_bad = id.contains("BAD");
                    let outcome = if is_bad { EnrolOutcome::Conflict } else { EnrolOutcome::New };
                    ids.push(id);
                    let reason = is_bad.then(|| "it has another amount".to_owned());
                    EnrolResult { line: request.line, outcome, object: None, reason }
                });
                Ok(results.collect())
            })
        })
    }

    fn ids(&self) -> Vec<String> {
        self.ids.lock().unwrap().clone()
    }
}

fn settings(folder: &Path) -> Settings {
    Settings {
        folder: folder.to_owned(),
        account: Some("shop".parse().unwrap()),
        kind: Some("charge".parse().unwrap()),
        reading: Reading::default(),
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).map(|entries| entries.map(|entry| entry.unwrap().file_name()));
    let mut names: Vec<String> =
        entries.into_iter().flatten().map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn complete_files_are_enrolled_and_moved_and_others_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("a.csv", "id,amount,currency\nS01,14.00,EUR\nS02,15.00,EUR\n");
    write("b.jsonl", "{\"id\":\"S03\"}\n");
    for incomplete in [".c.csv", "d.csv.part", "e.tmp"] {
        write(incomplete, "id\nS99\n");
    }
    fs::create_dir(folder.path().join("folder")).unwrap();
    let outside = tempfile::NamedTempFile::new().unwrap();
    fs::write(outside.path(), "id\nS98\n").unwrap();
    std::os::unix::fs::symlink(outside.path(), folder.path().join("link.csv")).unwrap();

    let taker = Taker::default();
    let taken = round(&settings(folder.path()), &taker.enrolling()).await.unwrap();
    assert_eq!(taken, Taken { files: 2, lines: 3, bad: 0 });
    let mut ids = taker.ids();
    ids.sort();
    assert_eq!(ids, ["S01", "S02", "S03"]);
    assert_eq!(names(&folder.path().join(DONE)), ["a.csv", "b.jsonl"]);
    let left = names(folder.path());
    assert_eq!(left, [".c.csv", "d.csv.part", "done", "e.tmp", "folder", "link.csv"]);

    // The same name again does not replace the first.
    write("a.csv", "id\nS04\n");
    round(&settings(folder.path()), &taker.enrolling()).await.unwrap();
    assert_eq!(names(&folder.path().join(DONE)), ["a.csv", "a.csv.2", "b.jsonl"]);
}

#[tokio::test]
async fn bad_lines_stand_in_a_report_beside_the_file_and_good_ones_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let text = "id,amount,currency\nS01,14.00,EUR\nS02,1.234,EUR\nBAD3,1.00,EUR\n";
    fs::write(folder.path().join("a.csv"), text).unwrap();
    fs::write(folder.path().join("b.csv"), "amount,currency\n1,EUR\n").unwrap();
    fs::write(folder.path().join("c.csv"), "\n").unwrap();
    let taker = Taker::default();
    let taken = round(&settings(folder.path()), &taker.enrolling()).await.unwrap();
    assert_eq!(taken, Taken { files: 3, lines: 1, bad: 4 });
    let rejected = folder.path().join(REJECTED);
    let report = |name: &str| fs::read_to_string(rejected.join(format!("{name}{REPORT}"))).unwrap();
    let lines = report("a.csv");
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines[0], "file,line,reason,text");
    assert!(lines[1].starts_with("a.csv,3,amount 1.234 has more decimals"), "{lines:?}");
    assert!(lines[2].starts_with("a.csv,4,it has another amount,"), "{lines:?}");
    assert!(report("b.csv").contains("no column names the objects"));
    assert!(report("c.csv").contains("there is no object in it"));
    assert!(names(folder.path()).iter().all(|name| name == REJECTED), "{:?}", names(folder.path()));
    assert_eq!(fs::read_to_string(rejected.join("a.csv")).unwrap(), text);
}

#[tokio::test]
async fn a_file_that_cannot_be_finished_stays_and_is_taken_whole_later() {
    let folder = tempfile::tempdir().unwrap();
    let many: String = (0..BATCH_LINES_MAX + 5).map(|number| format!("S{number:05}\n")).collect();
    fs::write(folder.path().join("a.csv"), format!("id\n{many}")).unwrap();
    let broken = Taker { breaks_after: Some(1), ..Taker::default() };
    let why = round(&settings(folder.path()), &broken.enrolling()).await.unwrap_err();
    assert!(why.ends_with("a.csv: the store is out of order"), "{why}");
    assert_eq!(names(folder.path()), ["a.csv"]);
    let taker = Taker::default();
    let taken = round(&settings(folder.path()), &taker.enrolling()).await.unwrap();
    assert_eq!(taken.lines, u64::try_from(BATCH_LINES_MAX + 5).unwrap());
    assert_eq!(taker.ids().len(), BATCH_LINES_MAX + 5);
    // A crash after the report and before the move: the report is made again under the same name.
    fs::write(folder.path().join("b.csv"), "id\nBAD1\n").unwrap();
    let rejects = Rejects { listed: vec![], number: 1 };
    let path = folder.path().join("b.csv");
    files::write_whole(
        folder.path(),
        &folder.path().join(REJECTED).join(format!("b.csv{REPORT}")),
        &rejects.report("b.csv").unwrap(),
        Readers::Group,
    )
    .unwrap();
    round(&settings(folder.path()), &taker.enrolling()).await.unwrap();
    assert_eq!(names(&folder.path().join(REJECTED)), ["b.csv", "b.csv.rejects.csv"]);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let why = round(&settings(&missing), &Taker::default().enrolling()).await.unwrap_err();
    assert!(why.contains("missing"), "{why}");
}
