//! What a phrase mentions, in the order in which it does, and what it denies.

use jiff::civil::Weekday;

use super::{
    numbers::Reader,
    phrase::{Bound, Clock, Day, Part, PartOfDay},
    tokens::Token,
    words::Word,
};

/// One thing that was mentioned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mention {
    pub(super) what: What,
    pub(super) bound: Bound,
    /// `not`, `nahi`: whatever is wanted, it is not this.
    pub(super) negated: bool,
    /// `or`, `to`: said as another choice, or as the end of a span.
    pub(super) alternative: bool,
    /// Its place among the tokens.
    pub(super) at: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// Minutes.
    Elapsed(u32),
    Day(Day),
    /// The next week, the next month.
    Week,
    Month,
    Clock(Clock),
    Part(PartOfDay),
    Zone(&'static str),
    /// Says when not to call, if anything: `I can't talk now`.
    Now,
    /// Cannot be read: the whole phrase is for a person.
    Fog,
}

/// What choices are alternatives to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Day,
    Hour,
    Elapsed,
    Other,
}

impl What {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Elapsed(_) => Kind::Elapsed,
            Self::Day(_) | Self::Week | Self::Month => Kind::Day,
            Self::Clock(_) | Self::Part(_) => Kind::Hour,
            Self::Zone(_) | Self::Now | Self::Fog => Kind::Other,
        }
    }

    /// Whether it can stand in the place of what was denied.
    pub(super) fn replaces(&self, denied: &Self) -> bool {
        self.kind() == denied.kind() || self.kind() == Kind::Elapsed
    }
}

/// Everything that the tokens mention.
pub(super) fn read(tokens: &[Token]) -> Vec<Mention> {
    let mut scan = Scan {
        reader: Reader { tokens },
        said: Vec::new(),
        bound: Bound::At,
        denies: None,
        alternative: false,
        past: false,
        this: false,
        next: false,
        shift: 0,
        clause: 0,
    };
    let mut at = 0;
    while at < tokens.len() {
        // Each step takes one token at least.
        at = scan.step(at).max(at + 1);
    }
    scan.said
}

/// What the words before have announced for the next mention.
struct Scan<'a> {
    reader: Reader<'a>,
    said: Vec<Mention>,
    bound: Bound,
    /// Where a word denied what follows it.
    denies: Option<usize>,
    alternative: bool,
    past: bool,
    this: bool,
    next: bool,
    shift: i16,
    /// How many mentions there were when the clause began.
    clause: usize,
}

impl Scan<'_> {
    /// Reads what stands at `at`; returns where to go on.
    fn step(&mut self, at: usize) -> usize {
        if let Some((day, end)) = self.reader.date(at) {
            return self.mention(What::Day(day), at, end);
        }
        if let Some((what, end)) = self.reader.duration(at, self.next) {
            return self.elapsed(what, at, end);
        }
        if let Some((clock, end)) = self.reader.clock(at, self.stands_by_a_day(at)) {
            return self.mention(What::Clock(clock), at, end);
        }
        let Token::Word(word) = self.reader.tokens[at] else {
            match self.reader.tokens[at] {
                Token::Break => self.end_clause(),
                Token::Mark('-') => self.alternative = !self.said.is_empty(),
                // `25:00`: not a number but to somebody who knows what it is.
                Token::Mark(_) => return self.mention(What::Fog, at, at + 1),
                Token::Digits { .. } | Token::Word(_) => {}
            }
            return at + 1;
        };
        self.word(word, at)
    }

    fn word(&mut self, word: Word, at: usize) -> usize {
        let next = self.reader.word(at + 1);
        match word {
            Word::Part(part) => return self.part(part, at),
            Word::Tonight => {
                self.mention(What::Day(Day::Ahead(0)), at, at);
                self.shift_part(Part::Night, at);
            }
            Word::Ahead(days) => return self.mention(What::Day(Day::Ahead(days)), at, at + 1),
            Word::Weekday(day) => return self.mention(What::Day(Day::Weekday(day)), at, at + 1),
            Word::Weekend => return self.mention(What::Day(Day::Weekend), at, at + 1),
            Word::WorkingDay => return self.mention(What::Day(Day::WorkingDay), at, at + 1),
            Word::Day if self.next => return self.mention(What::Day(Day::Ahead(1)), at, at + 1),
            // `the day after tomorrow`, `the day after`
            Word::Day if next == Word::After => {
                let end = at + 2 + usize::from(self.reader.word(at + 2) == Word::Ahead(1));
                return self.mention(What::Day(Day::Ahead(2)), at, end);
            }
            Word::Week if self.next && next == Word::After => {
                return self.mention(What::Fog, at, at + 1);
            }
            Word::Week if self.next => return self.mention(What::Week, at, at + 1),
            // `the week after next`
            Word::Week if next == Word::After => return self.mention(What::Fog, at, at + 2),
            Word::Month if next == Word::End => return self.mention(What::Fog, at, at + 2),
            Word::Month if self.next => return self.mention(What::Month, at, at + 1),
            Word::End if next == Word::Day => {
                self.shift_part(Part::EndOfDay, at);
                return at + 2;
            }
            Word::End if next == Word::Week => {
                // What is done by the end of a week is asked for on its Friday.
                self.bound = Bound::At;
                return self.mention(What::Day(Day::Weekday(Weekday::Friday)), at, at + 2);
            }
            Word::End if matches!(next, Word::Month | Word::This | Word::Next) => {
                return self.mention(What::Fog, at, at + 2);
            }
            // In India the two halves of a day.
            Word::Nth(half) | Word::Ordinal(half) if next == Word::Half => {
                let part = if half == 1 { Part::Morning } else { Part::Afternoon };
                self.shift_part(part, at);
                let of_day = self.reader.word(at + 2) == Word::Day;
                return at + 2 + usize::from(of_day);
            }
            Word::Zone(zone) => return self.mention(What::Zone(zone), at, at + 1),
            Word::Fog => return self.mention(What::Fog, at, at + 1),
            Word::Now => return self.mention(What::Now, at, at + 1),
            Word::Early => self.shift = -60,
            Word::Late => self.shift = 60,
            Word::Next => self.next = true,
            Word::This => self.this = true,
            Word::Last => self.past = true,
            Word::After | Word::From => self.bound = Bound::After,
            Word::Before | Word::Until | Word::By => self.bind_before(),
            // `busy for two hours`: free after them.
            Word::For if self.denies.is_some() => self.denies = None,
            // `kal nahi to parso`: what follows stands in its place.
            Word::To | Word::Or if self.reader.word(at.wrapping_sub(1)) == Word::Nahi => {}
            Word::To | Word::Or | Word::Se => {
                if word == Word::Se && matches!(next, Word::Pehle | Word::Before) {
                    return at + 1;
                }
                self.alternative = !self.said.is_empty();
            }
            Word::And if self.reader.has(Word::Between) => self.alternative = true,
            Word::Baad => self.bind_last(Bound::After, next == Word::Mein),
            Word::Pehle | Word::Tak => self.bind_last(Bound::Before, false),
            Word::Not if self.reader.word(at.wrapping_sub(1)) != Word::Why => {
                self.denies = Some(at);
            }
            Word::No if next == Word::Call => self.denies = self.no_calls(at),
            Word::Mat | Word::Nahi => self.deny_last(word, at),
            Word::Busy if next == Word::Copula => self.deny_last(Word::Nahi, at),
            Word::Busy => self.denies = Some(at),
            Word::Forget => {
                self.denies = None;
                if next == Word::Mat {
                    return at + 2;
                }
            }
            Word::But => self.end_clause(),
            Word::Call => self.call(at),
            _ => {}
        }
        at + 1
    }

    /// Notes a mention with what was announced for it.
    fn mention(&mut self, what: What, at: usize, end: usize) -> usize {
        let past = std::mem::take(&mut self.past) || self.reader.word(end) == Word::Ago;
        let mention = Mention {
            what,
            bound: std::mem::take(&mut self.bound),
            // `not today or tomorrow` denies both.
            negated: self.denies.take().is_some()
                || self.alternative && self.said.last().is_some_and(|last| last.negated),
            alternative: std::mem::take(&mut self.alternative),
            at,
        };
        (self.this, self.next, self.shift) = (false, false, 0);
        if !past {
            self.said.push(mention);
        }
        end
    }

    /// A duration; `2 ghante pehle` has passed, `2 ghante baad` is to come.
    fn elapsed(&mut self, what: What, at: usize, end: usize) -> usize {
        let after = self.reader.word(end);
        self.past |= after == Word::Pehle || after == Word::Ago;
        if self.bound == Bound::After {
            self.bound = Bound::At;
        }
        let end = self.mention(what, at, end);
        match after {
            Word::Pehle | Word::Ago | Word::Baad | Word::In | Word::Mein => end + 1,
            _ => end,
        }
    }

    fn part(&mut self, part: Part, at: usize) -> usize {
        // `after work` is a time; `my work number` is none.
        let is_after = self.bound == Bound::After || self.reader.word(at + 1) == Word::Baad;
        if part == Part::Work && !is_after {
            return at + 1;
        }
        // `afternoon` with a blank in it.
        if part == Part::Noon && self.bound == Bound::After {
            self.bound = Bound::At;
            self.shift_part(Part::Afternoon, at);
            return at + 1;
        }
        if std::mem::take(&mut self.this) {
            self.mention(What::Day(Day::Ahead(0)), at, at);
        }
        self.shift_part(part, at);
        // `subah subah`
        let again = self.reader.word(at + 1) == Word::Part(part);
        at + 1 + usize::from(again)
    }

    fn shift_part(&mut self, part: Part, at: usize) {
        let shift = self.shift;
        self.mention(What::Part(PartOfDay { part, shift }), at, at + 1);
    }

    /// `don't call before 6`, `busy until 6`: from 6 on.
    fn bind_before(&mut self) {
        let is_denied = self.denies.take().is_some();
        self.bound = if is_denied { Bound::After } else { Bound::Before };
    }

    /// `6 baje ke baad`, `6 baje se pehle`; `kal baad mein` is only vague.
    fn bind_last(&mut self, bound: Bound, is_vague: bool) {
        let clause = self.clause;
        if let Some(last) = self.said.iter_mut().skip(clause).last()
            && !is_vague
        {
            last.bound = bound;
        }
    }

    /// Denies what was last said in this clause. `6 baje se pehle nahi` is from 6 on.
    fn deny_last(&mut self, word: Word, at: usize) {
        let clause = self.clause;
        match self.said.iter_mut().skip(clause).last() {
            Some(last) if last.bound == Bound::Before => last.bound = Bound::After,
            Some(last) => last.negated = true,
            None if word == Word::Mat => self.denies = Some(at),
            None => {}
        }
        self.clause = self.said.len();
    }

    /// A denial before `call` reaches over it; one further ahead was of something else.
    fn call(&mut self, at: usize) {
        let Some(denied) = self.denies else { return };
        let words = &self.reader.tokens[denied..at];
        let reaches = words[0] != Token::Word(Word::Busy)
            && words[1..].iter().all(|token| matches!(token, Token::Word(Word::To | Word::Mein)));
        if !reaches {
            self.denies = None;
        }
    }

    /// `no calls tomorrow` denies, `no call me tomorrow` does not.
    fn no_calls(&self, at: usize) -> Option<usize> {
        (self.reader.word(at + 2) != Word::Mein).then_some(at)
    }

    fn end_clause(&mut self) {
        self.denies = None;
        self.bound = Bound::At;
        (self.past, self.this, self.next, self.shift) = (false, false, false, 0);
        self.clause = self.said.len();
    }

    /// Whether a bare number at `at` stands beside what makes an hour of it.
    fn stands_by_a_day(&self, at: usize) -> bool {
        let before = at.checked_sub(1).map_or(Word::Unknown, |at| self.reader.word(at));
        let follows_an_hour =
            || self.said.last().is_some_and(|last| last.what.kind() == Kind::Hour);
        self.alternative && follows_an_hour()
            || self.bound != Bound::At
            || matches!(
                before,
                Word::At
                    | Word::After
                    | Word::Before
                    | Word::Until
                    | Word::By
                    | Word::From
                    | Word::Between
                    | Word::Ahead(_)
                    | Word::Weekday(_)
                    | Word::Part(_)
                    | Word::Tonight
            )
    }
}
