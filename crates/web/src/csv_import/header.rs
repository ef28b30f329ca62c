//! The first line of a contact file: its separator and its columns.

use crate::csv_import::{ImportError, Separator};

/// Columns that a file may have.
pub(super) const COLUMNS_MAX: usize = 200;

/// Characters that a name may have: it is kept with every contact.
const NAME_MAX: usize = 100;

/// The columns of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Columns {
    names: Vec<String>,
    columns: Vec<Column>,
}

/// What a column holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// The numbers.
    Phone,
    /// A variable of this name, as a JSON string.
    Variable(String),
}

impl Columns {
    /// Reads the names; blanks around them do not count.
    pub(super) fn read<'a>(names: impl Iterator<Item = &'a str>) -> Result<Self, ImportError> {
        let names: Vec<_> = names.map(str::trim).collect();
        if names.iter().all(|name| name.is_empty()) {
            return Err(ImportError::Empty);
        }
        if names.len() > COLUMNS_MAX {
            let columns = names.len();
            return Err(ImportError::TooManyColumns { columns, columns_max: COLUMNS_MAX });
        }
        let mut columns = Vec::with_capacity(names.len());
        for (index, name) in names.iter().enumerate() {
            if name.is_empty() {
                return Err(ImportError::EmptyHeader { column: index + 1 });
            }
            if name.contains(['\0', char::REPLACEMENT_CHARACTER]) {
                return Err(ImportError::UnreadableHeader { column: index + 1 });
            }
            if name.len() > NAME_MAX && name.chars().count() > NAME_MAX {
                return Err(ImportError::LongHeader { column: index + 1, chars_max: NAME_MAX });
            }
            let is_same = |other: &&str| *other == *name || (is_phone(other) && is_phone(name));
            if let Some(first) = names[..index].iter().position(is_same) {
                return Err(ImportError::DuplicateHeader {
                    name: shortened(name),
                    first: first + 1,
                    second: index + 1,
                });
            }
            columns.push(if is_phone(name) {
                Column::Phone
            } else {
                Column::Variable(serde_json::to_string(name).expect("a text is JSON"))
            });
        }
        if !columns.contains(&Column::Phone) {
            return Err(ImportError::NoPhoneColumn { columns: listed(&names) });
        }
        Ok(Self { names: names.into_iter().map(str::to_owned).collect(), columns })
    }

    /// In file order.
    pub(super) fn iter(&self) -> std::slice::Iter<'_, Column> {
        self.columns.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    /// Bytes that the names of a full row take as JSON.
    pub(super) fn room(&self) -> usize {
        self.names.iter().map(|name| name.len() + 6).sum()
    }

    /// The names as they stand in the file.
    pub(super) fn into_names(self) -> Vec<String> {
        self.names
    }
}

/// The separator that a first line uses most, outside quotes; a comma when it uses
/// none. `sep=;`, which Excel writes and reads, is not a header but says it.
pub(super) fn separator_of(line: &str) -> Separator {
    let mut counts = [0u32; Separator::ALL.len()];
    let mut quoted = false;
    for byte in line.bytes() {
        if byte == b'"' {
            quoted = !quoted;
        } else if let Some(index) =
            Separator::ALL.iter().position(|separator| separator.byte() == byte)
            && !quoted
        {
            counts[index] += 1;
        }
    }
    let most = counts.iter().max().copied().unwrap_or(0);
    let index = counts.iter().position(|count| *count == most).unwrap_or(0);
    Separator::ALL[index]
}

/// The separator that a line `sep=…` declares.
pub(super) fn declared_separator(line: &str) -> Option<Separator> {
    let (name, value) = line.trim_end_matches(['\r', '\n']).split_once('=')?;
    let [byte] = value.as_bytes() else { return None };
    Separator::from_byte(*byte).filter(|_| name.trim().eq_ignore_ascii_case("sep"))
}

/// `phone_number` in any case, with blanks, underscores or neither. Marks that cannot
/// be seen do not count: a file glued together from two has one in its middle.
pub(crate) fn is_phone(name: &str) -> bool {
    let is_unseen = |char: char| {
        char.is_whitespace()
            || matches!(char, '_' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
    };
    name.chars()
        .filter(|char| !is_unseen(*char))
        .flat_map(char::to_lowercase)
        .eq("phonenumber".chars())
}

fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 10;
    let mut words: Vec<_> =
        names.iter().take(SHOWN).map(|name| format!("`{}`", shortened(name))).collect();
    if names.len() > SHOWN {
        words.push(format!("and {} more", names.len() - SHOWN));
    }
    words.join(", ")
}

fn shortened(name: &str) -> String {
    match name.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(names: &[&str]) -> Result<Columns, String> {
        Columns::read(names.iter().copied()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_phone_column_is_found_however_it_is_spelt() {
        for name in [
            "phone_number",
            "Phone Number",
            " PHONE_NUMBER ",
            "PhoneNumber",
            "\u{a0}phone number",
            "\u{feff}phone_number\u{200b}",
        ] {
            let columns = read(&["name", name]).unwrap();
            assert_eq!(columns.columns[1], Column::Phone, "{name:?}");
        }
        for name in ["phone", "mobile", "phone_number_2"] {
            assert!(read(&[name]).is_err(), "{name}");
        }
    }

    #[test]
    fn a_faulty_header_names_the_column() {
        let faults = [
            read(&["name", "mobile"]),
            read(&["phone_number", "", "name"]),
            read(&["phone_number", "name", "name"]),
            read(&["phone_number", "Phone Number"]),
            read(&["", " "]),
            read(&vec!["x"; 201]),
            read(&["phone_number", &"x".repeat(101)]),
            read(&["phone_number", "caf\u{fffd}"]),
        ]
        .map(|fault| fault.unwrap_err());
        insta::assert_snapshot!(faults.join("\n"), @r"
        there is no column `phone_number`; the first line names `name`, `mobile`
        column 2 has no name; name it or remove it
        the column `name` is there twice (columns 2 and 3); rename one
        the column `Phone Number` is there twice (columns 1 and 2); rename one
        the file is empty; its first line must name the columns, one of them `phone_number`
        the file has 201 columns; the limit is 200, so column 201 is one too many
        the name of column 2 is longer than 100 characters; shorten it
        the name of column 2 cannot be read; say which encoding the file has, or save it as UTF-8
        ");
    }

    #[test]
    fn the_separator_is_the_one_the_first_line_uses_most() {
        for (line, separator) in [
            ("phone_number,name", b','),
            ("phone_number;name", b';'),
            ("phone_number\tname", b'\t'),
            ("phone_number|name", b'|'),
            ("phone_number", b','),
            ("phone_number;\"a,b,c\";d", b';'),
            ("a,b;c", b','),
        ] {
            assert_eq!(separator_of(line).byte(), separator, "{line}");
        }
        assert_eq!(declared_separator("sep=;\r\n"), Separator::from_byte(b';'));
        assert_eq!(declared_separator("SEP=\t"), Separator::from_byte(b'\t'));
        assert_eq!(declared_separator("sep=;;"), None);
        assert_eq!(declared_separator("phone_number"), None);
    }
}
