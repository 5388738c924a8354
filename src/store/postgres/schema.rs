//! The tables and their versions.
//!
//! Owns: which numbered migrations there are, and that one host at a time applies them. Must never know: what the
//! tables are for.

use tokio_postgres::types::Type;

use super::connection::{Connection, Trouble};

/// Each brings the tables from the version before to its own: the first is version 1. None is ever changed.
const MIGRATIONS: [&str; 2] =
    [include_str!("sql/migrations/0001.sql"), include_str!("sql/migrations/0002.sql")];

/// The version that this program writes.
const KNOWN: i64 = MIGRATIONS.len() as i64;

const BEGIN: &str = include_str!("sql/schema_begin.sql");
const LOCK: &str = include_str!("sql/schema_lock.sql");
const SET: &str = include_str!("sql/schema_set.sql");
const VERSION: &str = include_str!("sql/schema_version.sql");

/// Brings the tables to the version of this program. An older program leaves newer tables alone and is refused.
pub(super) async fn prepare(connection: &Connection) -> Result<(), Trouble> {
    match version(connection).await {
        Ok(found) if found > KNOWN => return Err(too_new(found)),
        Ok(KNOWN) => return Ok(()),
        Ok(_) => {}
        Err(trouble) if trouble.is_without_table => {}
        Err(trouble) => return Err(trouble),
    }
    // Two hosts that start at once may collide here; the second one tries again and finds the tables.
    connection.script(BEGIN).await?;
    connection.script("BEGIN").await?;
    let found = connection.query(LOCK, &[]).await?.first().map_or(0, |row| row.get::<_, i64>(0));
    for (version, migration) in (1i64..).zip(MIGRATIONS).filter(|(version, _)| *version > found) {
        connection.script(migration).await?;
        connection.query(SET, &[(&version, Type::INT8)]).await?;
    }
    connection.script("COMMIT").await
}

/// Refuses tables that are newer than this program.
pub(super) async fn check(connection: &Connection) -> Result<(), Trouble> {
    match version(connection).await? {
        found if found > KNOWN => Err(too_new(found)),
        _ => Ok(()),
    }
}

async fn version(connection: &Connection) -> Result<i64, Trouble> {
    let rows = connection.query(VERSION, &[]).await?;
    Ok(rows.first().map_or(0, |row| row.get(0)))
}

fn too_new(found: i64) -> Trouble {
    Trouble::permanent(format!(
        "the database has schema version {found}, but this program knows only up to {KNOWN}: install the newer program on this host"
    ))
}
