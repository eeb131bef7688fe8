//! The page: files of ours and the chart library, embedded; nothing comes from elsewhere.

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// One file of the page.
struct Asset {
    path: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

macro_rules! assets {
    ($($path:literal = $kind:expr, $file:literal;)*) => {
        const ASSETS: &[Asset] = &[
            $(Asset { path: $path, kind: $kind, bytes: include_bytes!($file) },)*
        ];
    };
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

assets! {
    "/" = "text/html; charset=utf-8", "page/index.html";
    "/page/icon.svg" = "image/svg+xml", "page/icon.svg";
    "/page/base.css" = STYLE, "page/base.css";
    "/page/fleet.css" = STYLE, "page/fleet.css";
    "/page/workload.css" = STYLE, "page/workload.css";
    "/page/main.js" = SCRIPT, "page/main.js";
    "/page/api.js" = SCRIPT, "page/api.js";
    "/page/dom.js" = SCRIPT, "page/dom.js";
    "/page/words.js" = SCRIPT, "page/words.js";
    "/page/notices.js" = SCRIPT, "page/notices.js";
    "/page/fleet.js" = SCRIPT, "page/fleet.js";
    "/page/sparkline.js" = SCRIPT, "page/sparkline.js";
    "/page/workload.js" = SCRIPT, "page/workload.js";
    "/page/panels.js" = SCRIPT, "page/panels.js";
    "/page/learned.js" = SCRIPT, "page/learned.js";
    "/page/chart.js" = SCRIPT, "page/chart.js";
    "/page/layers.js" = SCRIPT, "page/layers.js";
    "/page/range.js" = SCRIPT, "page/range.js";
    "/page/vendor/uplot.js" = SCRIPT, "page/vendor/uPlot.iife.min.js";
    "/page/vendor/uplot.css" = STYLE, "page/vendor/uPlot.min.css";
}

/// A route for each file.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let route = |router: Router<S>, asset: &'static Asset| {
        router.route(asset.path, get(async move |headers: HeaderMap| answer(asset, &headers)))
    };
    ASSETS.iter().fold(Router::new(), route)
}

/// The file, or that the browser has it already. Browsers ask each time: an upgrade is seen at once.
fn answer(asset: &Asset, headers: &HeaderMap) -> Response {
    let tag = format!("\"{:08x}-{}\"", crc32fast::hash(asset.bytes), asset.bytes.len());
    let known =
        headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let caching = [(header::ETAG, tag), (header::CACHE_CONTROL, "no-cache".to_owned())];
    if known {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    (caching, [(header::CONTENT_TYPE, asset.kind)], asset.bytes).into_response()
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn the_chart_library_is_the_one_that_is_noted() {
        let noted = include_str!("page/vendor/SHA256SUMS");
        let mut checked = 0;
        for line in noted.lines() {
            let (sum, file) = line.split_once("  ").unwrap();
            let asset =
                ASSETS.iter().find(|asset| file == name(asset)).unwrap_or_else(|| panic!("{file}"));
            let found: String =
                Sha256::digest(asset.bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(found, sum, "{file}");
            checked += 1;
        }
        assert_eq!(checked, 2);
        assert!(include_str!("page/vendor/LICENSE").contains("MIT"));
    }

    fn name(asset: &Asset) -> &'static str {
        match asset.path {
            "/page/vendor/uplot.js" => "uPlot.iife.min.js",
            "/page/vendor/uplot.css" => "uPlot.min.css",
            other => other,
        }
    }

    #[test]
    fn the_page_is_small_and_asks_nobody_else() {
        let size: usize = ASSETS.iter().map(|asset| asset.bytes.len()).sum();
        assert!(size <= 150_000, "{size} bytes, before compression");
        for asset in ASSETS.iter().filter(|asset| !asset.path.contains("vendor")) {
            let text = std::str::from_utf8(asset.bytes).unwrap();
            let outside = text.replace("http://www.w3.org/", "").replace("https://github.com/", "");
            assert!(!outside.contains("https://"), "{} asks somebody else", asset.path);
            assert!(
                !text.contains(" style=\""),
                "{}: the policy forbids inline styles",
                asset.path
            );
        }
    }
}
