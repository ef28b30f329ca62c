//! Rules about what Rust code says.

use super::{Finding, Tree, source::Source};

/// How an SQL statement begins, and a word that must follow (plain English and SIP begin with some of these, too).
const SQL: &[(&str, &str)] = &[
    ("ALTER TABLE ", ""),
    ("BEGIN IMMEDIATE", ""),
    ("CREATE INDEX ", ""),
    ("CREATE TABLE ", ""),
    ("CREATE UNIQUE ", ""),
    ("DELETE FROM ", ""),
    ("DROP TABLE ", ""),
    ("INSERT INTO ", ""),
    ("INSERT OR ", ""),
    ("PRAGMA ", ""),
    ("REPLACE INTO ", ""),
    ("SELECT ", ""),
    ("UPDATE ", " SET "),
    ("WITH ", " AS ("),
];

/// The unfinished, in macros.
const UNDONE_CODE: &[&str] = &["todo!", "unimplemented!"];
/// The unfinished, in comments.
const UNDONE_WORDS: &[&str] = &["TODO", "FIXME", "XXX", "HACK"];

/// Words that docs/glossary.md gives up for another, as far as no library and no plain English needs them.
const NOT_OUR_WORDS: &[(&str, &str)] = &[
    ("blacklist", "exclusion or do_not_call"),
    ("circuit", "breaker"),
    ("dialer", "dialler"),
    ("dialers", "diallers"),
    ("dialing", "dialling"),
    ("prospect", "contact"),
    ("prospects", "contacts"),
    ("suppression", "exclusion"),
    ("trunk", "carrier"),
    ("trunks", "carriers"),
    ("whitelist", "allowed"),
];

/// SQL text exists only in `store`. Applies to tests as well: they ask the store.
pub(super) fn sql_lives_in_the_store(tree: &Tree, findings: &mut Vec<Finding>) {
    for (path, source) in &tree.sources {
        if path.starts_with("crates/store/") || path.starts_with("xtask/") {
            continue;
        }
        for (line, text) in &source.strings {
            if is_sql(text) {
                findings.push(Finding::at(path, *line, "SQL text belongs into crates/store"));
            }
        }
    }
}

fn is_sql(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ") + " ";
    SQL.iter().any(|(begin, follow)| {
        text.starts_with(begin) && text.contains(follow)
            || text.starts_with(&begin.to_lowercase())
                && text.contains(&follow.to_lowercase())
                && (*begin != "SELECT " || text.contains(" from "))
    })
}

/// `unwrap()` outside tests says nothing to whoever reads the panic; `expect` says why it holds.
pub(super) fn unwrap_is_for_tests(tree: &Tree, findings: &mut Vec<Finding>) {
    product_lines(tree, |path, line, code| {
        if code.contains(".unwrap()") {
            findings.push(Finding::at(path, line, "say why it holds: expect(\"…\")"));
        }
    });
}

/// What is committed is finished.
pub(super) fn nothing_is_left_undone(tree: &Tree, findings: &mut Vec<Finding>) {
    for (path, source) in &tree.sources {
        for (line, code) in source.code_lines() {
            if let Some(word) = UNDONE_CODE.iter().find(|word| code.contains(**word)) {
                findings.push(Finding::at(path, line, format!("{word} is not finished work")));
            }
        }
        for (line, comment) in &source.comments {
            let mut words = comment.split(|letter: char| !letter.is_alphanumeric());
            if let Some(word) = words.find(|word| UNDONE_WORDS.contains(word)) {
                let what = format!("{word}: write an issue, and say here what holds today");
                findings.push(Finding::at(path, *line, what));
            }
        }
    }
}

/// An ignored test is a deleted one that still counts.
pub(super) fn no_test_is_ignored(tree: &Tree, findings: &mut Vec<Finding>) {
    each_attribute(tree, |path, line, attribute| {
        if attribute == "ignore" || attribute.starts_with("ignore=") {
            findings.push(Finding::at(path, line, "an ignored test: mend it or remove it"));
        }
    });
}

/// `#[allow]` and `#[expect]` carry their reason.
pub(super) fn exceptions_have_a_reason(tree: &Tree, findings: &mut Vec<Finding>) {
    each_attribute(tree, |path, line, attribute| {
        let is_exception = attribute.starts_with("allow(") || attribute.starts_with("expect(");
        if is_exception && !attribute.contains("reason=") {
            findings.push(Finding::at(path, line, "an exception needs `reason = \"…\"`"));
        }
    });
}

/// Standard output and error belong to the programs; rooms log.
pub(super) fn only_programs_print(tree: &Tree, findings: &mut Vec<Finding>) {
    product_lines(tree, |path, line, code| {
        let is_program = path.starts_with("crates/campanile/")
            || path.starts_with("xtask/")
            || path.ends_with("/build.rs");
        let prints = ["println!", "print!", "dbg!"].iter().any(|word| code.contains(word));
        if prints && !is_program {
            findings.push(Finding::at(path, line, "only the programs print; log with tracing"));
        }
    });
}

/// One word for one thing, also in names.
pub(super) fn words_of_the_glossary(tree: &Tree, findings: &mut Vec<Finding>) {
    for (path, source) in &tree.sources {
        for (line, code) in source.code_lines() {
            let names = code.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
            for word in names.flat_map(words_of) {
                if let Some((_, ours)) = NOT_OUR_WORDS.iter().find(|(not, _)| *not == word) {
                    let what = format!("`{word}` in a name: docs/glossary.md says {ours}");
                    findings.push(Finding::at(path, line, what));
                }
            }
        }
    }
}

/// `MaxCalls`, `max_calls` and `MAX_CALLS` are `max` and `calls`.
fn words_of(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for letter in name.chars() {
        if letter == '_' || (letter.is_uppercase() && was_lower) {
            words.push(String::new());
        }
        was_lower = letter.is_lowercase();
        if letter != '_' {
            let word = words.last_mut().expect("there is always one");
            word.extend(letter.to_lowercase());
        }
    }
    words
}

fn product_lines(tree: &Tree, mut visit: impl FnMut(&str, usize, &str)) {
    for (path, source) in &tree.sources {
        for (line, code) in source.code_lines() {
            if !tree.is_test(path, line) {
                visit(path, line, code);
            }
        }
    }
}

fn each_attribute(tree: &Tree, mut visit: impl FnMut(&str, usize, &str)) {
    for (path, source) in &tree.sources {
        for (line, attribute, _) in Source::attributes(source) {
            let compact: String = attribute.split_whitespace().collect();
            visit(path, line, &compact);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{Rule, found};

    const LIB: &str = "crates/web/src/lib.rs";

    /// How many things a rule finds in this file.
    fn count(rule: Rule, path: &str, text: &str) -> usize {
        found(rule, &[(path, text)]).len()
    }

    #[test]
    fn sql_outside_the_store_is_found() {
        let rule: Rule = sql_lives_in_the_store;
        for (text, findings) in [
            (r#"fn a() { query("SELECT id FROM campaign") }"#, 1),
            ("fn a() { query(r#\"\n   UPDATE campaign\n   SET name = ?\"#) }", 1),
            (r#"fn a() { query("delete from contact where id = ?") }"#, 1),
            (r#"fn a() { query("PRAGMA wal_checkpoint") }"#, 1),
            (r#"fn a() { label("Select a bot"); label("select a bot") }"#, 0),
            (r#"fn a() { send("UPDATE sip:a@b SIP/2.0") }"#, 0),
            (r#"fn a() { label("With no numbers configured") }"#, 0),
            (r#"// "SELECT id FROM campaign" is what the store does"#, 0),
        ] {
            assert_eq!(count(rule, LIB, text), findings, "{text}");
            assert_eq!(count(rule, "crates/store/src/lib.rs", text), 0, "{text}");
        }
    }

    #[test]
    fn unwrap_outside_tests_is_found() {
        let rule: Rule = unwrap_is_for_tests;
        assert_eq!(
            found(rule, &[(LIB, "fn a() {\n b().unwrap();\n}")])[0],
            "crates/web/src/lib.rs:2: say why it holds: expect(\"…\")"
        );
        assert_eq!(count(rule, LIB, "#[cfg(test)]\nmod tests {\n fn a() { b().unwrap(); }\n}"), 0);
        assert_eq!(
            count(rule, LIB, "fn a() { b().expect(\"it was checked\"); c(\".unwrap()\") }"),
            0
        );
        assert_eq!(count(rule, "crates/web/tests/api.rs", "fn a() { b().unwrap(); }"), 0);
    }

    #[test]
    fn unfinished_work_is_found() {
        let rule: Rule = nothing_is_left_undone;
        assert_eq!(count(rule, LIB, "fn a() { todo!() }"), 1);
        assert_eq!(count(rule, LIB, "#[cfg(test)] mod t { fn a() { unimplemented!() } }"), 1);
        assert_eq!(count(rule, LIB, "// FIXME: later"), 1);
        assert_eq!(count(rule, LIB, "/// XXX what about this"), 1);
        assert_eq!(count(rule, LIB, "fn a() { b(\"todo! FIXME\") } // no hack"), 0);
    }

    #[test]
    fn an_ignored_test_is_found() {
        let rule: Rule = no_test_is_ignored;
        assert_eq!(count(rule, LIB, "#[test]\n#[ignore]\nfn a() {}"), 1);
        assert_eq!(count(rule, LIB, "#[test]\n#[ignore = \"slow\"]\nfn a() {}"), 1);
        assert_eq!(count(rule, LIB, "// #[ignore]\n#[test]\nfn a() {}"), 0);
    }

    #[test]
    fn an_exception_without_a_reason_is_found() {
        let rule: Rule = exceptions_have_a_reason;
        assert_eq!(count(rule, LIB, "#![allow(dead_code)]"), 1);
        assert_eq!(count(rule, LIB, "#[expect(clippy::large_futures)]\nfn a() {}"), 1);
        assert_eq!(
            count(
                rule,
                LIB,
                "#[expect(\n  dead_code,\n  reason = \"read by the macro\"\n)]\nfn a() {}"
            ),
            0
        );
    }

    #[test]
    fn a_room_that_prints_is_found() {
        let rule: Rule = only_programs_print;
        assert_eq!(count(rule, LIB, "fn a() { println!(\"x\") }"), 1);
        assert_eq!(count(rule, LIB, "fn a() { eprintln!(\"x\") }"), 1);
        assert_eq!(count(rule, LIB, "#[test]\nfn a() { println!(\"x\") }"), 0);
        assert_eq!(count(rule, "crates/campanile/src/main.rs", "fn a() { println!(\"x\") }"), 0);
    }

    #[test]
    fn a_word_that_the_glossary_gave_up_is_found() {
        let rule: Rule = words_of_the_glossary;
        assert_eq!(count(rule, LIB, "struct ProspectList;"), 1);
        assert_eq!(count(rule, LIB, "fn max_dialer_calls() {}"), 1);
        assert_eq!(count(rule, LIB, "const TRUNK: u8 = 0;"), 1);
        assert_eq!(
            count(rule, LIB, "fn circuitous(short_circuits: u8) { \"a trunk\"; } // a trunk"),
            0
        );
    }
}
