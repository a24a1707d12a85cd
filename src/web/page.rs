//! The page: one file, made once. It loads nothing but the worker's own `/events`, and its policy lets it do nothing else:
//! the only script and the only style that run are those with these very hashes.

use axum::http::HeaderValue;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use maud::{DOCTYPE, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use crate::record::COLOURS;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

pub struct Page {
    pub html: String,
    /// Its Content-Security-Policy.
    pub policy: HeaderValue,
}

impl Page {
    pub fn new() -> Self {
        let style = format!("{COLOURS}{STYLE}");
        let policy = format!(
            "default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'",
            hash(SCRIPT),
            hash(&style)
        );
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { "ecs-rotator" }
                    style { (PreEscaped(style)) }
                }
                body {
                    header {
                        h1 { "ecs-rotator" }
                        p #link role="status" { "connecting …" }
                    }
                    noscript { p { "This page is live by script. The same as text: " code { "ecs-rotator status" } ", as data: " code { "/status.json" } "." } }
                    main {
                        section #attention aria-live="polite" aria-labelledby="attention-title" hidden {
                            h2 #attention-title { "Needs a look" }
                            div #alerts {}
                        }
                        div #clusters {}
                        section #said aria-labelledby="said-title" hidden {
                            h2 #said-title { "Lately" }
                            ol #journal {}
                        }
                    }
                    footer { ul #legend aria-label="What the letters of hosts mean" {} p #version {} }
                    script { (PreEscaped(SCRIPT)) }
                }
            }
        };
        // A hash is of letters that a header can have: the fallback forbids everything.
        let policy = HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
        Self { html: page.into_string(), policy }
    }
}

/// As a policy names it.
fn hash(text: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_loads_nothing_and_allows_nothing_else() {
        let Page { html, policy } = Page::new();
        for outside in ["http:", "https:", "src=", "href=", "url(", "@import", "innerHTML", "eval(", " style="] {
            assert!(!html.contains(outside), "{outside}");
        }
        let policy = policy.to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }

    #[test]
    fn a_hash_is_as_browsers_reckon_it() {
        // The example of the specification (CSP level 2, section 4.2.5).
        assert_eq!(hash("alert('Hello, world.');"), "sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng=");
    }
}
