//! The body of fuzzing for contact files: takes any bytes whatever and panics when the
//! parser does, or when it breaks a promise of its own.

use serde_json::{Map, Value};

use crate::csv_import::{ImportError, ImportLimits, ImportOptions, parser::Parser, preview};

/// What mutations begin with.
pub const SEEDS: [&[u8]; 7] = [
    b"phone_number,name,city\r\n+919876500001,Asha,Pune\r\n09876500002,\"Ravi, \"\"Jr.\"\"\",\r\n",
    b"sep=;\nPhone Number;n\n+4930901820;\"two\nlines\"\nbanana;x\n;\n+4930901820;again\n9.1E+11;\n",
    b"\xEF\xBB\xBFphone_number\tn\r+4930901820\t=1+1\r'+4930901821\t\xC3\xA9\r",
    b"\xFF\xFEp\0h\0o\0n\0e\0_\0n\0u\0m\0b\0e\0r\0\n\0+\x004\09\x003\x000\x009\x000\x001\08\x002\x000\0",
    b"phone_number|n\n+4930901820|Jos\xE9 M\xFCller\n+4930901821|a\0b\n",
    b"a,phone_number\n1,2,3,4\n\"unclosed,+4930901820\n",
    b"PK\x03\x04\x14\0\x06\0",
];

/// What a file came to: good rows, refused rows, and how it ended.
type Outcome = (Vec<(u64, String, String)>, Vec<(u64, &'static str, String)>, Option<&'static str>);

/// A contact file: the same rows however it is cut into pieces, each with variables that
/// are a JSON object, and no character that could not be read among them.
pub fn contact_file(bytes: &[u8]) {
    let whole = read(bytes, bytes.len().max(1));
    let piece = bytes.last().map_or(1, |byte| usize::from(byte % 9) + 1);
    assert_eq!(read(bytes, piece), whole, "in pieces of {piece}");
    for (_, _, variables) in whole.0 {
        let object: Map<String, Value> =
            serde_json::from_str(&variables).expect("variables are a JSON object");
        let is_clean = |text: &str| !text.contains(['\0', char::REPLACEMENT_CHARACTER]);
        assert!(object.keys().all(|name| is_clean(name)), "{variables}");
        assert!(object.values().all(|value| value.as_str().is_some_and(is_clean)), "{variables}");
    }
    for (_, reason, variables) in whole.1 {
        assert!(super::explain(reason).is_some(), "{reason}");
        let _: Map<String, Value> =
            serde_json::from_str(&variables).expect("variables are a JSON object");
    }
    for is_whole in [true, false] {
        if let Ok(seen) = preview(bytes, is_whole, &ImportOptions::default(), "DE") {
            assert!(seen.rows.len() <= 20 && !seen.columns.is_empty());
        }
    }
}

fn read(bytes: &[u8], piece: usize) -> Outcome {
    let limits = ImportLimits { rows_max: 1_000, ..ImportLimits::default() };
    let mut parser = Parser::new("DE".into(), &ImportOptions::new(limits));
    let (mut rows, mut refused) = (Vec::new(), Vec::new());
    let mut keep = |chunk: super::Chunk| {
        let reasons: u64 = chunk.reasons.values().sum();
        assert_eq!(reasons, chunk.refused.len() as u64, "each refused row has its reason");
        for row in chunk.rows {
            rows.push((row.line, row.phone.to_string(), row.variables));
        }
        for row in chunk.refused {
            refused.push((row.line, row.fault.code(), row.variables));
        }
    };
    let mut read = || -> Result<(), ImportError> {
        for piece in bytes.chunks(piece) {
            parser.take(piece, &mut keep)?;
        }
        Ok(())
    };
    let ended = read().and_then(|()| parser.finish(&mut keep).map(drop));
    // A file at fault is thrown away, however far it was read.
    match ended {
        Ok(()) => (rows, refused, None),
        Err(error) => (Vec::new(), Vec::new(), Some(error.code())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Seeds with bytes and words put in, taken out and doubled, and noise.
    fn any_file() -> impl Strategy<Value = Vec<u8>> {
        let words: [&[u8]; 14] = [
            b"\"",
            b"\"\"",
            b",",
            b";",
            b"\r",
            b"\n",
            b"\r\n",
            b"\0",
            b"\xEF\xBF\xBD",
            b"\xC3",
            b"\xE9",
            b"\xFF\xFE",
            b"sep=|\n",
            b"phone_number",
        ];
        let edit = (any::<prop::sample::Index>(), 0..words.len() + 3, any::<u8>());
        let edits = prop::collection::vec(edit, 0..8);
        let changed = (0..SEEDS.len(), edits).prop_map(move |(seed, edits)| {
            let mut bytes = SEEDS[seed].to_vec();
            for (place, what, byte) in edits {
                let at = place.index(bytes.len() + 1);
                let end = (at + usize::from(byte % 16)).min(bytes.len());
                match words.get(what) {
                    Some(word) => drop(bytes.splice(at..at, word.iter().copied())),
                    None if what == words.len() => drop(bytes.drain(at..end)),
                    None if what == words.len() + 1 => {
                        let again = bytes[at..end].to_vec();
                        drop(bytes.splice(at..at, again));
                    }
                    None => bytes.insert(at, byte),
                }
            }
            bytes
        });
        prop_oneof![9 => changed, 1 => prop::collection::vec(any::<u8>(), 0..300)]
    }

    #[test]
    fn every_seed_passes() {
        for seed in SEEDS {
            contact_file(seed);
        }
        assert_eq!(read(SEEDS[1], 3).0.len(), 2, "{:?}", read(SEEDS[1], 3));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3_000))]

        #[test]
        fn no_file_panics_and_pieces_do_not_matter(file in any_file()) {
            contact_file(&file);
        }
    }
}
