//! What mends a schema: the statements of the migrations, each such that it does nothing where its
//! work is there already.

use sqlx::migrate::Migrator;

/// Names of all tables.
pub(super) fn tables(migrations: &Migrator) -> Vec<String> {
    let name = |statement: &String| {
        let rest = statement.strip_prefix("CREATE TABLE IF NOT EXISTS ")?;
        Some(rest.split_whitespace().next()?.to_owned())
    };
    idempotent(migrations).iter().filter_map(name).collect()
}

/// Every statement that creates something, in order, with `IF NOT EXISTS`; and what is set on
/// tables, which may be set again.
pub(super) fn idempotent(migrations: &Migrator) -> Vec<String> {
    let mut all = Vec::new();
    for migration in migrations.iter() {
        let lines = migration.sql.as_str().lines();
        let text: Vec<&str> =
            lines.map(|line| line.split_once("--").map_or(line, |(sql, _)| sql)).collect();
        for statement in text.join("\n").split(';').map(str::trim) {
            let kind = ["CREATE TABLE", "CREATE INDEX"];
            match kind.iter().find_map(|kind| Some((kind, statement.strip_prefix(kind)?))) {
                Some((kind, rest)) => all.push(format!("{kind} IF NOT EXISTS{rest}")),
                None if statement.starts_with("ALTER TABLE") => all.push(statement.to_owned()),
                None => {}
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_statement_of_the_migrations_can_be_run_again() {
        for migrations in
            [sqlx::migrate!("../migrations/sqlite"), sqlx::migrate!("../migrations/postgres")]
        {
            let all = idempotent(&migrations).join("\n");
            for migration in migrations.iter() {
                let sql = migration.sql.as_str();
                for table in sql.lines().filter_map(|line| line.strip_prefix("CREATE TABLE ")) {
                    assert!(
                        all.contains(&format!("CREATE TABLE IF NOT EXISTS {table}")),
                        "{table}"
                    );
                }
                let kinds = ["CREATE TABLE ", "CREATE INDEX ", "ALTER TABLE ", "SELECT 1"];
                let begins = |line: &&str| line.starts_with(|c: char| c.is_ascii_uppercase());
                for line in sql.lines().filter(begins) {
                    assert!(
                        kinds.iter().any(|kind| line.starts_with(kind)),
                        "{}: `{line}` cannot be run again: teach `idempotent` how",
                        migration.description
                    );
                }
            }
        }
    }
}
