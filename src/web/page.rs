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
        let (style, script) = (lean(&format!("{COLOURS}{STYLE}")), lean(SCRIPT));
        let policy = format!(
            "default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'",
            hash(&script),
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
                            h2 #attention-title { "Needs attention" }
                            div #alerts {}
                        }
                        div #clusters {}
                        section #said aria-labelledby="said-title" hidden {
                            h2 #said-title { "Recent events" }
                            div #journal { ul {} details { summary {} ul {} } }
                        }
                    }
                    footer { p #version {} }
                    script { (PreEscaped(script)) }
                }
            }
        };
        // A hash is of letters that a header can have: the fallback forbids everything.
        let policy = HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
        Self { html: page.into_string(), policy }
    }
}

/// Without what is for who reads the source: indents, and lines that are a comment.
fn lean(source: &str) -> String {
    let lines = source.lines().map(str::trim);
    let told = lines.filter(|line| !line.is_empty() && !line.starts_with("//") && !line.starts_with("/**"));
    told.collect::<Vec<_>>().join("\n")
}

/// As a policy names it.
fn hash(text: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The only address on it: where a link leads that a person follows. Nothing is loaded from there.
    const CONSOLES: &str = "`https://${region}.console.${domain}/${path}`";

    #[test]
    fn it_loads_nothing_and_allows_nothing_else() {
        let Page { html, policy } = Page::new();
        assert_eq!(html.matches(CONSOLES).count(), 1);
        let html = html.replace(CONSOLES, "");
        let loads = [
            "http:",
            "https:",
            "ws:",
            "wss:",
            "src=",
            ".src",
            "href=",
            "url(",
            "@import",
            "import(",
            "fetch(",
            "XMLHttpRequest",
            "WebSocket",
            "sendBeacon",
            "new Worker",
            "createElementNS",
            "innerHTML",
            "outerHTML",
            "insertAdjacent",
            "eval(",
            " style=",
        ];
        for outside in loads {
            assert!(!html.contains(outside), "{outside}");
        }
        // One place makes a link, and each link is shut off from this page.
        assert_eq!((html.matches(".href").count(), html.matches(r#".rel = "noopener noreferrer""#).count()), (1, 1));
        assert_eq!(html.matches("new EventSource(").count(), html.matches(r#"new EventSource("events")"#).count());
        let policy = policy.to_str().unwrap();
        let kinds: Vec<&str> = policy.split("; ").map(|part| part.split(" 'sha256-").next().unwrap()).collect();
        let expected = [
            "default-src 'none'",
            "script-src",
            "style-src",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ];
        assert_eq!(kinds, expected, "{policy}");
    }

    #[test]
    fn it_is_light() {
        let Page { html, .. } = Page::new();
        assert!(html.len() < 41_000, "{} bytes", html.len());
    }

    /// A colour as eyes without green cones see it (Machado and others, 2009), and how light it is and of which hue (CIELAB).
    fn seen_without_green(colour: &str) -> [f64; 3] {
        let part = |at: usize| f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
        let linear = |c: f64| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) };
        let rgb = [1, 3, 5].map(|at| linear(part(at)));
        let through = |rows: [[f64; 3]; 3], of: [f64; 3]| {
            rows.map(|row| row.iter().zip(of).map(|(a, b)| a * b).sum::<f64>().clamp(0.0, 1.0))
        };
        let seen = through(
            [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
            rgb,
        );
        let xyz = through([[0.4339, 0.3763, 0.1899], [0.2126, 0.7152, 0.0722], [0.0177, 0.1095, 0.8728]], seen);
        let [x, y, z] = xyz.map(|t| if t > 0.008856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 });
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    #[test]
    fn phases_differ_for_eyes_without_green() {
        let (light, dark) = COLOURS.split_once("@media").unwrap();
        for (scheme, css) in [("light", light), ("dark", dark)] {
            let colour = |phase: &str| {
                let at = css.find(&format!("--{phase}: #")).unwrap_or_else(|| panic!("{phase}")) + phase.len() + 4;
                seen_without_green(&css[at..at + 7])
            };
            let path = ["outdated", "leaving", "replacing", "draining", "drained", "retired", "current"];
            for (n, a) in path.iter().enumerate() {
                for b in &path[n + 1..] {
                    let apart = colour(a).iter().zip(colour(b)).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                    // A difference of 2 can just be seen side by side. What is done is told from everything at a glance.
                    let least = if *b == "current" { 35.0 } else { 15.0 };
                    assert!(apart > least, "{scheme}: {a} and {b} are {apart:.0} apart");
                }
            }
        }
    }

    #[test]
    fn a_hash_is_as_browsers_reckon_it() {
        // The example of the specification (CSP level 2, section 4.2.5).
        assert_eq!(hash("alert('Hello, world.');"), "sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng=");
    }
}
