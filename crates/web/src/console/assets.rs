//! The files of the console, in the binary, named by what they hold.
//!
//! A name carries the first 64 bits of the SHA-256 of the content, so an answer may
//! be cached for ever and a new build is a new name.

use std::{borrow::Cow, collections::HashMap, sync::LazyLock};

use axum::{
    Router,
    extract::Path,
    http::{HeaderValue, StatusCode, header},
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

async fn asset(Path(name): Path<String>) -> Response {
    let Some(asset) = CATALOGUE.assets.get(&name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(asset.kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
    ];
    (headers, asset.body.clone()).into_response()
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
        for name in names.iter().filter(|name| !NAMING.contains(name)) {
            let body = Files::get(name).expect("the list is of files that exist").data;
            catalogue.add(name, Bytes::from(body.into_owned()));
        }
        for name in NAMING {
            let body = Files::get(name).expect("the list is of files that exist").data;
            let mut text = String::from_utf8_lossy(&body).into_owned();
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
        self.hashed.insert(name, hashed.clone());
        self.assets.insert(hashed, Asset { kind, body });
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
        for name in ["app.css", "app.js", "live.js", "live-worker.js", "upload.js", "report.js"] {
            let body = Files::get(name).unwrap().data;
            let text = String::from_utf8_lossy(&body).into_owned();
            assert!(!text.contains("//cdn") && !text.contains("https://"), "{name}");
        }
    }
}
