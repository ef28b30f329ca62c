//! Messages in the spirit of RFC 4475, each with why it is here. `{…}` notes what is odd.

/// What is to become of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Scanned and checked.
    Good,
    /// Scanned, but not to be acted upon.
    Faulty,
    /// Not even scanned.
    NotSip,
}

pub(crate) const TORTURE: &[(&str, Fate, &[u8])] = &[
    (
        "a short tortuous INVITE (3.1.1.1)",
        Fate::Good,
        b"INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\r\n\
          TO :\r\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\r\n\
          from   : \"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8\r\n\
          MaX-fOrWaRdS: 0068\r\nCall-ID: wsinv.ndaksdj@192.0.2.1\r\n\
          cseq: 0009\r\n  INVITE\r\n\
          Via  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw\r\n\
          s :\r\nNewFangledHeader:   newfangled value\r\n continued newfangled value\r\n\
          UnknownHeaderWithUnusualValue: ;;,,;;,;\r\nContent-Type: application/sdp\r\n\
          Route:\r\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value>\r\n\
          v:  SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8  ,\r\n\
           SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n z9hG4bK30239\r\n\
          m:\"Quoted string \\\"\\\"\" <sip:jdrosen@example.com> ; newparam =\r\n      newvalue ;\r\n\
           secondparam ; q = 0.33\r\n\r\n",
    ),
    (
        "wide range of characters in a token (3.1.1.2)",
        Fate::Good,
        b"!interesting-Method0123456789_*+`.%indeed'~ sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0\r\n\
          Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~\r\n\
          To: \"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7F\" <sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com>\r\n\
          From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%=\"\xD1\x80\";tag=_token~1'+`*%!-.\r\n\
          Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{\r\n\
          CSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~\r\nMax-Forwards: 255\r\n\r\n",
    ),
    (
        "escaped NULs in URIs (3.1.1.4)",
        Fate::Good,
        b"REGISTER sip:example.com SIP/2.0\r\nTo: sip:null-%00-null@example.com\r\n\
          From: sip:null-%00-null@example.com;tag=839923423\r\nMax-Forwards: 70\r\n\
          Call-ID: escnull.39203ndfvkjdasfkq3w4otrq0adsfdfnavd\r\nCSeq: 14398234 REGISTER\r\n\
          Via: SIP/2.0/UDP host5.example.com;branch=z9hG4bKkdjuw\r\nL:0\r\n\r\n",
    ),
    (
        "no LWS between display name and < (3.1.1.6)",
        Fate::Good,
        b"OPTIONS sip:user@example.com SIP/2.0\r\nTo: sip:user@example.com\r\n\
          From: caller<sip:caller@example.com>;tag=323\r\nMax-Forwards: 70\r\n\
          Call-ID: lwsdisp.1234abcd@funky.example.com\r\nCSeq: 60 OPTIONS\r\n\
          Via: SIP/2.0/UDP funky.example.com;branch=z9hG4bKkdjuw\r\nl: 0\r\n\r\n",
    ),
    (
        "extra octets after the body (3.1.1.8)",
        Fate::Good,
        b"REGISTER sip:example.com SIP/2.0\r\nTo: sip:j@example.com\r\nFrom: sip:j@example.com;tag=43251j3j324\r\n\
          Call-ID: dblreq\r\nCSeq: 8 REGISTER\r\nVia: SIP/2.0/UDP 192.0.2.125;branch=z9hG4bKkdjuw23492\r\n\
          Content-Length: 0\r\n\r\nINVITE sip:joe@example.com SIP/2.0\r\n",
    ),
    (
        "an unusual reason phrase (3.1.1.12)",
        Fate::Good,
        b"SIP/2.0 200 = 2**3 * 5**2 \xD0\xBD\xD0\xBE\r\nVia: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923\r\n\
          Call-ID: unreason.1234ksdfak3j2erwedfsASdf\r\nCSeq: 35 INVITE\r\n\
          From: sip:user@example.com;tag=11141343\r\nTo: sip:user@example.edu;tag=2229\r\nContent-Length: 0\r\n\r\n",
    ),
    (
        "an empty reason phrase (3.1.1.13)",
        Fate::Good,
        b"SIP/2.0 100 \r\nVia: SIP/2.0/UDP 192.0.2.105;branch=z9hG4bK2398ndaoe\r\n\
          Call-ID: noreason.asndj203insdf99223ndf\r\nCSeq: 35 INVITE\r\nFrom: <sip:user@example.com>;tag=39ansfi3\r\n\
          To: <sip:user@example.edu>;tag=902jndnke3\r\nContent-Length: 0\r\n\r\n",
    ),
    (
        "a response without even the space before the reason",
        Fate::Good,
        b"SIP/2.0 486\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\n\r\n",
    ),
    (
        "bare LF line ends",
        Fate::Good,
        b"SIP/2.0 486 Busy\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\nCall-ID: x\nCSeq: 1 INVITE\nFrom: <sip:a@b>;tag=1\nTo: <sip:a@b>\n\n",
    ),
    (
        "line breaks before the message (RFC 3261 7.5)",
        Fate::Good,
        b"\r\n\r\nSIP/2.0 486 Busy\r\nVia: SIP/2.0/UDP h\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\n\r\n",
    ),
    (
        "Latin-1 in display names",
        Fate::Good,
        b"SIP/2.0 180 Sonne\xE9\r\nVia: SIP/2.0/UDP h\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nFrom: \"Jos\xE9\" <sip:a@b>;tag=1\r\nTo: Fran\xE7ois <sip:a@b>;tag=2\r\n\r\n",
    ),
    (
        "a line without a colon",
        Fate::Good,
        b"SIP/2.0 180 Ringing\r\nthis is not a header\r\nVia: SIP/2.0/UDP h\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nFrom: <sip:a@b>\r\nTo: <sip:a@b>\r\n\r\n",
    ),
    (
        "Content-Length larger than the message (3.1.2.2)",
        Fate::Faulty,
        b"INVITE sip:user@example.com SIP/2.0\r\nTo: sip:j.user@example.com\r\nFrom: sip:caller@example.net;tag=134161461246\r\n\
          Call-ID: clerr.0ha0isndaksdjasdf3234nas\r\nCSeq: 8 INVITE\r\nVia: SIP/2.0/UDP host5.example.net;branch=z9hG4bK-39234-23523\r\n\
          Content-Length: 9999\r\n\r\nv=0\r\n",
    ),
    (
        "negative Content-Length (3.1.2.3)",
        Fate::Faulty,
        b"INVITE sip:user@example.com SIP/2.0\r\nTo: sip:j.user@example.com\r\nFrom: sip:caller@example.net;tag=32394234\r\n\
          Call-ID: ncl.0ha0isndaksdj2193423r542w35\r\nCSeq: 0 INVITE\r\nVia: SIP/2.0/UDP 192.0.2.53;branch=z9hG4bKkdjuw\r\n\
          Content-Length: -999\r\n\r\nv=0\r\n",
    ),
    (
        "two different Content-Lengths",
        Fate::Faulty,
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nFrom: <sip:a@b>\r\nTo: <sip:a@b>\r\nContent-Length: 0\r\nl: 3\r\n\r\nv=0",
    ),
    (
        "scalar fields with overlarge values (3.1.2.4)",
        Fate::Faulty,
        b"REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/TCP host129.example.com;branch=z9hG4bK342sdfoi3\r\n\
          To: <sip:user@example.com>\r\nFrom: <sip:user@example.com>;tag=239232jh3\r\nCSeq: 36893488147419103232 REGISTER\r\n\
          Call-ID: scalar02.23o0pd9vanlq3wnrlnewofjas9ui32\r\nMax-Forwards: 300\r\nExpires: 10000000000000000000000000\r\n\r\n",
    ),
    (
        "an unterminated quoted string in To (3.1.2.6)",
        Fate::Faulty,
        b"INVITE sip:user@example.com SIP/2.0\r\nTo: \"Mr. J. User <sip:j.user@example.com>\r\nFrom: sip:caller@example.net;tag=93334\r\n\
          Call-ID: quotbal.aksdj\r\nCSeq: 8 INVITE\r\nVia: SIP/2.0/UDP 192.0.2.59:5050;branch=z9hG4bKkdjuw39234\r\n\r\n",
    ),
    (
        "request URI in angle brackets, as text (3.1.2.7)",
        Fate::Good,
        b"INVITE <sip:user@example.com> SIP/2.0\r\nTo: sip:user@example.com\r\nFrom: sip:caller@example.net;tag=39291\r\n\
          Call-ID: ltgtruri.1@192.0.2.5\r\nCSeq: 1 INVITE\r\nVia: SIP/2.0/UDP 192.0.2.5\r\n\r\n",
    ),
    (
        "spaces within the request URI (3.1.2.8)",
        Fate::NotSip,
        b"INVITE sip:user@example.com; lr SIP/2.0\r\nTo: sip:user@example.com;tag=3xfe-9921883-z9f\r\n\
          From: sip:caller@example.net;tag=231413434\r\nCall-ID: lwsruri.asdfasdoeoi2323-asdfwrn23-asd834rk423\r\n\
          CSeq: 2130706432 INVITE\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKkdjuw2395\r\n\r\n",
    ),
    (
        "an unknown protocol version (3.1.2.16)",
        Fate::Faulty,
        b"OPTIONS sip:t.watson@example.org SIP/7.0\r\nVia: SIP/7.0/UDP c.example.com;branch=z9hG4bKkdjuw\r\n\
          From: A. Bell <sip:a.g.bell@example.com>;tag=qweoiqpe\r\nTo: T. Watson <sip:t.watson@example.org>\r\n\
          Call-ID: badvers.31417@c.example.com\r\nCSeq: 1 OPTIONS\r\n\r\n",
    ),
    (
        "method and CSeq do not fit (3.1.2.17)",
        Fate::Faulty,
        b"OPTIONS sip:user@example.com SIP/2.0\r\nTo: sip:j.user@example.com\r\nFrom: sip:caller@example.net;tag=34525\r\n\
          Call-ID: mismatch01.dj0234sxdfl3\r\nCSeq: 8 INVITE\r\nVia: SIP/2.0/UDP host.example.com;branch=z9hG4bKkdjuw\r\n\r\n",
    ),
    (
        "a response code out of range (3.1.2.19)",
        Fate::NotSip,
        b"SIP/2.0 4294967301 better not break the receiver\r\nVia: SIP/2.0/UDP 192.0.2.105;branch=z9hG4bK2398ndaoe\r\n\
          Call-ID: bigcode.asdof3uj203asdnf3429uasdhfas3ehjasdfas9i\r\nCSeq: 353494 INVITE\r\n\
          From: <sip:user@example.com>;tag=39ansfi3\r\nTo: <sip:user@example.edu>;tag=902jndnke3\r\n\r\n",
    ),
    (
        "missing required headers (3.3.1)",
        Fate::Faulty,
        b"INVITE sip:user@example.com SIP/2.0\r\nCSeq: 193942 INVITE\r\nVia: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj.insuf\r\n\
          Content-Type: application/sdp\r\nl: 0\r\n\r\n",
    ),
    (
        "fields twice that may stand once (3.3.8)",
        Fate::Faulty,
        b"INVITE sip:user@company.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.25;branch=z9hG4bKkdjuw\r\nCall-ID: multi01.98asdh@192.0.2.1\r\n\
          Call-ID: multi01.98asdh@192.0.2.2\r\nCSeq: 5 INVITE\r\nFrom: sip:caller@example.com;tag=3413415\r\nTo: sip:user@example.com\r\n\r\n",
    ),
    ("only line breaks: a keep-alive", Fate::NotSip, b"\r\n\r\n"),
    ("nothing at all", Fate::NotSip, b""),
    ("a STUN binding request", Fate::NotSip, b"\x00\x01\x00\x00\x21\x12\xA4\x42abcdefghijkl"),
    ("HTTP", Fate::NotSip, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("headers that do not end", Fate::NotSip, b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n"),
    ("a fold before any header", Fate::Faulty, b"OPTIONS sip:a SIP/2.0\r\n folded\r\n\r\n"),
];
