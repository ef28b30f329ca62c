//! Rules about files: their length, their names, what they carry.

use sha2::{Digest, Sha256};

use super::{Finding, Tree};

/// At this length a file is split by noun.
const TOO_LONG: usize = 700;
/// Names that say nothing of what is inside.
const EMPTY_NAMES: &[&str] =
    &["mod", "util", "utils", "common", "helper", "helpers", "manager", "misc", "shared"];
/// The sums of the migrations that were released.
pub(super) const SEALED: &str = "xtask/released-migrations.sha256";

/// Nobody reads a file of more than 700 lines.
pub(super) fn not_too_long(tree: &Tree, findings: &mut Vec<Finding>) {
    for path in tree.sources.keys() {
        let lines = tree.text(path).map_or(0, |text| text.lines().count());
        if lines > TOO_LONG {
            findings.push(Finding::in_file(path, format!("{lines} lines: split it by noun")));
        }
    }
}

/// `name.rs` and `name/`, never `mod.rs`, never `utils.rs`.
pub(super) fn names_say_something(tree: &Tree, findings: &mut Vec<Finding>) {
    for path in tree.sources.keys() {
        let stem = path.rsplit('/').next().and_then(|file| file.strip_suffix(".rs"));
        if stem.is_some_and(|stem| EMPTY_NAMES.contains(&stem)) {
            findings.push(Finding::in_file(path, "call it by what is inside"));
        }
    }
}

/// A path of somebody's machine does not work on anybody else's.
pub(super) fn no_machine_paths(tree: &Tree, findings: &mut Vec<Finding>) {
    // Written apart, so that this file does not find itself.
    let machine_paths = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/tmp/", "target-")];
    for path in tree.files.keys().filter(|path| !is_foreign(path)) {
        let Some(text) = tree.text(path) else { continue };
        for (index, line) in text.lines().enumerate() {
            for machine_path in machine_paths {
                let is_own_word = line.match_indices(machine_path).any(|(at, _)| {
                    !line[..at].ends_with(|letter: char| letter.is_alphanumeric() || letter == '.')
                });
                if is_own_word {
                    let what = format!("{machine_path} is a path of one machine");
                    findings.push(Finding::at(path, index + 1, what));
                }
            }
        }
    }
}

/// Files that others wrote or that are generated.
fn is_foreign(path: &str) -> bool {
    path == "Cargo.lock" || path.ends_with(".min.js") || path.contains("/vendor/")
}

/// A migration that ran somewhere is history: a change to it would never run there.
pub(super) fn released_migrations_stay(tree: &Tree, findings: &mut Vec<Finding>) {
    for line in tree.text(SEALED).unwrap_or_default().lines() {
        let Some((sum, path)) = line.split_once("  ") else { continue };
        match tree.files.get(path) {
            None => findings.push(Finding::in_file(path, "a released migration is missing")),
            Some(bytes) if sha256(bytes) != sum => findings.push(Finding::in_file(
                path,
                "a released migration was changed: write a new one instead",
            )),
            Some(_) => {}
        }
    }
}

/// What `SEALED` says when today's migrations are released.
pub(super) fn seal(tree: &Tree) -> String {
    tree.files
        .iter()
        .filter(|(path, _)| is_migration(path))
        .map(|(path, bytes)| format!("{}  {path}\n", sha256(bytes)))
        .collect()
}

fn is_migration(path: &str) -> bool {
    path.starts_with("crates/store/")
        && path.ends_with(".sql")
        && path.rsplit('/').next().is_some_and(|file| file.starts_with('V'))
}

/// Every row of a `VENDORED.md` that carries a SHA-256 names a file beside it with that sum.
pub(super) fn vendored_files_are_what_they_say(tree: &Tree, findings: &mut Vec<Finding>) {
    for path in tree.files.keys().filter(|path| path.ends_with("/VENDORED.md")) {
        let folder = path.trim_end_matches("VENDORED.md");
        for (index, row) in tree.text(path).unwrap_or_default().lines().enumerate() {
            let cells: Vec<&str> =
                row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
            let Some(sum) = cells.iter().find(|cell| is_sum(cell)) else { continue };
            let Some(name) = cells.iter().find(|cell| !cell.is_empty()) else { continue };
            match tree.files.get(&format!("{folder}{name}")) {
                Some(bytes) if sha256(bytes) == **sum => {}
                Some(_) => {
                    findings.push(Finding::at(path, index + 1, format!("{name} has another sum")));
                }
                None => {
                    findings.push(Finding::at(path, index + 1, format!("{name} is not there")));
                }
            }
        }
    }
}

fn is_sum(cell: &str) -> bool {
    cell.len() == 64 && cell.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::found;

    const EMPTY_SUM: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_long_file_is_found() {
        let long = "// line\n".repeat(TOO_LONG + 1);
        assert_eq!(found(not_too_long, &[("crates/web/src/lib.rs", &long)]).len(), 1);
        assert!(found(not_too_long, &[("crates/web/src/lib.rs", &long[8..])]).is_empty());
        assert!(found(not_too_long, &[("docs/a.md", &long)]).is_empty());
    }

    #[test]
    fn an_empty_name_is_found() {
        for path in ["crates/web/src/api/mod.rs", "crates/web/src/utils.rs"] {
            assert_eq!(found(names_say_something, &[(path, "")]).len(), 1, "{path}");
        }
        assert!(found(names_say_something, &[("crates/web/src/model.rs", "")]).is_empty());
    }

    #[test]
    fn a_path_of_one_machine_is_found() {
        let work = concat!("see /wo", "rk/notes\n");
        let root = concat!("open(\"/ro", "ot/.cargo\")");
        assert_eq!(found(no_machine_paths, &[("README.md", work), ("a.rs", root)]).len(), 2);
        let address = concat!("https://example.com/wo", "rk/ and src/ro", "ot/x");
        assert!(found(no_machine_paths, &[("README.md", address)]).is_empty());
        assert!(found(no_machine_paths, &[("Cargo.lock", work)]).is_empty());
    }

    #[test]
    fn a_changed_or_missing_released_migration_is_found() {
        let migration = "crates/store/migrations/V1__first.sql";
        let sealed = seal(&Tree::invent(&[(migration, ""), ("crates/store/notes.sql", "")]));
        assert_eq!(sealed, format!("{EMPTY_SUM}  {migration}\n"));
        let rule = released_migrations_stay;
        assert!(found(rule, &[(SEALED, &sealed), (migration, "")]).is_empty());
        assert_eq!(found(rule, &[(SEALED, &sealed), (migration, "-- a")]).len(), 1);
        assert_eq!(found(rule, &[(SEALED, &sealed)]).len(), 1);
    }

    #[test]
    fn a_vendored_file_with_another_sum_is_found() {
        let list = format!("| file | sha256 |\n|---|---|\n| `a.js` | {EMPTY_SUM} |\n");
        let rule = vendored_files_are_what_they_say;
        assert!(found(rule, &[("x/VENDORED.md", &list), ("x/a.js", "")]).is_empty());
        assert_eq!(found(rule, &[("x/VENDORED.md", &list), ("x/a.js", "!")]).len(), 1);
        assert_eq!(found(rule, &[("x/VENDORED.md", &list)]).len(), 1);
    }
}
