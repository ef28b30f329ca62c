//! The files of the console, in the binary, named by what they hold.
//!
//! A name carries the first 64 bits of the SHA-256 of the content, so an answer may
//! be cached for ever and a new build is a new name. Our scripts go out as one, and
//! scripts and styles without comments and indents; each text is compressed once, as
//! small as it can be, for browsers that take Brotli.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{LazyLock, OnceLock},
};

use axum::{
    Router,
    extract::Path,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Files;

struct Asset {
    kind: &'static str,
    body: Bytes,
    /// RFC 7932, made when it is first asked for; `None` for what is compressed.
    brotli: Option<OnceLock<Bytes>>,
}

struct Catalogue {
    /// By plain name: the name under `/assets/`.
    hashed: HashMap<&'static str, String>,
    /// By the name under `/assets/`.
    assets: HashMap<String, Asset>,
}

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::build);

/// Files whose text names other files; each comes after those it names.
const NAMING: &[&str] = &["app.css"];

/// Runs beside the pages, so it goes out alone.
const WORKER: &str = "live-worker.js";

/// Our scripts for every page; they go out as `console.js`, in this order.
const SCRIPTS: &[&str] = &["app.js", "keys.js", "live.js", "upload.js", "report.js"];

/// Address of the asset with this plain name, such as `app.css`.
///
/// # Panics
/// When there is no such file: the names are literals of this crate and a test
/// walks every page.
pub(crate) fn url(name: &str) -> String {
    let hashed = CATALOGUE.hashed.get(name).expect("assets are named by literals that exist");
    format!("/assets/{hashed}")
}

/// `GET /assets/{name}`, without sign-in: nothing here is secret.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/assets/{name}", get(asset))
}

async fn asset(Path(name): Path<String>, asked: HeaderMap) -> Response {
    let Some(asset) = CATALOGUE.assets.get(&name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(asset.kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
    ];
    if let Some(brotli) = asset.brotli.as_ref().filter(|_| takes_brotli(&asked)) {
        // The first one takes a tenth of a second, which is too long for an async thread.
        let made = tokio::task::spawn_blocking(|| brotli.get_or_init(|| compressed(&asset.body)));
        if let Ok(body) = made.await {
            let more = [
                (header::CONTENT_ENCODING, HeaderValue::from_static("br")),
                (header::VARY, HeaderValue::from_static("accept-encoding")),
            ];
            return (headers, more, body.clone()).into_response();
        }
    }
    (headers, asset.body.clone()).into_response()
}

/// Whether a browser takes Brotli (RFC 9110 12.5.3); one that weighs it at 0 does not.
fn takes_brotli(asked: &HeaderMap) -> bool {
    let lists = asked.get_all(header::ACCEPT_ENCODING).iter();
    lists.filter_map(|list| list.to_str().ok()).flat_map(|list| list.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>);
        name.trim().eq_ignore_ascii_case("br") && weight.is_ok_and(|weight| weight > 0.0)
    })
}

fn compressed(body: &[u8]) -> Bytes {
    let wanted = brotli::enc::BrotliEncoderParams {
        quality: 11,
        size_hint: body.len(),
        ..Default::default()
    };
    let mut out = Vec::new();
    brotli::BrotliCompress(&mut &*body, &mut out, &wanted)
        .expect("reading and writing memory does not fail");
    out.into()
}

/// Without indents, empty lines and lines of comment. Our sources keep no text over
/// several lines, where an indent would count; a test looks for it.
fn lean_script(source: &str) -> String {
    let lines = source.lines().map(str::trim);
    let kept = lines.filter(|line| !line.is_empty() && !line.starts_with("//"));
    kept.flat_map(|line| [line, "\n"]).collect()
}

/// Without comments, indents and the spaces that only people need.
fn lean_style(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, comment)) = rest.split_once("/*") {
        text.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for mark in ["{", "}", ";", ","] {
        text = text.replace(&format!(" {mark}"), mark).replace(&format!("{mark} "), mark);
    }
    // A space before a colon may be a selector's; after one it is not.
    text = text.replace(": ", ":").replace(";}", "}");
    text
}

/// Text of one of our own files.
fn source(name: &str) -> String {
    let body = Files::get(name).expect("the lists are of files that exist").data;
    String::from_utf8_lossy(&body).into_owned()
}

impl Catalogue {
    fn build() -> Self {
        let mut catalogue = Self { hashed: HashMap::new(), assets: HashMap::new() };
        let names: Vec<&'static str> = Files::iter()
            .filter_map(|name| match name {
                Cow::Borrowed(name) if !name.ends_with(".md") => Some(name),
                Cow::Borrowed(_) | Cow::Owned(_) => None,
            })
            .collect();
        let ours = [NAMING, SCRIPTS, &[WORKER]].concat();
        catalogue.add(WORKER, Bytes::from(lean_script(&source(WORKER))));
        let others = names.iter().filter(|name| !ours.contains(name));
        for name in others {
            let body = Files::get(name).expect("the list is of files that exist").data;
            catalogue.add(name, Bytes::from(body.into_owned()));
        }
        let scripts: String = SCRIPTS.iter().map(|name| lean_script(&source(name))).collect();
        catalogue.add("console.js", Bytes::from(scripts));
        for name in NAMING {
            let mut text = lean_style(&source(name));
            for (plain, hashed) in &catalogue.hashed {
                text = text.replace(&format!("url({plain})"), &format!("url({hashed})"));
            }
            catalogue.add(name, Bytes::from(text));
        }
        catalogue
    }

    fn add(&mut self, name: &'static str, body: Bytes) {
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        let digest = Sha256::digest(&body);
        let hash: String = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let hashed = format!("{stem}.{hash}.{extension}");
        let kind = match extension {
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "svg" => "image/svg+xml",
            "woff2" => "font/woff2",
            "csv" => "text/csv; charset=utf-8",
            _ => "application/octet-stream",
        };
        let brotli = matches!(extension, "css" | "js" | "svg").then(OnceLock::new);
        self.hashed.insert(name, hashed.clone());
        self.assets.insert(hashed, Asset { kind, body, brotli });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendored_files_are_those_that_the_list_names() {
        let list = include_str!("../../assets/VENDORED.md");
        let mut checked = 0;
        for line in list.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let (name, sum) = (cells[1].trim_matches('`'), cells[5].trim_matches('`'));
            let body = Files::get(name).unwrap_or_else(|| panic!("{name} is listed and missing"));
            let digest = Sha256::digest(&body.data);
            let found: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(found, sum, "{name} is not the file that the list names");
            checked += 1;
        }
        assert_eq!(checked, 2, "the list has lost a line");
    }

    #[test]
    fn the_stylesheet_names_the_font_by_its_hash() {
        let css = &CATALOGUE.assets[&CATALOGUE.hashed["app.css"]].body;
        let css = str::from_utf8(css).unwrap();
        assert!(css.contains(&format!("url({})", CATALOGUE.hashed["inter.woff2"])));
        assert!(!css.contains("url(inter.woff2)"));
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere() {
        for name in SCRIPTS.iter().chain(&["app.css", WORKER]) {
            let text = source(name);
            assert!(!text.contains("//cdn") && !text.contains("https://"), "{name}");
        }
    }

    #[test]
    fn the_console_is_small() {
        let size = |name: &str| compressed(&CATALOGUE.assets[&CATALOGUE.hashed[name]].body).len();
        let scripts: usize = ["htmx.min.js", "console.js", WORKER].map(size).iter().sum();
        assert!(scripts <= 17_000, "scripts: {scripts} bytes");
        assert!(size("app.css") <= 9_000, "styles: {} bytes", size("app.css"));
    }

    #[test]
    fn what_is_compressed_is_what_was_there() {
        let body = &CATALOGUE.assets[&CATALOGUE.hashed["console.js"]].body;
        let mut back = Vec::new();
        brotli::BrotliDecompress(&mut &*compressed(body), &mut back).unwrap();
        assert_eq!(&back, body);
    }

    #[test]
    fn brotli_is_for_those_who_take_it() {
        let takes = |list: &'static str| {
            takes_brotli(&HeaderMap::from_iter([(
                header::ACCEPT_ENCODING,
                HeaderValue::from_static(list),
            )]))
        };
        assert!(takes("gzip, deflate, br") && takes("BR;q=0.5") && takes("br ; q=1"));
        assert!(!takes("gzip") && !takes("br;q=0") && !takes("br;q=x") && !takes("brotli"));
        assert!(!takes_brotli(&HeaderMap::new()));
    }

    #[test]
    fn scripts_lose_only_what_people_read() {
        assert_eq!(lean_script("// why\n\n  a('// b') // c\n"), "a('// b') // c\n");
        for name in SCRIPTS {
            let text = source(name);
            let open = text.lines().find(|line| line.matches('`').count() % 2 == 1);
            assert_eq!(open, None, "{name}: a text over several lines would lose its indents");
        }
    }

    #[test]
    fn styles_lose_only_what_people_read() {
        let css = "/* why */\n.a > .b,\n.c { margin: 0 auto; color: red; }\n\n@media (width < 9px) { .d .e { top: 0 } }";
        assert_eq!(
            lean_style(css),
            ".a > .b,.c{margin:0 auto;color:red}@media (width < 9px){.d .e{top:0}}"
        );
    }
}
