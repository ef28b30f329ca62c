//! Bytes to text: UTF-8 and UTF-16 by their marks, everything else by its look.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// Once a byte beyond ASCII was seen, so many bytes are looked at before an encoding
/// is chosen.
const LOOK_AT: usize = 64 * 1024;

/// Decodes a file piece by piece. A byte that is none in the chosen encoding becomes
/// U+FFFD, by which its row is refused later.
pub(super) struct Decoding {
    state: State,
}

enum State {
    /// Too few bytes to see a byte order mark.
    Start(Vec<u8>),
    /// ASCII so far, which is the same in every encoding that is considered; what is
    /// held begins with the first byte that is not.
    Undecided(Vec<u8>),
    Decided(Decoder),
}

impl Decoding {
    /// `named` is the encoding that the sender names; a mark in the file wins.
    pub(super) fn new(named: Option<&'static Encoding>) -> Self {
        let state = match named {
            Some(encoding) => State::Decided(encoding.new_decoder()),
            None => State::Start(Vec::new()),
        };
        Self { state }
    }

    /// The name of the encoding in use, as far as it is decided; ASCII is UTF-8.
    pub(super) fn encoding(&self) -> &'static str {
        match &self.state {
            State::Start(_) | State::Undecided(_) => UTF_8.name(),
            State::Decided(decoder) => decoder.encoding().name(),
        }
    }

    /// Appends the text of `bytes`, as far as it can be told yet; all of it when they
    /// are the last.
    pub(super) fn push(&mut self, bytes: &[u8], is_last: bool, text: &mut String) {
        match &mut self.state {
            State::Start(held) => {
                held.extend_from_slice(bytes);
                if held.len() < 4 && !is_last {
                    return;
                }
                let held = std::mem::take(held);
                self.state = match (Encoding::for_bom(&held), utf16_by_look(&held)) {
                    (Some((encoding, _)), _) | (None, Some(encoding)) => {
                        State::Decided(encoding.new_decoder())
                    }
                    (None, None) => State::Undecided(Vec::new()),
                };
                self.push(&held, is_last, text);
            }
            State::Undecided(held) => {
                let ascii = if held.is_empty() { Encoding::ascii_valid_up_to(bytes) } else { 0 };
                let (ascii, rest) = bytes.split_at(ascii);
                text.push_str(str::from_utf8(ascii).expect("ASCII is UTF-8"));
                held.extend_from_slice(rest);
                if held.len() < LOOK_AT && !is_last {
                    return;
                }
                let held = std::mem::take(held);
                let decoder = guess(&held).new_decoder_without_bom_handling();
                self.state = State::Decided(decoder);
                self.push(&held, is_last, text);
            }
            State::Decided(decoder) => {
                let room = decoder
                    .max_utf8_buffer_length(bytes.len())
                    .expect("pieces of a body are far from the end of memory");
                text.reserve(room);
                let (_, read, _) = decoder.decode_to_string(bytes, text, is_last);
                debug_assert_eq!(read, bytes.len(), "there was room for all of it");
            }
        }
    }
}

/// UTF-16 without its mark: the name of the first column is ASCII, every other byte
/// of which is zero.
fn utf16_by_look(bytes: &[u8]) -> Option<&'static Encoding> {
    match bytes {
        [low, 0, next, 0, ..] if *low != 0 && *next != 0 => Some(UTF_16LE),
        [0, low, 0, next, ..] if *low != 0 && *next != 0 => Some(UTF_16BE),
        _ => None,
    }
}

/// UTF-8 when it may be, else what it looks most like; for European text that is
/// Windows-1252, of which Latin-1 is a part.
fn guess(bytes: &[u8]) -> &'static Encoding {
    let is_utf8 = match str::from_utf8(bytes) {
        Ok(_) => true,
        // Cut within a character.
        Err(error) => error.error_len().is_none() && error.valid_up_to() > 0,
    };
    if is_utf8 {
        return UTF_8;
    }
    // A single stray byte in a file that is UTF-8 everywhere else must not turn all
    // of it into mojibake: its row alone is refused.
    if utf8_share(bytes) > 0.9 {
        return UTF_8;
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    detector.guess(None, Utf8Detection::Deny)
}

/// How many of the bytes beyond ASCII belong to well-formed UTF-8, 0 to 1.
fn utf8_share(bytes: &[u8]) -> f64 {
    let (mut good, mut bad) = (0usize, 0usize);
    for chunk in bytes.utf8_chunks() {
        good += chunk.valid().bytes().filter(|byte| !byte.is_ascii()).count();
        bad += chunk.invalid().len();
    }
    good as f64 / (good + bad).max(1) as f64
}

#[cfg(test)]
mod tests {
    use encoding_rs::WINDOWS_1252;

    use super::*;

    fn decoded(bytes: &[u8], piece: usize) -> String {
        let mut decoding = Decoding::new(None);
        let mut text = String::new();
        for part in bytes.chunks(piece) {
            decoding.push(part, false, &mut text);
        }
        decoding.push(&[], true, &mut text);
        text
    }

    fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(to_bytes).collect()
    }

    #[test]
    fn every_encoding_of_a_spreadsheet_gives_the_same_text() {
        let text = "phone_number,name\r\n+4930123456,José Müller – “Straße”\r\n";
        let marked = [b"\xEF\xBB\xBF", text.as_bytes()].concat();
        let (western, _, unmappable) = WINDOWS_1252.encode(text);
        assert!(!unmappable);
        let files = [
            ("UTF-8", text.as_bytes().to_vec()),
            ("UTF-8 with its mark", marked),
            ("UTF-16LE", utf16(text, u16::to_le_bytes)),
            ("UTF-16BE", utf16(text, u16::to_be_bytes)),
            ("UTF-16LE without its mark", utf16(text, u16::to_le_bytes)[2..].to_vec()),
            ("UTF-16BE without its mark", utf16(text, u16::to_be_bytes)[2..].to_vec()),
            ("Windows-1252", western.into_owned()),
        ];
        for (name, bytes) in files {
            for piece in [1, 2, 3, 7, bytes.len()] {
                assert_eq!(decoded(&bytes, piece), text, "{name} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn a_long_ascii_beginning_does_not_decide() {
        let mut bytes = vec![b'a'; 3 * LOOK_AT];
        bytes.extend_from_slice(b"Jos\xE9 Mu\xF1oz, Se\xF1or");
        let text = decoded(&bytes, 1_000);
        assert!(text.ends_with("José Muñoz, Señor"), "{}", &text[text.len() - 40..]);
    }

    #[test]
    fn one_stray_byte_in_utf8_is_one_replacement() {
        let mut bytes = "Müller, Jürgen, Größe, Äpfel, Öl\n".repeat(20).into_bytes();
        bytes.extend_from_slice(b"\xE9\n");
        assert_eq!(decoded(&bytes, 100).matches('\u{fffd}').count(), 1);
        assert!(decoded(&bytes, 100).starts_with("Müller"));
    }

    #[test]
    fn a_named_encoding_is_taken_and_a_mark_wins_over_it() {
        let mut text = String::new();
        Decoding::new(Some(encoding_rs::WINDOWS_1251)).push(b"\xCF\xF0", true, &mut text);
        assert_eq!(text, "Пр");
        text.clear();
        Decoding::new(Some(WINDOWS_1252)).push(b"\xEF\xBB\xBF\xC3\xA9", true, &mut text);
        assert_eq!(text, "é");
    }

    #[test]
    fn nothing_is_nothing() {
        assert_eq!(decoded(b"", 1), "");
        assert_eq!(decoded(b"\xEF\xBB\xBF", 1), "");
        assert_eq!(decoded(b"\xFF\xFE", 1), "");
    }
}
