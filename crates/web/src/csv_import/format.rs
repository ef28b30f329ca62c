//! Files that are no CSV file, told by their first bytes.

use crate::csv_import::ImportError;

/// So many bytes tell.
pub(super) const LOOK_AT: usize = 8;

const SAVE_AS: &str = "open it in its program and save the sheet as CSV";
const UNPACK: &str = "unpack it and send the CSV file in it";

/// First bytes, what they are, and what to do about them.
const FORMATS: [(&[u8], &str, &str); 9] = [
    (b"PK\x03\x04", "an Excel workbook, or another zip archive", SAVE_AS),
    (b"PK\x05\x06", "an empty zip archive", SAVE_AS),
    (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "an old Excel workbook", SAVE_AS),
    (b"\x1F\x8B", "a file compressed by gzip", UNPACK),
    (b"\x28\xB5\x2F\xFD", "a file compressed by zstd", UNPACK),
    (b"\xFD7zXZ\0", "a file compressed by xz", UNPACK),
    (b"BZh9", "a file compressed by bzip2", UNPACK),
    (b"7z\xBC\xAF\x27\x1C", "a 7z archive", UNPACK),
    (b"%PDF", "a PDF", SAVE_AS),
];

/// Refuses a file whose first bytes are those of another format.
pub(super) fn check(first: &[u8]) -> Result<(), ImportError> {
    match FORMATS.iter().find(|(magic, ..)| first.starts_with(magic)) {
        Some((_, kind, advice)) => Err(ImportError::OtherFormat { kind, advice }),
        None => Ok(()),
    }
}
