//! The words that times are spoken with: English, and Hindi in Latin letters, with
//! the spellings that people and speech recognisers write.

use std::{collections::HashMap, sync::LazyLock};

use jiff::civil::Weekday;

use super::phrase::Part;

/// What a word can mean in a phrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// A number word.
    Number(u32),
    /// `twenty`, `thirty`, …: a number that takes a digit word after it.
    Tens(u32),
    /// `first`, `second`, … as a word: too many meanings to be a date alone.
    Ordinal(u32),
    /// `5th`, `2nd`: a number with the ending of an ordinal.
    Nth(u32),
    /// `a`, `an`: one, before a unit.
    A,
    /// `half`, `aadha`.
    Half,
    /// `quarter`.
    Quarter,
    /// `sawa`: and a quarter.
    Sawa,
    /// `saadhe`: and a half.
    Saadhe,
    /// `paune`: less a quarter.
    Paune,
    /// `dedh`: one and a half.
    Dedh,
    /// `dhai`: two and a half.
    Dhai,
    /// `couple`: two.
    Couple,
    /// `few`, `kuch`: three, of minutes ten.
    Few,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    /// `baje`, `o'clock`, `ish`: what stood before is a time of day.
    OClock,
    Am,
    Pm,
    Part(Part),
    /// `tonight`: today and a part of it.
    Tonight,
    Early,
    Late,
    /// `end`, of a day or a week.
    End,
    /// So many days ahead: today is 0, `kal` 1, `parso` 2.
    Ahead(u32),
    Weekday(Weekday),
    Weekend,
    WorkingDay,
    MonthName(i8),
    /// `tarikh`: what stood before is a day of the month.
    Date,
    Next,
    This,
    /// `last`, `pichle`: what follows lies in the past.
    Last,
    /// `ago`: what stood before lies in the past.
    Ago,
    In,
    For,
    After,
    Before,
    Until,
    By,
    /// `at`, `around`: a time of day may follow.
    At,
    From,
    To,
    Between,
    And,
    Or,
    Past,
    /// `baad`, `later`: after what stood before, or vaguely later.
    Baad,
    /// `pehle`: before what stood before.
    Pehle,
    /// `tak`: until what stood before.
    Tak,
    /// `se`: from what stood before.
    Se,
    /// `mein`; also `me`.
    Mein,
    /// Denies the time that follows.
    Not,
    /// Denies the time before it.
    Nahi,
    /// Denies the time before it, else the one that follows.
    Mat,
    /// Occupied at the time that follows, in Hindi at the one before.
    Busy,
    /// `hoon`, `hai`: ends a Hindi sentence.
    Copula,
    /// `forget`, which undoes a negation beside it.
    Forget,
    /// `no`: an interjection, unless calls follow.
    No,
    Why,
    But,
    Now,
    Call,
    /// An abbreviated zone, lower case.
    Zone(&'static str),
    /// `middle`, `same`: makes the phrase one that a person must read.
    Fog,
    /// Says nothing about a time.
    Filler,
    /// Not a word of ours.
    Unknown,
}

/// What `word`, in lower case and without apostrophes, means.
pub(super) fn meaning(word: &str) -> Word {
    WORDS.get(word).copied().unwrap_or(Word::Unknown)
}

static WORDS: LazyLock<HashMap<&'static str, Word>> = LazyLock::new(|| spellings().collect());

fn spellings() -> impl Iterator<Item = (&'static str, Word)> {
    TABLE
        .iter()
        .flat_map(|(spellings, word)| spellings.split(' ').map(|spelling| (spelling, *word)))
}

use Word as W;

/// Spellings, and what they mean.
const TABLE: &[(&str, Word)] = &[
    // Numbers. `do`, `sat` and `saath` have other meanings: the tokens decide.
    ("zero", W::Number(0)),
    ("one ek aik", W::Number(1)),
    ("two", W::Number(2)),
    ("three teen tin", W::Number(3)),
    ("four char chaar chaarr", W::Number(4)),
    ("five paanch panch paach pach paanc", W::Number(5)),
    ("six chhe chhah chha che chheh chhai cheh", W::Number(6)),
    ("seven saat", W::Number(7)),
    ("eight aath ath aanth", W::Number(8)),
    ("nine nau nou", W::Number(9)),
    ("ten das dus", W::Number(10)),
    ("eleven gyarah gyara gyaarah gyaara", W::Number(11)),
    ("twelve barah baarah bara baara", W::Number(12)),
    ("thirteen terah", W::Number(13)),
    ("fourteen chaudah", W::Number(14)),
    ("fifteen pandrah pandra pundrah", W::Number(15)),
    ("sixteen solah", W::Number(16)),
    ("seventeen satrah", W::Number(17)),
    ("eighteen atharah", W::Number(18)),
    ("nineteen unnis", W::Number(19)),
    ("twenty", W::Tens(20)),
    ("thirty", W::Tens(30)),
    ("forty fourty", W::Tens(40)),
    ("fifty", W::Tens(50)),
    ("bees bis", W::Number(20)),
    ("pachees pachis pacchis", W::Number(25)),
    ("tees tis", W::Number(30)),
    ("chalis chalees", W::Number(40)),
    ("paintalis paitalis pentalis paintalees", W::Number(45)),
    ("pachas pachaas", W::Number(50)),
    ("sixty", W::Number(60)),
    ("ninety", W::Number(90)),
    ("first pehla pehli", W::Ordinal(1)),
    ("second doosra dusra", W::Ordinal(2)),
    ("third", W::Ordinal(3)),
    ("fourth", W::Ordinal(4)),
    ("fifth", W::Ordinal(5)),
    ("sixth", W::Ordinal(6)),
    ("seventh", W::Ordinal(7)),
    ("eighth", W::Ordinal(8)),
    ("ninth", W::Ordinal(9)),
    ("tenth", W::Ordinal(10)),
    ("a an", W::A),
    ("half aadha aadhe adha adhe aadhaa aadhey", W::Half),
    ("quarter quarters quater qtr", W::Quarter),
    ("sawa sava savva", W::Sawa),
    ("saadhe sadhe sarhe saarhe saade sade", W::Saadhe),
    ("paune pone pauna paun poune", W::Paune),
    ("dedh derh dedhh dher", W::Dedh),
    ("dhai dhaai adhai dhayi", W::Dhai),
    ("couple", W::Couple),
    ("few kuch kuchh several", W::Few),
    // Units.
    ("minute minutes min mins minit minat mint minuts", W::Minute),
    ("hour hours hr hrs h ghanta ghante ghanton ghnta ghnte ghantey", W::Hour),
    ("day days din dino dinon", W::Day),
    ("week weeks hafta hafte haftey hafton saptah", W::Week),
    ("month months mahina mahine maheene", W::Month),
    // Times of day.
    ("baje bje bajey baj bajay oclock clock ish", W::OClock),
    ("am", W::Am),
    ("pm p", W::Pm),
    (
        "morning mornin mornings mrng moring subah subha subhah sube savere sawere",
        W::Part(Part::Morning),
    ),
    ("noon midday noontime", W::Part(Part::Noon)),
    (
        "afternoon afternoons aftrnoon afternon dopahar dopehar dupahar dophar dopahr",
        W::Part(Part::Afternoon),
    ),
    ("evening evenings evning eve evng shaam sham shyam saam", W::Part(Part::Evening)),
    ("night nights raat rat raath nite", W::Part(Part::Night)),
    ("midnight", W::Part(Part::Midnight)),
    ("eod", W::Part(Part::EndOfDay)),
    ("breakfast nashta nashte", W::Part(Part::Breakfast)),
    ("lunch lunchtime khana khane", W::Part(Part::Lunch)),
    ("work office school daftar", W::Part(Part::Work)),
    ("dinner supper", W::Part(Part::Dinner)),
    ("tonight tonite tnite", W::Tonight),
    ("early jaldi", W::Early),
    ("late", W::Late),
    ("end close", W::End),
    // Days.
    ("today aaj aj todays", W::Ahead(0)),
    (
        "tomorrow tommorow tomorow tommorrow tomorrows tomorro tomorrw tmrw tmr tmrow tmw tomo kal kl kall",
        W::Ahead(1),
    ),
    ("parso parson parsoo parsu overmorrow", W::Ahead(2)),
    ("tarso tarson narso narson", W::Ahead(3)),
    ("monday mondays mon mondey somvar somwar somvaar somwaar", W::Weekday(Weekday::Monday)),
    (
        "tuesday tuesdays tue tues tuseday teusday mangalvar mangalwar mangalvaar mangal",
        W::Weekday(Weekday::Tuesday),
    ),
    (
        "wednesday wednesdays wed wensday wednsday wednesdy budhvar budhwar budhvaar budh",
        W::Weekday(Weekday::Wednesday),
    ),
    (
        "thursday thursdays thu thur thurs thrusday thersday guruvar guruwar guruvaar brihaspativar veervar",
        W::Weekday(Weekday::Thursday),
    ),
    (
        "friday fridays fri firday fryday shukravar shukrawar shukravaar shukrvar shukrwar jumma juma",
        W::Weekday(Weekday::Friday),
    ),
    (
        "saturday saturdays satur saterday satarday shanivar shaniwar shanivaar shanichar",
        W::Weekday(Weekday::Saturday),
    ),
    (
        "sunday sundays sun sundey ravivar raviwar ravivaar itvar itwaar itwar",
        W::Weekday(Weekday::Sunday),
    ),
    ("weekend weekends", W::Weekend),
    ("weekday weekdays workday", W::WorkingDay),
    ("january jan janvari", W::MonthName(1)),
    ("february feb farvari", W::MonthName(2)),
    ("march mar", W::MonthName(3)),
    ("april apr", W::MonthName(4)),
    ("may", W::MonthName(5)),
    ("june jun", W::MonthName(6)),
    ("july jul", W::MonthName(7)),
    ("august aug agast", W::MonthName(8)),
    ("september sept sep sitambar", W::MonthName(9)),
    ("october oct aktubar", W::MonthName(10)),
    ("november nov navambar", W::MonthName(11)),
    ("december dec disambar decembar", W::MonthName(12)),
    ("tarikh tareekh tarik date", W::Date),
    ("next nxt agle agla agli aane aanewale coming upcoming following", W::Next),
    ("this is iss", W::This),
    ("last previous pichle pichla pichli", W::Last),
    ("ago", W::Ago),
    // What binds them.
    ("in within", W::In),
    ("for", W::For),
    ("after post", W::After),
    ("before bfore", W::Before),
    ("until till til untill", W::Until),
    ("by", W::By),
    (
        "at around about approx approximately roughly nearly almost lagbhag takriban karib kareeb",
        W::At,
    ),
    ("from onwards since", W::From),
    ("to", W::To),
    ("between bich beech", W::Between),
    ("and aur n", W::And),
    ("or ya either", W::Or),
    ("past", W::Past),
    ("baad bad baadme later baadmein hence", W::Baad),
    ("pehle pahle phle pehley pahele", W::Pehle),
    ("tak tk", W::Tak),
    ("se", W::Se),
    ("mein me main mai mei", W::Mein),
    // Denial.
    (
        "not dont donot never cant cannot wont wouldnt shouldnt isnt doesnt didnt except excluding avoid",
        W::Not,
    ),
    ("nahi nahin nai nhi nahii nahee", W::Nahi),
    ("mat", W::Mat),
    ("busy meeting driving travelling traveling unavailable occupied vyast", W::Busy),
    ("hoon hun hu hai hain rahunga rahungi rahoonga hounga hoonga", W::Copula),
    ("forget bhoolna bhulna bhool bhul", W::Forget),
    ("no nope", W::No),
    ("why kyun kyu", W::Why),
    ("but lekin magar instead rather", W::But),
    ("now abhi", W::Now),
    ("call calls calling ring phone try contact dial speak talk phn", W::Call),
    ("ist", W::Zone("ist")),
    ("utc gmt", W::Zone("utc")),
    ("est edt", W::Zone("et")),
    ("cst cdt", W::Zone("ct")),
    ("mst mdt", W::Zone("mt")),
    ("pst pdt", W::Zone("pt")),
    ("cet cest", W::Zone("cet")),
    ("bst", W::Zone("bt")),
    ("yesterday same middle mid midweek", W::Fog),
    // Nothing about a time.
    (
        "um uh umm uhh hmm er like ok okay yes yeah yep haan han ha ji sir madam maam bhai bhaiya yaar \
         please pls plz kindly the of on ko ka ki ke kay pe par hi bhi so well just maybe probably perhaps \
         sharp exactly exact only time timing times anytime sometime any some good better best fine can \
         could would you u i im ill we us back again it be ever then also karo karna karein kare karen kijiye \
         kijiyega kariye kariyega kar kr krna kro kiya karke dijiye dena de lena lo baat bat mujhe mujhko \
         mera mere aap ap tum fir phir hello thanks thank right somewhere aas paas aaspaas pas andar ander o \
         that will ringback callback schedule let lets my theek thik let possible another more",
        W::Filler,
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_spelling_has_two_meanings() {
        let mut seen = HashSet::new();
        for (spelling, word) in spellings() {
            assert!(!spelling.is_empty(), "an empty spelling of {word:?}");
            if word != Word::Filler {
                assert!(seen.insert(spelling), "{spelling} is there twice");
            }
        }
        for (spelling, word) in spellings().filter(|(_, word)| *word == Word::Filler) {
            assert!(!seen.contains(spelling), "{spelling} is {word:?} and something else");
        }
    }

    #[test]
    fn spellings_are_what_the_tokens_look_up() {
        for (spelling, _) in spellings() {
            assert_eq!(spelling, spelling.to_lowercase());
            assert!(!spelling.contains('\''), "{spelling}");
        }
    }
}
