//! Dates, durations and hours: the mentions that are made of numbers.

use super::{
    mentions::What,
    phrase::{Clock, Day, Half},
    tokens::Token,
    words::Word,
};

/// Reads numbers from tokens.
pub(super) struct Reader<'a> {
    pub(super) tokens: &'a [Token],
}

/// `5.30` after a time word, `5:30`, `5`: an hour, its minute, and where it ended.
type Hour = (u32, u32, usize);

impl Reader<'_> {
    /// The word at `at`; whatever is no word is none of ours.
    pub(super) fn word(&self, at: usize) -> Word {
        match self.tokens.get(at) {
            Some(Token::Word(word)) => *word,
            _ => Word::Unknown,
        }
    }

    /// Whether the word is anywhere.
    pub(super) fn has(&self, word: Word) -> bool {
        self.tokens.contains(&Token::Word(word))
    }

    fn number(&self, at: usize) -> Option<u32> {
        match self.tokens.get(at)? {
            Token::Digits { value, .. } | Token::Word(Word::Number(value)) => Some(*value),
            _ => None,
        }
    }

    fn digits(&self, at: usize) -> Option<(u32, usize)> {
        match self.tokens.get(at)? {
            Token::Digits { value, count } => Some((*value, *count)),
            _ => None,
        }
    }

    fn mark(&self, at: usize) -> Option<char> {
        match self.tokens.get(at)? {
            Token::Mark(mark) => Some(*mark),
            _ => None,
        }
    }

    /// `25 december`, `december 25th 2026`, `25/12`, `2026-12-25`, `the 5th`, `5 tarikh`.
    pub(super) fn date(&self, at: usize) -> Option<(Day, usize)> {
        self.date_in_digits(at).or_else(|| self.date_in_words(at))
    }

    fn date_in_digits(&self, at: usize) -> Option<(Day, usize)> {
        let (first, count) = self.digits(at)?;
        let mark = self.mark(at + 1).filter(|mark| *mark != ':')?;
        let (second, _) = self.digits(at + 2)?;
        let third = if self.mark(at + 3) == Some(mark) { self.digits(at + 4) } else { None };
        let small =
            |number: u32| i8::try_from(number).ok().filter(|number| (1..=31).contains(number));
        match third {
            Some((third, _)) if count == 4 => {
                let year = i16::try_from(first).ok();
                Some((Day::Date { month: small(second)?, day: small(third)?, year }, at + 5))
            }
            Some((third, digits)) => {
                let year = i16::try_from(if digits == 2 { 2_000 + third } else { third }).ok();
                let (day, month) = if second > 12 { (second, first) } else { (first, second) };
                Some((Day::Date { month: small(month)?, day: small(day)?, year }, at + 5))
            }
            // `5-6` is a span and `5.30` an hour, unless no clock shows them.
            None if mark == '/' || (first > 24 && second <= 12) => {
                Some((Day::Numeric(small(first)?, small(second)?), at + 3))
            }
            None => None,
        }
    }

    fn date_in_words(&self, at: usize) -> Option<(Day, usize)> {
        let day_of = |at: usize| {
            let number = match self.tokens.get(at)? {
                Token::Word(Word::Nth(number) | Word::Ordinal(number)) => *number,
                _ => self.number(at)?,
            };
            i8::try_from(number).ok().filter(|day| (1..=31).contains(day))
        };
        let year = |at: usize| match self.digits(at) {
            Some((value @ 2_000..=2_100, 4)) => (i16::try_from(value).ok(), at + 1),
            _ => (None, at),
        };
        if let Word::MonthName(month) = self.word(at) {
            let day = day_of(at + 1)?;
            let (year, end) = year(at + 2);
            return Some((Day::Date { month, day, year }, end));
        }
        let day = day_of(at)?;
        match self.word(at + 1) {
            Word::MonthName(month) => {
                let (year, end) = year(at + 2);
                Some((Day::Date { month, day, year }, end))
            }
            Word::Date => Some((Day::OfMonth(day), at + 2)),
            _ => match self.word(at) {
                Word::Nth(_) if self.word(at + 1) != Word::Half => {
                    Some((Day::OfMonth(day), at + 1))
                }
                _ => None,
            },
        }
    }

    /// `2 hours`, `half an hour`, `1 ghanta 20 minute`, `dedh ghante`, `3 days`, `a week`.
    /// Days and weeks are counted on the calendar. `is_next`: `next` stood before.
    pub(super) fn duration(&self, at: usize, is_next: bool) -> Option<(What, usize)> {
        // `next hour`, `half hour`; `hour` alone says nothing.
        if is_next && self.word(at) == Word::Hour {
            return Some((What::Elapsed(60), at + 1));
        }
        // `1730 hours` is an hour.
        if self.digits(at).is_some_and(|(_, count)| count >= 3) && self.word(at + 1) == Word::Hour {
            return None;
        }
        let (mut hundredths, mut end) = self.quantity(at)?;
        // `2 se 3 ghante`: the first.
        if matches!(self.word(end), Word::To | Word::Se | Word::Or) || self.mark(end) == Some('-') {
            (_, end) = self.quantity(end + 1)?;
        } else if self.number(end).is_some() && is_unit(self.word(end + 1)) && hundredths % 100 == 0
        {
            // `do teen ghante`
            end += 1;
        }
        let unit = self.word(end);
        if !is_unit(unit) {
            return None;
        }
        let is_few = [at, at + 1].iter().any(|at| *at < end && self.word(*at) == Word::Few);
        if is_few && unit == Word::Minute {
            hundredths = 1_000;
        }
        end += 1;
        // `10 minutes to 6` and `10 minutes past 6` are hours.
        if unit == Word::Minute
            && matches!(self.word(end), Word::To | Word::Past)
            && self.number(end + 1).is_some()
        {
            return None;
        }
        // `an hour and a half`, `an hour and a quarter`
        if self.word(end) == Word::And {
            let part = end + 1 + usize::from(self.word(end + 1) == Word::A);
            let more = match self.word(part) {
                Word::Half => 50,
                Word::Quarter => 25,
                _ => 0,
            };
            if more > 0 {
                hundredths += more;
                end = part + 1;
            }
        }
        // `at 17 h` means an hour, `about 2 h` a while.
        let is_at = at.checked_sub(1).is_some_and(|at| self.word(at) == Word::At);
        if is_at && unit == Word::Hour && hundredths >= 1_300 {
            return Some((What::Fog, end));
        }
        let minutes = |unit_minutes: u32| hundredths.checked_mul(unit_minutes).map(|all| all / 100);
        let what = match unit {
            Word::Minute => What::Elapsed(minutes(1)?),
            Word::Hour => What::Elapsed(minutes(60)?),
            Word::Day if hundredths % 100 > 0 => What::Elapsed(minutes(1_440)?),
            Word::Day => What::Day(Day::Ahead(hundredths / 100)),
            Word::Week if hundredths % 100 == 0 => What::Day(Day::Ahead(hundredths / 100 * 7)),
            Word::Month if hundredths == 100 => What::Day(Day::Ahead(30)),
            _ => What::Fog,
        };
        if unit != Word::Hour {
            return Some((what, end));
        }
        // `1 hour 20 minutes`
        let rest = end + usize::from(self.word(end) == Word::And);
        match self.quantity(rest) {
            Some((more, after)) if self.word(after) == Word::Minute => {
                Some((What::Elapsed(minutes(60)? + more / 100), after + 1))
            }
            _ => Some((what, end)),
        }
    }

    /// Hundredths of something: `2` is 200, `dedh` 150, `half a` 50.
    fn quantity(&self, at: usize) -> Option<(u32, usize)> {
        let number = |at: usize| self.number(at).filter(|number| *number <= 9_999);
        let simple = match self.word(at) {
            Word::A
                if matches!(
                    self.word(at + 1),
                    Word::Couple | Word::Few | Word::Half | Word::Quarter
                ) =>
            {
                return self.quantity(at + 1);
            }
            Word::A => Some(100),
            Word::Half => Some(50),
            Word::Quarter => Some(25),
            Word::Dedh => Some(150),
            Word::Dhai => Some(250),
            Word::Couple => Some(200),
            Word::Few => Some(300),
            Word::Saadhe => return Some((number(at + 1)? * 100 + 50, at + 2)),
            Word::Sawa if is_unit(self.word(at + 1)) => Some(125),
            Word::Paune if is_unit(self.word(at + 1)) => Some(75),
            Word::Sawa => return Some((number(at + 1)? * 100 + 25, at + 2)),
            Word::Paune => return Some(((number(at + 1)? * 100).checked_sub(25)?, at + 2)),
            _ => None,
        };
        if let Some(hundredths) = simple {
            // `half an hour`
            return Some((hundredths, at + 1 + usize::from(self.word(at + 1) == Word::A)));
        }
        let whole = number(at)? * 100;
        if self.mark(at + 1) == Some('.') {
            let (decimals, count) = self.digits(at + 2)?;
            let hundredths = match count {
                1 => decimals * 10,
                2 => decimals,
                _ => return None,
            };
            return Some((whole + hundredths, at + 3));
        }
        // `2 and a half hours`, `2 half hours`
        let part = at + 1 + usize::from(self.word(at + 1) == Word::And);
        let part = part + usize::from(part > at + 1 && self.word(part) == Word::A);
        match self.word(part) {
            Word::Quarter => {
                let end = part + 1 + usize::from(self.word(part + 1) == Word::A);
                is_unit(self.word(end)).then_some((whole / 4, end))
            }
            Word::Half if is_unit(self.word(part + 1)) => Some((whole + 50, part + 1)),
            _ => Some((whole, at + 1)),
        }
    }

    /// `5 pm`, `17:30`, `half past five`, `saadhe paanch baje`; a bare `5` where
    /// `is_expected`, or where nothing else is said.
    pub(super) fn clock(&self, at: usize, is_expected: bool) -> Option<(Clock, usize)> {
        let ((hour, minute, end), is_sure) = match self.spoken(at) {
            Some(hour) => (hour, true),
            None => self.written(at)?,
        };
        let (half, after) = self.half(end);
        let is_sure =
            is_sure || after > end || is_expected || self.is_followed(after) || self.is_alone();
        let in_range = match half {
            Some(_) => (1..=12).contains(&hour),
            None => hour < 24 || (hour == 24 && minute == 0),
        };
        if !is_sure || !in_range || minute > 59 {
            return None;
        }
        let (hour, minute) = (u8::try_from(hour).ok()?, u8::try_from(minute).ok()?);
        Some((Clock { hour, minute, half }, after))
    }

    /// Hours in words: `half past five`, `10 to 6`, `saadhe paanch`, `dedh baje`.
    fn spoken(&self, at: usize) -> Option<Hour> {
        let hour = |at: usize| self.number(at).filter(|hour| (1..=12).contains(hour));
        let back = |hour: u32| if hour == 1 { 12 } else { hour - 1 };
        match self.word(at) {
            Word::Saadhe => return Some((hour(at + 1)?, 30, at + 2)),
            Word::Sawa => return Some((hour(at + 1)?, 15, at + 2)),
            Word::Paune => return Some((back(hour(at + 1)?), 45, at + 2)),
            Word::Dedh if self.word(at + 1) == Word::OClock => return Some((1, 30, at + 1)),
            Word::Dhai if self.word(at + 1) == Word::OClock => return Some((2, 30, at + 1)),
            // British: `half five` is half past.
            Word::Half if hour(at + 1).is_some() => return Some((hour(at + 1)?, 30, at + 2)),
            Word::A if self.word(at + 1) == Word::Quarter => return self.spoken(at + 1),
            _ => {}
        }
        let (minutes, is_named) = match self.word(at) {
            Word::Half => (30, true),
            Word::Quarter => (15, true),
            _ => (self.number(at).filter(|minutes| (1..=29).contains(minutes))?, false),
        };
        let side = at + 1 + usize::from(self.word(at + 1) == Word::Minute);
        let is_named = is_named || side > at + 1;
        match self.word(side) {
            Word::Past => Some((hour(side + 1)?, minutes, side + 2)),
            Word::After if is_named => Some((hour(side + 1)?, minutes, side + 2)),
            // `5 to 6` is a span, `10 to 6` an hour.
            Word::To => {
                let next = hour(side + 1)?;
                let is_hour = is_named || (matches!(minutes, 5 | 10 | 20 | 25) && minutes > next);
                is_hour.then_some((back(next), 60 - minutes, side + 2))
            }
            _ => None,
        }
    }

    /// Hours in digits or number words, and whether they can be nothing else.
    fn written(&self, at: usize) -> Option<(Hour, bool)> {
        let first = self.number(at)?;
        if let Some((digits, count)) = self.digits(at)
            && count >= 3
        {
            // `1730`, `530pm`
            let is_clock =
                matches!(self.word(at + 1), Word::Am | Word::Pm | Word::OClock | Word::Hour);
            let end = at + 1 + usize::from(self.word(at + 1) == Word::Hour);
            let asked = matches!(at.checked_sub(1).map(|at| self.word(at)), Some(Word::At));
            return (is_clock || asked).then_some(((digits / 100, digits % 100, end), true));
        }
        match (self.mark(at + 1), self.digits(at + 2)) {
            (Some(':'), Some((minute, 2))) => {
                // Seconds are nobody's wish.
                let end = if self.mark(at + 3) == Some(':') { at + 5 } else { at + 3 };
                return Some(((first, minute, end), true));
            }
            (Some('.'), Some((minute, 2))) => return Some(((first, minute, at + 3), false)),
            (Some('-'), Some(_)) => {
                // `5-6 baje`: an hour if what follows is one.
                return Some(((first, 0, at + 1), self.clock(at + 2, false).is_some()));
            }
            (Some(_), _) => return None,
            (None, _) => {}
        }
        // `5 6 baje`: the first of them.
        if self.number(at + 1) == Some(first + 1) && self.word(at + 2) == Word::OClock {
            return Some(((first, 0, at + 2), true));
        }
        // `five thirty`, `5 30 pm`
        match self.number(at + 1).filter(|minute| (10..=59).contains(minute)) {
            Some(minute) if first <= 24 && !is_unit(self.word(at + 2)) => {
                Some(((first, minute, at + 2), false))
            }
            _ => Some(((first, 0, at + 1), false)),
        }
    }

    /// `am`, `pm` and `baje` behind an hour.
    fn half(&self, at: usize) -> (Option<Half>, usize) {
        let at = at + usize::from(self.word(at) == Word::OClock);
        match self.word(at) {
            Word::Am => (Some(Half::Am), at + 1),
            Word::Pm => (Some(Half::Pm), at + 1),
            _ => (None, at),
        }
    }

    /// Whether what follows a bare number makes an hour of it: `5 in the evening`,
    /// `5 tomorrow`, `5 ya 6 baje`.
    fn is_followed(&self, at: usize) -> bool {
        let skipped = at + usize::from(matches!(self.word(at), Word::In | Word::This));
        match self.word(skipped) {
            Word::Part(_) | Word::Ahead(_) | Word::Weekday(_) | Word::Tonight => true,
            Word::Se | Word::To | Word::Or => self.clock(at + 1, false).is_some(),
            Word::Number(_) => self.word(skipped + 1) == Word::OClock,
            _ => self.digits(at).is_some() && self.word(at + 1) == Word::OClock,
        }
    }

    /// Whether there is nothing that a bare number could count.
    fn is_alone(&self) -> bool {
        self.tokens.len() <= 8
            && !self.tokens.iter().any(|token| {
                matches!(token, Token::Word(word) if *word == Word::Unknown || is_unit(*word))
            })
    }
}

fn is_unit(word: Word) -> bool {
    matches!(word, Word::Minute | Word::Hour | Word::Day | Word::Week | Word::Month)
}
