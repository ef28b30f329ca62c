//! From what people and spreadsheets write to plain digits.

use std::borrow::Cow;

use super::InvalidPhone;

/// The digits of a number, and whether they begin with a country code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spelled<'a> {
    /// ASCII digits.
    pub(super) digits: Cow<'a, str>,
    /// Written with a `+`.
    pub(super) international: bool,
}

/// E.164 allows 15 digits; a prefix for international calls and a national one may
/// stand before them.
const DIGITS_MAX: usize = 20;

/// Reads a spelling: any decimal digits, blanks and punctuation between them, `tel:`,
/// and what spreadsheets leave around a number.
pub(super) fn read(text: &str) -> Result<Spelled<'_>, InvalidPhone> {
    match read_plain(text) {
        Some(spelled) => Ok(spelled),
        None => read_any(text),
    }
}

/// Digits alone, perhaps behind a `+`: most rows of most files.
fn read_plain(text: &str) -> Option<Spelled<'_>> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let is_plain = (1..=DIGITS_MAX).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then_some(Spelled {
        digits: Cow::Borrowed(digits),
        international: digits.len() < text.len(),
    })
}

/// Every spelling. The quick way reads nothing that this does not read the same.
fn read_any(text: &str) -> Result<Spelled<'_>, InvalidPhone> {
    let text = text.trim_matches(is_blank);
    let text = text.strip_prefix('\'').unwrap_or(text).trim_matches(is_blank);
    if text.is_empty() {
        return Err(InvalidPhone::Empty);
    }
    if is_scientific(text) {
        return Err(InvalidPhone::Scientific);
    }
    let (text, context) = without_scheme(text)?;
    let text = without_decimals(text);
    let mut plain = String::with_capacity(DIGITS_MAX);
    plain.push_str(context);
    for (index, letter) in text.char_indices() {
        match letter {
            '0'..='9' | '(' | ')' => plain.push(letter),
            '+' | '\u{FF0B}' if plain.trim_start_matches('(').is_empty() => plain.push('+'),
            '\u{FF08}' => plain.push('('),
            '\u{FF09}' => plain.push(')'),
            _ => match decimal_digit(letter) {
                Some(digit) => plain.push(digit),
                None if is_punctuation(letter) || is_blank(letter) => {}
                None if !plain.is_empty() && is_extension(&text[index..]) => {
                    return Err(InvalidPhone::Extension);
                }
                None => return Err(foreign(text)),
            },
        }
        // Nothing is gained by gathering a novel.
        if plain.len() > 4 * DIGITS_MAX {
            return Err(InvalidPhone::TooLong);
        }
    }
    let international = plain.contains('+');
    if international || plain.starts_with("00") {
        // `+44 (0)20 …`: the zero is dialled within the country only.
        plain = plain.replacen("(0)", "", 1);
    }
    plain.retain(|letter| letter.is_ascii_digit());
    match plain.len() {
        0 => Err(InvalidPhone::NotANumber),
        1..=DIGITS_MAX => Ok(Spelled { digits: Cow::Owned(plain), international }),
        _ => Err(InvalidPhone::TooLong),
    }
}

/// `x12`, `ext. 12`, `;ext=12`, at the end of a number.
fn is_extension(rest: &str) -> bool {
    let rest = rest.trim_start_matches([';', ',', ' ']);
    ["extension", "extn", "ext", "x"].iter().any(|word| {
        let Some(found) = rest.get(..word.len()) else { return false };
        let digits = rest[word.len()..].trim_matches(|letter: char| {
            matches!(letter, '.' | ':' | '=' | '-') || is_blank(letter)
        });
        found.eq_ignore_ascii_case(word)
            && !digits.is_empty()
            && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// What a text is that holds something else than a number: a word or a vanity number,
/// or worse.
fn foreign(text: &str) -> InvalidPhone {
    let text = text.strip_prefix('+').unwrap_or(text);
    let is_harmless = |letter: char| {
        letter.is_alphanumeric()
            || is_punctuation(letter)
            || is_blank(letter)
            || matches!(letter, '(' | ')')
    };
    if text.chars().all(is_harmless) { InvalidPhone::Letters } else { InvalidPhone::NotANumber }
}

/// `9.19999E+11`, `4,917E+11`, `9E11`.
fn is_scientific(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['E', 'e']) else { return false };
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let mantissa = mantissa.strip_prefix(['+', '-']).unwrap_or(mantissa);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number(exponent) && is_number(&mantissa.replacen(['.', ','], "", 1))
}

/// RFC 3966: the part after `tel:`, and the country code of its `phone-context`.
fn without_scheme(text: &str) -> Result<(&str, &str), InvalidPhone> {
    let is_tel = text.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("tel:"));
    if !is_tel {
        return Ok((text, ""));
    }
    match text[4..].split_once(';') {
        None => Ok((&text[4..], "")),
        Some((_, parameters)) if is_extension(parameters) => Err(InvalidPhone::Extension),
        // Any other parameter changes what the number means.
        Some((number, parameters)) => parameters
            .strip_prefix("phone-context=+")
            .filter(|context| (1..=7).contains(&context.len()) && !number.starts_with('+'))
            .filter(|context| context.bytes().all(|byte| byte.is_ascii_digit()))
            .map(|_| (number, &parameters["phone-context=".len()..]))
            .ok_or(InvalidPhone::NotANumber),
    }
}

/// `919876543210.0`, as a column of numbers is exported.
fn without_decimals(text: &str) -> &str {
    match text.split_once('.') {
        Some((whole, zeros))
            if !zeros.is_empty()
                && zeros.bytes().all(|byte| byte == b'0')
                && whole.len() > 6
                && whole.bytes().all(|byte| byte.is_ascii_digit() || byte == b'+') =>
        {
            whole
        }
        _ => text,
    }
}

/// Digits of scripts in which people write numbers, as ASCII.
pub(crate) fn decimal_digit(letter: char) -> Option<char> {
    // The first digit of each run of ten.
    const ZEROS: [char; 6] = [
        '\u{FF10}', // full width
        '\u{0660}', // Arabic-Indic
        '\u{06F0}', // extended Arabic-Indic
        '\u{0966}', // Devanagari
        '\u{09E6}', // Bengali
        '\u{0BE6}', // Tamil
    ];
    ZEROS.iter().find_map(|zero| {
        let value = (letter as u32).checked_sub(*zero as u32).filter(|value| *value < 10)?;
        char::from_digit(value, 10)
    })
}

fn is_punctuation(letter: char) -> bool {
    matches!(
        letter,
        '-' | '.' | '/' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{FF0D}'..='\u{FF0F}' | '\u{30FC}'
    )
}

/// Blanks, and marks that cannot be seen at all.
fn is_blank(letter: char) -> bool {
    matches!(
        letter,
        ' ' | '\t'
            | '\u{00A0}'
            | '\u{00AD}'
            | '\u{2000}'..='\u{200F}'
            | '\u{202A}'..='\u{202F}'
            | '\u{205F}'..='\u{2069}'
            | '\u{3000}'
            | '\u{FEFF}'
    ) || matches!(letter, '\r' | '\n')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_quick_way_reads_what_the_long_one_reads(text in "\\+?[0-9]{0,24}") {
            if let Some(quick) = read_plain(&text) {
                prop_assert_eq!(Ok(quick), read_any(&text));
            }
        }
    }

    #[test]
    fn only_plain_digits_are_read_quickly() {
        for text in ["+919876543210", "09876543210", "0"] {
            assert!(read_plain(text).is_some(), "{text}");
        }
        for text in ["", "+", "++1", "1 2", "1e5", "\u{664}", "123456789012345678901"] {
            assert!(read_plain(text).is_none(), "{text}");
        }
    }
}
