//! The files of `static/`, carried by the binary.
//!
//! They are served below a path that holds a hash of all of them (`/static/3f2a…/js/app.js`), so that a browser may
//! keep them for ever and still gets new ones with a new build, imports between modules included. An older path still
//! finds the newest file, but is not kept. Without a hash in it, the answer has an `ETag`.

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

use super::packed::{Packed, without_comments};
use crate::extract::Path;

#[derive(RustEmbed)]
#[folder = "../static"]
struct Static;

static BASE: LazyLock<String> = LazyLock::new(|| {
    let mut names: Vec<_> = Static::iter().collect();
    names.sort();
    let mut hash = Sha256::new();
    for name in names {
        let file = Static::get(&name).expect("a name that was just listed is there");
        hash.update(name.as_bytes());
        hash.update(file.metadata.sha256_hash());
    }
    format!("/static/{}", &format!("{:x}", hash.finalize())[..12])
});

/// Modules that no page needs at once: entries, and what `app.js` imports when it is wanted.
const LATER: [&str; 5] =
    ["js/app.js", "js/login.js", "js/components/admin.js", "js/components/campaign-page.js", "js/components/jump.js"];

static MODULES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut modules: Vec<String> = Static::iter()
        .filter(|name| name.starts_with("js/") && !LATER.contains(&&**name))
        .filter(|name| name.ends_with(".js"))
        .map(|name| name.into_owned())
        .collect();
    modules.sort();
    modules
});

/// Where the files are: `/static/` and the hash of all of them.
pub(super) fn base() -> &'static str {
    &BASE
}

/// The modules that `js/app.js` imports, directly or not.
pub(super) fn modules() -> &'static [String] {
    &MODULES
}

/// The files as small as they get. Until all are packed, the compression layer does what it can.
static PACKED: Packed = Packed::new();

/// A release build packs all files when it starts. A debug build would spend seconds on it each time; there it waits for the
/// first browser.
pub(crate) fn precompress() {
    if !cfg!(debug_assertions) {
        PACKED.begin(all_files);
    }
}

/// `GET /favicon.ico`
pub(crate) async fn send_favicon() -> Response {
    answer("img/favicon.svg", false, &HeaderMap::new())
}

/// `GET /static/{hash}/{name}`; a name without the hash of all files, or with that of others, is not kept for long.
pub(crate) async fn send_asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    let current = base().strip_prefix("/static/").expect("the base is made so");
    match path.split_once('/') {
        Some((hash, name)) if hash == current => answer(name, true, &headers),
        Some((hash, name)) if hash.len() == current.len() && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
            answer(name, false, &headers)
        }
        _ => answer(&path, false, &headers),
    }
}

/// Style sheets of the pages, in the order that they count. They travel as one file: an answer for each weighs twice as much.
const SHEETS: [&str; 17] = [
    "css/tokens.css",
    "css/auto.css",
    "vendor/uplot/uPlot.min.css",
    "css/base.css",
    "css/shell.css",
    "css/controls.css",
    "css/status.css",
    "css/panels.css",
    "css/kpi.css",
    "css/cards.css",
    "css/facts.css",
    "css/charts.css",
    "css/table.css",
    "css/feed.css",
    "css/health.css",
    "css/alerts.css",
    "css/responsive.css",
];

/// The one file that they make.
pub(super) const ALL_SHEETS: &str = "css/all.css";

fn all_files() -> Vec<(String, Vec<u8>)> {
    let names = Static::iter().map(std::borrow::Cow::into_owned).chain([ALL_SHEETS.to_owned()]);
    names.filter_map(|name| read(&name).map(|bytes| (name, bytes))).collect()
}

/// A file's bytes, as they are served: our own modules without their comments.
fn read(name: &str) -> Option<Vec<u8>> {
    if name == ALL_SHEETS {
        return SHEETS
            .iter()
            .map(|sheet| Static::get(sheet).map(|file| file.data))
            .collect::<Option<Vec<_>>>()
            .map(|all| all.concat());
    }
    let bytes = Static::get(name)?.data.into_owned();
    let own_module = name.starts_with("js/") && name.ends_with(".js");
    Some(if own_module { without_comments(&bytes) } else { bytes })
}

fn answer(name: &str, for_ever: bool, headers: &HeaderMap) -> Response {
    PACKED.begin(all_files);
    let content_type = (header::CONTENT_TYPE, HeaderValue::from_static(content_type(name)));
    let vary = (header::VARY, HeaderValue::from_static("accept-encoding"));
    if for_ever {
        let keep = (header::CACHE_CONTROL, HeaderValue::from_static("max-age=31536000, immutable"));
        // What never changes needs no tag to ask by.
        if let Some(packed) = takes_brotli(headers).then(|| PACKED.get(name)).flatten() {
            let encoding = (header::CONTENT_ENCODING, HeaderValue::from_static("br"));
            return ([keep, content_type, vary, encoding], packed).into_response();
        }
        return match read(name) {
            Some(bytes) => ([keep, content_type, vary], bytes).into_response(),
            None => (StatusCode::NOT_FOUND, "There is no such file.").into_response(),
        };
    }
    let Some(bytes) = read(name) else {
        return (StatusCode::NOT_FOUND, "There is no such file.").into_response();
    };
    let etag = format!("\"{}\"", &format!("{:x}", Sha256::digest(&bytes))[..24]);
    let fixed = [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::ETAG, HeaderValue::from_str(&etag).expect("hex in quotes is a header value")),
    ];
    let known = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag));
    if known {
        return (StatusCode::NOT_MODIFIED, fixed).into_response();
    }
    (fixed, [content_type], bytes).into_response()
}

fn takes_brotli(headers: &HeaderMap) -> bool {
    let encodings = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    encodings.flat_map(|value| value.split(',')).any(|encoding| {
        let mut parts = encoding.split(';').map(str::trim);
        parts.next() == Some("br") && parts.next() != Some("q=0")
    })
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or("") {
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "woff2" => "font/woff2",
        "png" => "image/png",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_below_the_hash_is_kept_for_ever_and_another_path_is_not() {
        let hash = base().strip_prefix("/static/").unwrap();
        let kept = send_asset(Path(format!("{hash}/js/app.js")), HeaderMap::new()).await;
        assert_eq!(kept.status(), StatusCode::OK);
        assert!(kept.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
        assert_eq!(kept.headers()[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
        let plain = send_asset(Path("js/app.js".into()), HeaderMap::new()).await;
        assert_eq!(plain.headers()[header::CACHE_CONTROL], "no-cache");
        let mut again = HeaderMap::new();
        again.insert(header::IF_NONE_MATCH, plain.headers()[header::ETAG].clone());
        assert_eq!(send_asset(Path("js/app.js".into()), again).await.status(), StatusCode::NOT_MODIFIED);
    }

    #[test]
    fn leaving_out_comments_leaves_all_code_of_our_modules() {
        for name in Static::iter().filter(|name| name.starts_with("js/") && name.ends_with(".js")) {
            let source = String::from_utf8(Static::get(&name).unwrap().data.into_owned()).unwrap();
            let served = String::from_utf8(read(&name).unwrap()).unwrap();
            let is_comment = |line: &str| ["//", "/*", "*"].iter().any(|mark| line.trim_start().starts_with(mark));
            let code = |text: &str| -> Vec<String> {
                text.lines().filter(|line| !line.trim().is_empty() && !is_comment(line)).map(str::to_owned).collect()
            };
            assert_eq!(code(&source), code(&served), "{name}");
            assert!(!served.lines().any(|line| line.trim_start().starts_with("//")), "{name}");
            // A line that only looks like a comment, because it stands in a template literal, must not be.
            let mut ticks = 0;
            for line in source.lines() {
                assert!(ticks % 2 == 0 || !is_comment(line), "{name}: {line}");
                ticks += if is_comment(line) { 0 } else { line.matches('`').count() };
            }
        }
    }

    #[test]
    fn brotli_is_for_those_who_ask_for_it() {
        for (value, takes) in
            [("gzip, deflate, br", true), ("br;q=1.0", true), ("br;q=0", false), ("gzip", false), ("brx", false)]
        {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(value))]);
            assert_eq!(takes_brotli(&headers), takes, "{value}");
        }
    }

    #[tokio::test]
    async fn the_sheets_travel_as_one() {
        assert_eq!(send_asset(Path(ALL_SHEETS.into()), HeaderMap::new()).await.status(), StatusCode::OK);
        let all = String::from_utf8(read(ALL_SHEETS).unwrap()).unwrap();
        assert!(all.contains("--canvas") && all.contains(".uplot") && all.contains("prefers-reduced-motion"));
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_is_not_found() {
        for path in ["js/none.js", "../Cargo.toml", "0123456789ab/../../Cargo.toml", ""] {
            assert_eq!(send_asset(Path(path.into()), HeaderMap::new()).await.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }
}
