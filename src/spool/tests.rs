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

async fn taken(folder: &Path, enrolling: &Enrolling) -> Result<Taken, String> {
    round(&settings(folder), enrolling, &AtomicU64::new(0)).await
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
    let done = taken(folder.path(), &taker.enrolling()).await.unwrap();
    assert_eq!(done, Taken { files: 2, lines: 3, bad: 0 });
    let mut ids = taker.ids();
    ids.sort();
    assert_eq!(ids, ["S01", "S02", "S03"]);
    assert_eq!(names(&folder.path().join(DONE)), ["a.csv", "b.jsonl"]);
    let left = names(folder.path());
    assert_eq!(left, [".c.csv", TAKING, "d.csv.part", DONE, "e.tmp", "folder", "link.csv"]);

    // The same name again does not replace the first.
    write("a.csv", "id\nS04\n");
    taken(folder.path(), &taker.enrolling()).await.unwrap();
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
    let done = taken(folder.path(), &taker.enrolling()).await.unwrap();
    assert_eq!(done, Taken { files: 3, lines: 1, bad: 4 });
    let rejected = folder.path().join(REJECTED);
    let report = |name: &str| fs::read_to_string(rejected.join(format!("{name}{REPORT}"))).unwrap();
    let lines = report("a.csv");
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines[0], "file,line,reason,text");
    assert!(lines[1].starts_with("a.csv,3,amount 1.234 has more decimals"), "{lines:?}");
    assert!(lines[2].starts_with("a.csv,4,it has another amount,"), "{lines:?}");
    assert!(report("b.csv").contains("no column names the objects"));
    assert!(report("c.csv").contains("there is no object in it"));
    assert_eq!(names(folder.path()), [TAKING, REJECTED]);
    assert_eq!(fs::read_to_string(rejected.join("a.csv")).unwrap(), text);
}

#[tokio::test]
async fn a_file_that_cannot_be_finished_stays_and_is_taken_whole_later() {
    let folder = tempfile::tempdir().unwrap();
    let many: String = (0..BATCH_LINES_MAX + 5).map(|number| format!("S{number:05}\n")).collect();
    fs::write(folder.path().join("a.csv"), format!("id\n{many}")).unwrap();
    let broken = Taker { breaks_after: Some(1), ..Taker::default() };
    let why = taken(folder.path(), &broken.enrolling()).await.unwrap_err();
    assert!(why.ends_with("a.csv: the store is out of order"), "{why}");
    assert_eq!(names(folder.path()), [TAKING]);
    assert_eq!(names(&folder.path().join(TAKING)), ["a.csv"]);
    let taker = Taker::default();
    let done = taken(folder.path(), &taker.enrolling()).await.unwrap();
    assert_eq!(done.lines, u64::try_from(BATCH_LINES_MAX + 5).unwrap());
    assert_eq!(taker.ids().len(), BATCH_LINES_MAX + 5);
    assert_eq!(names(&folder.path().join(DONE)), ["a.csv"]);
    // A crash after the report and before the move: the file gets another report.
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
    taken(folder.path(), &taker.enrolling()).await.unwrap();
    assert_eq!(names(&folder.path().join(REJECTED)), ["b.csv.2", "b.csv.2.rejects.csv", "b.csv.rejects.csv"]);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_file_that_is_replaced_while_it_is_read_is_enrolled_like_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    fs::write(&path, "id\nS01\n").unwrap();
    let taker = Taker::default();
    let (inner, replaced) = (taker.enrolling(), path.clone());
    let replacing: Enrolling = Arc::new(move |lines| {
        let draft = replaced.with_file_name(".a.csv");
        fs::write(&draft, "id\nS02\n").unwrap();
        fs::rename(&draft, &replaced).unwrap();
        inner(lines)
    });
    taken(folder.path(), &replacing).await.unwrap();
    assert!(path.exists());
    taken(folder.path(), &taker.enrolling()).await.unwrap();
    assert_eq!(taker.ids(), ["S01", "S02"]);
    let done = folder.path().join(DONE);
    assert_eq!(names(&done), ["a.csv", "a.csv.2"]);
    assert_eq!(fs::read_to_string(done.join("a.csv.2")).unwrap(), "id\nS02\n");
}

#[tokio::test]
async fn a_file_that_cannot_be_taken_does_not_block_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let long = format!("a{}.csv", "a".repeat(NAME_BYTES_MAX));
    fs::write(folder.path().join(&long), "id\nS01\n").unwrap();
    fs::write(folder.path().join("b.csv"), "id\nS02\n").unwrap();
    let taker = Taker::default();
    let why = taken(folder.path(), &taker.enrolling()).await.unwrap_err();
    assert!(why.contains(&long) && why.ends_with("its name is longer than 220 bytes"), "{why}");
    assert_eq!(taker.ids(), ["S02"]);
    assert_eq!(names(folder.path()), [TAKING, &long, DONE]);
    assert_eq!(names(&folder.path().join(DONE)), ["b.csv"]);
}

#[tokio::test]
async fn a_link_in_the_place_of_a_folder_is_named_and_nothing_is_taken() {
    for name in [TAKING, DONE, REJECTED] {
        let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(outside.path(), folder.path().join(name)).unwrap();
        fs::write(folder.path().join("a.csv"), "id\nS01\n").unwrap();
        let taker = Taker::default();
        let why = taken(folder.path(), &taker.enrolling()).await.unwrap_err();
        assert!(why.ends_with(&format!("{name} is not a folder")), "{why}");
        assert_eq!((taker.ids().len(), names(outside.path()).len()), (0, 0));
    }
}

#[tokio::test]
async fn a_second_file_of_a_name_is_reported_under_the_name_that_the_shop_gave_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    // A crash left both while they were read.
    for id in ["S01", "BAD2"] {
        fs::write(&path, format!("id\n{id}\n")).unwrap();
        claim(folder.path(), &path).unwrap().unwrap();
    }
    assert_eq!(names(&folder.path().join(TAKING)), [".2.a.csv", "a.csv"]);
    let taker = Taker::default();
    let done = taken(folder.path(), &taker.enrolling()).await.unwrap();
    assert_eq!((done.files, done.bad), (2, 1));
    let report = fs::read_to_string(folder.path().join(REJECTED).join(format!("a.csv{REPORT}"))).unwrap();
    assert!(report.lines().nth(1).unwrap().starts_with("a.csv,2,"), "{report}");
    // A draft of the shop's may look the same.
    fs::write(folder.path().join(".2.b.csv"), "id\nS03\n").unwrap();
    assert_eq!(taken(folder.path(), &taker.enrolling()).await.unwrap(), Taken::default());
}

#[test]
fn a_free_place_is_one_where_nothing_is_and_is_found_among_many() {
    let folder = tempfile::tempdir().unwrap();
    let tried = std::cell::Cell::new(0);
    let named = |number: u32| {
        tried.set(tried.get() + 1);
        format!("a.csv.{number}")
    };
    for number in 1..=1_000 {
        let place = free_place(folder.path(), named).unwrap();
        assert_eq!(place, folder.path().join(format!("a.csv.{number}")));
        fs::write(place, "").unwrap();
    }
    tried.set(0);
    free_place(folder.path(), named).unwrap();
    assert!(tried.get() < 30, "{} names were tried", tried.get());
    // What cannot be found out is not free: a file would be replaced.
    let file = folder.path().join("a.csv.1");
    assert!(free_place(&file, |number| number.to_string()).is_err());
}

#[tokio::test]
async fn no_report_replaces_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let (taker, rejected) = (Taker::default(), folder.path().join(REJECTED));
    for (name, id) in [(format!("a.csv{REPORT}"), "BAD1"), ("a.csv".to_owned(), "BAD2")] {
        fs::write(folder.path().join(name), format!("id\n{id}\n")).unwrap();
        taken(folder.path(), &taker.enrolling()).await.unwrap();
    }
    assert_eq!(fs::read_to_string(rejected.join(format!("a.csv{REPORT}"))).unwrap(), "id\nBAD1\n");
    assert_eq!(fs::read_to_string(rejected.join("a.csv.2")).unwrap(), "id\nBAD2\n");
    assert_eq!(names(&rejected).len(), 4);
}

#[tokio::test]
async fn progress_grows_with_every_batch_of_lines_and_every_file() {
    let folder = tempfile::tempdir().unwrap();
    let many: String = (0..BATCH_LINES_MAX + 1).map(|number| format!("S{number:05}\n")).collect();
    fs::write(folder.path().join("a.csv"), format!("id\n{many}")).unwrap();
    let progress = AtomicU64::new(0);
    round(&settings(folder.path()), &Taker::default().enrolling(), &progress).await.unwrap();
    // Two batches, the end of the file, and the file.
    assert_eq!(progress.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let why = taken(&missing, &Taker::default().enrolling()).await.unwrap_err();
    assert!(why.contains("missing"), "{why}");
}
