//! Rules about rooms: which may depend on which, and what the pure ones must not know.

use super::{Finding, Tree};

/// Every room of ours and the rooms it may use. What is not here is a new room: think, then add it.
const ROOMS: &[(&str, &[&str])] = &[
    ("crates/campanile", &["carrier", "domain", "engine", "store", "web", "wire"]),
    ("crates/carrier", &["wire"]),
    ("crates/domain", &[]),
    ("crates/engine", &["domain", "store", "wire"]),
    ("crates/sim", &["domain", "wire"]),
    ("crates/store", &["domain"]),
    ("crates/web", &["domain", "store"]),
    ("crates/wire", &[]),
    ("xtask", &["domain", "sim", "wire"]),
];

/// What would bring effects into `domain` and `wire`.
const EFFECTS: &[&str] = &[
    "axum", "hyper", "mio", "nix", "reqwest", "rusqlite", "rustix", "smol", "socket2", "tokio",
    "ureq",
];

/// The database drivers, which only the store may hold.
const DRIVERS: &[&str] = &["refinery", "rusqlite", "sqlx", "tokio-postgres"];

/// `campanile → web, engine, carrier → store, wire → domain`, and `web` cannot reach `engine`.
pub(super) fn directions_hold(tree: &Tree, findings: &mut Vec<Finding>) {
    for (path, folder) in rooms(tree) {
        let Some((_, allowed)) = ROOMS.iter().find(|(room, _)| *room == folder) else {
            findings.push(Finding::in_file(path, "a new room: say in tidy what it may use"));
            continue;
        };
        for (line, name) in dependencies(tree.text(path).unwrap_or_default()) {
            let ours = name.strip_prefix("campanile-");
            if let Some(ours) = ours.filter(|ours| !allowed.contains(ours)) {
                findings.push(Finding::at(path, line, format!("{folder} may not use {ours}")));
            }
        }
    }
}

/// `domain` and `wire` have no runtime and no sockets; the driver of the database is the store's.
pub(super) fn pure_rooms_stay_pure(tree: &Tree, findings: &mut Vec<Finding>) {
    for (path, folder) in rooms(tree) {
        let is_pure = matches!(folder, "crates/domain" | "crates/wire");
        for (line, name) in dependencies(tree.text(path).unwrap_or_default()) {
            if is_pure && EFFECTS.contains(&name) {
                findings.push(Finding::at(path, line, format!("{folder} is pure: no {name}")));
            } else if folder != "crates/store" && DRIVERS.contains(&name) {
                findings.push(Finding::at(path, line, format!("{name} belongs to crates/store")));
            }
        }
        if is_pure && !tree.files.contains_key(&format!("{folder}/clippy.toml")) {
            findings.push(Finding::in_file(path, "its clippy.toml keeps clocks and files out"));
        }
    }
}

/// Versions stand once, at the root, and each dependency says there what it is for.
pub(super) fn dependencies_say_what_for(tree: &Tree, findings: &mut Vec<Finding>) {
    let root = tree.text("Cargo.toml").unwrap_or_default();
    let lines: Vec<&str> = root.lines().collect();
    for (line, name) in dependencies(root) {
        let is_ours = name.starts_with("campanile-");
        if !is_ours && !lines.get(line.wrapping_sub(2)).is_some_and(|above| above.starts_with('#'))
        {
            findings.push(Finding::at("Cargo.toml", line, format!("say what {name} is for")));
        }
    }
    for (path, _) in rooms(tree) {
        let manifest = tree.text(path).unwrap_or_default();
        let is_dependency = |section: &str| section.contains("dependencies]");
        let mut inside = false;
        for (index, line) in manifest.lines().enumerate() {
            if line.starts_with('[') {
                inside = is_dependency(line);
            } else if inside && line.contains('=') && !line.contains("workspace = true") {
                let what = "take the version from the root: NAME.workspace = true";
                findings.push(Finding::at(path, index + 1, what));
            }
        }
    }
}

fn rooms(tree: &Tree) -> impl Iterator<Item = (&str, &str)> {
    tree.files.keys().filter_map(|path| {
        let folder = path.strip_suffix("/Cargo.toml")?;
        (folder == "xtask" || folder.starts_with("crates/")).then_some((path.as_str(), folder))
    })
}

/// The names under `[dependencies]`, with their lines. Tests may use more: they hold the judge.
fn dependencies(manifest: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut inside = false;
    for (index, line) in manifest.lines().enumerate() {
        if let Some(section) = line.trim().strip_prefix('[') {
            inside = section.starts_with("dependencies]") || section.contains(".dependencies]");
            if let Some(name) = section.strip_prefix("dependencies.") {
                found.push((index + 1, name.trim_end_matches(']')));
            }
        } else if inside {
            let name = line.split(['.', '=', ' ', '#']).next().unwrap_or_default();
            if !name.is_empty() {
                found.push((index + 1, name));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::found;

    #[test]
    fn a_dependency_against_the_direction_is_found() {
        let web = "[dependencies]\ncampanile-store.workspace = true\ncampanile-engine = { path = \"\" }\n";
        assert_eq!(
            found(directions_hold, &[("crates/web/Cargo.toml", web)]),
            ["crates/web/Cargo.toml:3: crates/web may not use engine"]
        );
        let tests = "[dev-dependencies]\ncampanile-carrier.workspace = true\n";
        assert!(found(directions_hold, &[("crates/engine/Cargo.toml", tests)]).is_empty());
        assert_eq!(found(directions_hold, &[("crates/new/Cargo.toml", "")]).len(), 1);
    }

    #[test]
    fn an_effect_in_a_pure_room_is_found() {
        let clippy = ("crates/wire/clippy.toml", "");
        let manifest =
            "[dependencies]\ntokio.workspace = true\n[dependencies.mio]\nversion = \"1\"\n";
        assert_eq!(
            found(pure_rooms_stay_pure, &[clippy, ("crates/wire/Cargo.toml", manifest)]),
            [
                "crates/wire/Cargo.toml:2: crates/wire is pure: no tokio",
                "crates/wire/Cargo.toml:3: crates/wire is pure: no mio"
            ]
        );
        assert_eq!(found(pure_rooms_stay_pure, &[("crates/domain/Cargo.toml", "")]).len(), 1);
    }

    #[test]
    fn a_dependency_without_its_reason_or_with_its_own_version_is_found() {
        let root = "[workspace.dependencies]\ncampanile-web = { path = \"\" }\n# errors\nanyhow = \"1\"\ncsv = \"1\"\n";
        let room =
            "[package]\nname = \"x\"\n[dev-dependencies]\nanyhow.workspace = true\ncsv = \"2\"\n";
        assert_eq!(
            found(
                dependencies_say_what_for,
                &[("Cargo.toml", root), ("crates/web/Cargo.toml", room)]
            ),
            [
                "Cargo.toml:5: say what csv is for",
                "crates/web/Cargo.toml:5: take the version from the root: NAME.workspace = true"
            ]
        );
    }

    #[test]
    fn a_database_driver_outside_the_store_is_found() {
        let manifest = "[dependencies]\nrusqlite.workspace = true\n";
        let rule = pure_rooms_stay_pure;
        assert_eq!(found(rule, &[("crates/web/Cargo.toml", manifest)]).len(), 1);
        assert!(found(rule, &[("crates/store/Cargo.toml", manifest)]).is_empty());
    }
}
