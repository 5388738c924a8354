//! The baseline: the same rows in SQLite, with a write-ahead log and a sync after every transaction.

use std::path::Path;

use jiff::Timestamp;
use reconciled::payments::record::{Enrolment, Record};
use rusqlite::{Connection, params};

use crate::Failure;

pub(crate) struct Sqlite(Connection);

impl Sqlite {
    /// One table of records with the same text as ours, and an index by due time: the minimum that could do
    /// the work.
    pub(crate) fn open(folder: &Path) -> Result<Sqlite, Failure> {
        let connection = Connection::open(folder.join("baseline.sqlite"))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "cache_size", -48 * 1024)?;
        connection.execute_batch(
            "CREATE TABLE record (id TEXT, account TEXT, kind TEXT, due_at INTEGER, record TEXT,
                 PRIMARY KEY (id, account, kind)) WITHOUT ROWID;
             CREATE INDEX due ON record (account, kind, due_at, id);",
        )?;
        Ok(Sqlite(connection))
    }

    /// One transaction: durable when it returns.
    pub(crate) fn enrol(&mut self, group: &[Enrolment], now: Timestamp) -> Result<(), Failure> {
        let transaction = self.0.transaction()?;
        {
            let mut insert =
                transaction.prepare_cached("INSERT OR IGNORE INTO record VALUES (?1, ?2, ?3, ?4, ?5)")?;
            for enrolment in group {
                let record = Record::enrolled(enrolment.clone(), now);
                let text = serde_json::to_string(&record)?;
                let object = &record.object;
                let due_at = now.as_millisecond();
                let (id, account, kind) = (object.id.as_str(), object.account.as_str(), object.kind.as_str());
                insert.execute(params![id, account, kind, due_at, text])?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    pub(crate) fn rows(&self) -> Result<usize, Failure> {
        let rows: i64 = self.0.query_row("SELECT count(*) FROM record", [], |row| row.get(0))?;
        Ok(usize::try_from(rows)?)
    }
}
