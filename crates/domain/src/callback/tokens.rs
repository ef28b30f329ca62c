//! From what somebody wrote to words, numbers and the marks between numbers.

use super::words::{Word, meaning};
use crate::phone::decimal_digit;

/// A piece of a phrase. Words that say nothing about a time are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// A word, known or not.
    Word(Word),
    /// Digits, and how many of them.
    Digits { value: u32, count: usize },
    /// One of `: . / -` between two digits.
    Mark(char),
    /// The end of a clause.
    Break,
}

/// A time is said in a breath; what is longer is no phrase and is not read.
pub(super) const LETTERS_MAX: usize = 500;

/// More digits than this are a phone number or an amount, not a time.
const DIGITS_MAX: usize = 4;

/// The tokens of `text`: none when it is longer than [`LETTERS_MAX`].
pub(super) fn read(text: &str) -> Vec<Token> {
    let letters: Vec<char> = match text.char_indices().nth(LETTERS_MAX) {
        Some(_) => return Vec::new(),
        None => text.chars().flat_map(char::to_lowercase).filter_map(plain).collect(),
    };
    let pieces = pieces(&letters);
    let mut tokens = Vec::with_capacity(pieces.len());
    for (index, piece) in pieces.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|index| pieces.get(index));
        match token(piece, before, &pieces[index + 1..]) {
            Some(Token::Word(Word::Filler)) | None => {}
            Some(token) => tokens.push(token),
        }
    }
    add_tens(&mut tokens);
    tokens
}

/// A run of letters, a run of digits, or a mark.
#[derive(Debug)]
enum Piece {
    Letters(String),
    Digits(String),
    Mark(char),
    Break,
    Half,
}

/// Letters as they are compared; an apostrophe joins what it stands between.
fn plain(letter: char) -> Option<char> {
    match letter {
        '\'' | '\u{2019}' | '\u{2018}' | '\u{200B}'..='\u{200D}' | '\u{FEFF}' => None,
        '\u{2010}'..='\u{2015}' | '\u{2212}' => Some('-'),
        '\u{FF1A}' => Some(':'),
        letter => Some(decimal_digit(letter).unwrap_or(letter)),
    }
}

fn pieces(letters: &[char]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut index = 0;
    while let Some(&letter) = letters.get(index) {
        let run = |is_in: fn(char) -> bool| -> String {
            letters[index..].iter().copied().take_while(|letter| is_in(*letter)).collect()
        };
        if letter.is_ascii_digit() {
            let digits = run(|letter| letter.is_ascii_digit());
            index += digits.len();
            pieces.push(Piece::Digits(digits));
            continue;
        }
        if letter.is_alphabetic() {
            let word = run(char::is_alphabetic);
            index += word.chars().count();
            // `a.m.` and `p.m.`
            if matches!(word.as_str(), "a" | "p") && letters[index..].starts_with(&['.', 'm']) {
                index += 2;
                index += usize::from(letters.get(index) == Some(&'.'));
                pieces.push(Piece::Letters(word + "m"));
            } else {
                pieces.push(Piece::Letters(word));
            }
            continue;
        }
        index += 1;
        let is_digit = |letter: Option<&char>| letter.is_some_and(char::is_ascii_digit);
        let between_digits =
            index >= 2 && is_digit(letters.get(index - 2)) && is_digit(letters.get(index));
        match letter {
            ':' | '.' | '/' | '-' if between_digits => pieces.push(Piece::Mark(letter)),
            '.' | ',' | ';' | '!' | '?' | '\n' | '\u{0964}' => pieces.push(Piece::Break),
            '\u{00BD}' => pieces.push(Piece::Half),
            _ => {}
        }
    }
    pieces
}

/// What a piece says where it stands.
fn token(piece: &Piece, before: Option<&Piece>, after: &[Piece]) -> Option<Token> {
    let word = match piece {
        Piece::Mark(mark) => return Some(Token::Mark(*mark)),
        Piece::Break => return Some(Token::Break),
        Piece::Half => return Some(Token::Word(Word::Half)),
        Piece::Digits(digits) if digits.len() > DIGITS_MAX => {
            return Some(Token::Word(Word::Unknown));
        }
        Piece::Digits(digits) => {
            let value = digits.parse().unwrap_or(0);
            return Some(match after.first() {
                Some(Piece::Letters(ending)) if is_ordinal(ending) => Token::Word(Word::Nth(value)),
                // 2moro, 2nite
                Some(Piece::Letters(ending)) if digits == "2" && is_morrow(ending) => {
                    Token::Word(Word::Ahead(1))
                }
                _ => Token::Digits { value, count: digits.len() },
            });
        }
        Piece::Letters(letters) => letters.as_str(),
    };
    if is_ordinal(word) && matches!(before, Some(Piece::Digits(_))) {
        return None;
    }
    if is_morrow(word) {
        return None;
    }
    let next = match after.first() {
        Some(Piece::Letters(letters)) => meaning(letters),
        _ => Word::Unknown,
    };
    let counts = matches!(
        next,
        Word::Minute | Word::Hour | Word::Day | Word::Week | Word::Month | Word::OClock
    );
    Some(Token::Word(match word {
        // In Hindi two, seven and sixty; otherwise an English verb, a day and `with`.
        "do" if counts || matches!(next, Word::Number(2..=12)) => Word::Number(2),
        "do" => Word::Filler,
        "sat" if counts => Word::Number(7),
        "sat" => Word::Weekday(jiff::civil::Weekday::Saturday),
        "saath" if counts => Word::Number(60),
        "sath" if counts => Word::Number(7),
        // `5 m`, `2 d`
        "m" if matches!(before, Some(Piece::Digits(_))) => Word::Minute,
        // `5 a`, with the m lost
        "a" if matches!(before, Some(Piece::Digits(_))) && after.is_empty() => Word::Am,
        _ => meaning(word),
    }))
}

fn is_ordinal(ending: &str) -> bool {
    matches!(ending, "st" | "nd" | "rd" | "th")
}

fn is_morrow(ending: &str) -> bool {
    matches!(ending, "moro" | "morow" | "morrow" | "mrw")
}

/// `twenty five` is one number.
fn add_tens(tokens: &mut Vec<Token>) {
    let mut index = 0;
    while index < tokens.len() {
        if let Token::Word(Word::Tens(tens)) = tokens[index] {
            let ones = match tokens.get(index + 1) {
                Some(Token::Word(Word::Number(ones @ 1..=9))) => Some(*ones),
                _ => None,
            };
            tokens[index] = Token::Word(Word::Number(tens + ones.unwrap_or(0)));
            if ones.is_some() {
                tokens.remove(index + 1);
            }
        }
        index += 1;
    }
}
