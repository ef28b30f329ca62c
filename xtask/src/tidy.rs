//! `cargo xtask tidy`: the rules of the house that neither compiler nor clippy holds.
//!
//! Each rule is a function over the files of the checkout, so that a test can show it an invented tree in which it
//! must find something. The last test here runs them all over the real one: tidiness is a test like any other.

mod code;
mod documents;
mod files;
mod rooms;
mod source;

use std::{collections::BTreeMap, fmt, fs, path::Path};

use anyhow::{Result, bail};

use crate::{tidy::source::Source, tree};

/// What to do besides checking.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// At a release: from now on today's migrations may not change any more.
    #[arg(long)]
    seal_migrations: bool,
}

/// The files of a checkout.
#[derive(Debug, Default)]
struct Tree {
    files: BTreeMap<String, Vec<u8>>,
    sources: BTreeMap<String, Source>,
    test_files: Vec<String>,
}

/// Something that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    /// From 1; 0 stands for the whole file.
    line: usize,
    what: String,
}

type Rule = fn(&Tree, &mut Vec<Finding>);

const RULES: &[Rule] = &[
    code::sql_lives_in_the_store,
    code::unwrap_is_for_tests,
    code::nothing_is_left_undone,
    code::no_test_is_ignored,
    code::exceptions_have_a_reason,
    code::only_programs_print,
    code::words_of_the_glossary,
    files::not_too_long,
    files::names_say_something,
    files::no_machine_paths,
    files::released_migrations_stay,
    files::vendored_files_are_what_they_say,
    rooms::directions_hold,
    rooms::pure_rooms_stay_pure,
    rooms::dependencies_say_what_for,
    documents::links_lead_somewhere,
    documents::every_reason_is_explained,
    documents::requirement_ids_exist,
    documents::one_test_command,
];

impl Tree {
    fn read(root: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        for path in tree::files(root)? {
            // A file that somebody removes meanwhile is not part of the tree.
            if let Ok(bytes) = fs::read(root.join(&path)) {
                files.insert(path, bytes);
            }
        }
        Ok(Self::of(files))
    }

    fn of(files: BTreeMap<String, Vec<u8>>) -> Self {
        let sources: BTreeMap<String, Source> = files
            .iter()
            .filter(|(path, _)| path.ends_with(".rs"))
            .map(|(path, bytes)| (path.clone(), Source::scan(&String::from_utf8_lossy(bytes))))
            .collect();
        let test_files = sources
            .iter()
            .flat_map(|(path, source)| source.test_modules.iter().map(|name| child(path, name)))
            .collect();
        Self { files, sources, test_files }
    }

    #[cfg(test)]
    fn invent(files: &[(&str, &str)]) -> Self {
        Self::of(
            files
                .iter()
                .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
                .collect(),
        )
    }

    /// The file as text, unless it is not text.
    fn text(&self, path: &str) -> Option<&str> {
        str::from_utf8(self.files.get(path)?).ok()
    }

    /// Whether this line of a Rust file is compiled only for tests.
    fn is_test(&self, path: &str, line: usize) -> bool {
        ["/tests/", "/benches/", "/examples/"].iter().any(|folder| path.contains(folder))
            || self.test_files.iter().any(|file| file == path)
            || self.sources.get(path).is_some_and(|source| source.is_test(line))
    }
}

/// Where `mod name;` in the file `path` is kept.
fn child(path: &str, name: &str) -> String {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    match file {
        "lib.rs" | "main.rs" => format!("{folder}/{name}.rs"),
        _ => format!("{folder}/{}/{name}.rs", file.trim_end_matches(".rs")),
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(out, "{}: {}", self.path, self.what),
            line => write!(out, "{}:{line}: {}", self.path, self.what),
        }
    }
}

impl Finding {
    fn at(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into() }
    }

    fn in_file(path: &str, what: impl Into<String>) -> Self {
        Self::at(path, 0, what)
    }
}

/// Checks the checkout, or seals its migrations.
pub(crate) fn run(options: &Options) -> Result<()> {
    if options.seal_migrations {
        let sums = files::seal(&Tree::read(&tree::root())?);
        fs::write(tree::root().join(files::SEALED), sums)?;
        println!("wrote {}", files::SEALED);
    }
    check_tree()
}

/// Checks the checkout and prints what is not tidy.
pub(crate) fn check_tree() -> Result<()> {
    let tree = Tree::read(&tree::root())?;
    let findings = check(&tree);
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => {
            println!("{} rules hold over {} files", RULES.len(), tree.files.len());
            Ok(())
        }
        1 => bail!("1 thing is not tidy"),
        count => bail!("{count} things are not tidy"),
    }
}

fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in RULES {
        rule(tree, &mut findings);
    }
    findings.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    findings
}

/// Shows a rule one tree and returns what it finds, as text.
#[cfg(test)]
fn found(rule: Rule, files: &[(&str, &str)]) -> Vec<String> {
    let mut findings = Vec::new();
    rule(&Tree::invent(files), &mut findings);
    findings.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_house_is_tidy() {
        let findings = check(&Tree::read(&tree::root()).unwrap());
        let text: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(text.is_empty(), "not tidy:\n{}", text.join("\n"));
    }

    #[test]
    fn a_module_declared_for_tests_is_a_test_in_its_own_file() {
        let tree = Tree::invent(&[
            ("crates/x/src/lib.rs", "#[cfg(test)]\nmod harness;\nmod plain;\n"),
            ("crates/x/src/plain.rs", "#[cfg(test)]\nmod table;\nfn a() {}\n"),
            ("crates/x/src/harness.rs", "fn b() {}\n"),
            ("crates/x/src/plain/table.rs", "fn c() {}\n"),
        ]);
        assert!(tree.is_test("crates/x/src/harness.rs", 1));
        assert!(tree.is_test("crates/x/src/plain/table.rs", 1));
        assert!(!tree.is_test("crates/x/src/plain.rs", 3));
        assert!(tree.is_test("crates/x/tests/calls.rs", 1));
    }
}
