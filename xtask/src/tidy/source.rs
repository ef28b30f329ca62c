//! A Rust file taken apart: code, comments and string literals, and which lines are tests.
//!
//! A scanner, not a parser: it knows just enough of the language (nested comments, raw strings, characters against
//! lifetimes, brackets) never to take a text for code or the other way round.

/// One Rust file.
#[derive(Debug)]
pub(crate) struct Source {
    /// The text with comments and the insides of literals blanked; lines stay where they are.
    pub(crate) code: String,
    /// Comments with the line they begin on.
    pub(crate) comments: Vec<(usize, String)>,
    /// String literals, without quotes, with the line they begin on.
    pub(crate) strings: Vec<(usize, String)>,
    /// By line, from 0: compiled only for tests.
    test_lines: Vec<bool>,
    /// Modules declared as `#[cfg(test)] mod name;`.
    pub(crate) test_modules: Vec<String>,
}

impl Source {
    /// Takes a file apart.
    pub(crate) fn scan(text: &str) -> Self {
        let mut scanner =
            Scanner { rest: text, line: 1, code: String::new(), comments: vec![], strings: vec![] };
        scanner.run();
        let Scanner { code, comments, strings, .. } = scanner;
        let mut source = Self {
            test_lines: vec![false; code.lines().count() + 1],
            code,
            comments,
            strings,
            test_modules: Vec::new(),
        };
        source.mark_tests();
        source
    }

    /// Whether this line (from 1) is compiled only for tests.
    pub(crate) fn is_test(&self, line: usize) -> bool {
        self.test_lines.get(line - 1).copied().unwrap_or(false)
    }

    /// The lines of code, numbered from 1.
    pub(crate) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// Attributes as (line, text between `#[` or `#![` and `]`, offset behind it).
    pub(crate) fn attributes(&self) -> Vec<(usize, &str, usize)> {
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(at) = self.code[from..].find('#').map(|at| at + from) {
            from = at + 1;
            let inner = self.code[from..].strip_prefix('!').map_or(from, |_| from + 1);
            if !self.code[inner..].starts_with('[') {
                continue;
            }
            let Some(end) = closing(&self.code, inner) else { break };
            found.push((self.line_at(at), &self.code[inner + 1..end], end + 1));
            from = end + 1;
        }
        found
    }

    fn line_at(&self, offset: usize) -> usize {
        1 + self.code[..offset].matches('\n').count()
    }

    fn mark_tests(&mut self) {
        let regions: Vec<(usize, usize, Option<String>)> = self
            .attributes()
            .into_iter()
            .filter(|(_, attribute, _)| is_test_attribute(attribute))
            .map(|(line, _, behind)| {
                let (end, module) = item_end(&self.code, behind);
                (line, self.line_at(end), module)
            })
            .collect();
        for (first, last, module) in regions {
            for line in first..=last {
                if let Some(mark) = self.test_lines.get_mut(line - 1) {
                    *mark = true;
                }
            }
            self.test_modules.extend(module);
        }
    }
}

fn is_test_attribute(attribute: &str) -> bool {
    let compact: String = attribute.split_whitespace().collect();
    compact == "test"
        || compact == "tokio::test"
        || compact.starts_with("tokio::test(")
        || compact.strip_prefix("cfg(").is_some_and(|condition| {
            condition
                .replace("not(test)", "")
                .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
                .any(|word| word == "test")
        })
}

/// Where the item that begins at `from` ends, and its name if it is `mod name;`.
fn item_end(code: &str, from: usize) -> (usize, Option<String>) {
    let mut at = from;
    while let Some(offset) = code[at..].find(['{', ';', '(', '[']) {
        at += offset;
        match code.as_bytes()[at] {
            b'{' => return (closing(code, at).unwrap_or(code.len()), None),
            b';' => {
                let mut words = code[from..at].split_whitespace().rev();
                let name = words.next().map(str::to_owned);
                return (at, name.filter(|_| words.next() == Some("mod")));
            }
            _ => at = closing(code, at).map_or(code.len(), |end| end + 1),
        }
    }
    (code.len(), None)
}

/// The bracket that closes the one at `open`, in blanked code.
fn closing(code: &str, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (offset, byte) in code[open..].bytes().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(open + offset);
                }
            }
            _ => {}
        }
    }
    None
}

struct Scanner<'a> {
    rest: &'a str,
    line: usize,
    code: String,
    comments: Vec<(usize, String)>,
    strings: Vec<(usize, String)>,
}

impl Scanner<'_> {
    fn run(&mut self) {
        while let Some(letter) = self.rest.chars().next() {
            if self.rest.starts_with("//") {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                self.comment(end);
            } else if self.rest.starts_with("/*") {
                self.comment(block_comment(self.rest));
            } else if let Some((open, hashes)) = string_start(self.rest, self.code.chars().last()) {
                self.string(open, hashes);
            } else if letter == '\'' {
                let length = character(self.rest);
                self.keep(1);
                if length > 1 {
                    self.blank(length - 2);
                    self.keep(1);
                }
            } else {
                self.keep(letter.len_utf8());
            }
        }
    }

    fn keep(&mut self, length: usize) {
        let (text, rest) = self.rest.split_at(length);
        self.line += text.matches('\n').count();
        self.code.push_str(text);
        self.rest = rest;
    }

    fn blank(&mut self, length: usize) {
        let (text, rest) = self.rest.split_at(length);
        self.line += text.matches('\n').count();
        self.code.extend(text.chars().map(|letter| if letter == '\n' { '\n' } else { ' ' }));
        self.rest = rest;
    }

    fn comment(&mut self, length: usize) {
        self.comments.push((self.line, self.rest[..length].to_owned()));
        self.blank(length);
    }

    fn string(&mut self, open: usize, hashes: Option<usize>) {
        self.keep(open);
        let close = format!("\"{}", "#".repeat(hashes.unwrap_or(0)));
        let length = match hashes {
            None => quoted(self.rest),
            Some(_) => self.rest.find(&close).unwrap_or(self.rest.len()),
        };
        self.strings.push((self.line, self.rest[..length].to_owned()));
        self.blank(length);
        self.keep(close.len().min(self.rest.len()));
    }
}

/// Length of the opening of a string literal here, and its hashes if it is a raw one.
fn string_start(rest: &str, before: Option<char>) -> Option<(usize, Option<usize>)> {
    if rest.starts_with('"') {
        return Some((1, None));
    }
    if before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_') {
        return None;
    }
    let prefix = ["br", "cr", "r", "b", "c"].into_iter().find(|prefix| {
        rest.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(['"', '#']))
    })?;
    let hashes = rest[prefix.len()..].bytes().take_while(|byte| *byte == b'#').count();
    let open = prefix.len() + hashes;
    let is_raw = prefix.ends_with('r');
    (rest[open..].starts_with('"') && (is_raw || hashes == 0))
        .then_some((open + 1, is_raw.then_some(hashes)))
}

fn quoted(rest: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at,
            _ => {}
        }
    }
    rest.len()
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    let bytes = rest.as_bytes();
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => depth += 1,
            b"*/" => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// Length of the character literal here, or 1 for the quote of a lifetime.
fn character(rest: &str) -> usize {
    let mut letters = rest.char_indices().skip(1);
    match letters.next() {
        Some((_, '\\')) => {
            letters.next();
            letters.find(|(_, letter)| *letter == '\'').map_or(1, |(at, _)| at + 1)
        }
        Some(_) => match letters.next() {
            Some((at, '\'')) => at + 1,
            _ => 1,
        },
        None => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(text: &str) -> Vec<String> {
        Source::scan(text).strings.into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn literals_comments_and_code_are_told_apart() {
        let text = r####"
            let a = "one \" two"; // a "comment"
            let b = r#"three "four""#; /* not /* nested */ "code" */
            let c = r"C:\"; let d = b"five"; let e = '"'; let f = '\''; let g: &'static str = "six";
            let r#type = br##"se"#ven"##;
        "####;
        assert_eq!(
            strings(text),
            [r#"one \" two"#, r#"three "four""#, r"C:\", "five", "six", "se\"#ven"]
        );
        let source = Source::scan(text);
        assert_eq!(source.comments.len(), 2);
        assert_eq!(source.code.lines().count(), text.lines().count());
        assert!(!source.code.contains("comment") && !source.code.contains("four"));
        assert!(source.code.contains("let r#type"));
    }

    #[test]
    fn tests_are_known_by_their_attributes() {
        let source = Source::scan(
            "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() { \"}\"; }\n}\nfn c() {}\n\
             #[cfg(not(test))]\nfn d() {}\n#[cfg(all(test, unix))]\n#[path = \"x\"]\nmod table;\n",
        );
        let tests: Vec<usize> = (1..=11).filter(|line| source.is_test(*line)).collect();
        assert_eq!(tests, [2, 3, 4, 5, 9, 10, 11]);
        assert_eq!(source.test_modules, ["table"]);
    }

    #[test]
    fn a_file_that_ends_in_the_middle_is_no_panic() {
        for text in ["\"", "r#\"", "/*", "'", "'\\", "#[cfg(test)]", "#[", "b'", "fn a() {"] {
            Source::scan(text);
        }
    }
}
