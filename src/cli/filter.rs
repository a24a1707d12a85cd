//! Which lines of the log are printed: `debug`, or `warn,ecs_rotator=debug`.

use tracing_subscriber::EnvFilter;

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

#[derive(Debug, thiserror::Error)]
#[error("{variable}=`{filter}`: {why}; expected directives as `debug` or `warn,ecs_rotator=debug`")]
pub struct BadFilter {
    variable: &'static str,
    filter: String,
    why: String,
}

/// Reads a filter, strictly. `EnvFilter` takes any word for a target: with a misspelt level nothing at all would be logged.
///
/// # Errors
/// When a part of it is no directive.
pub fn read(variable: &'static str, text: &str) -> Result<EnvFilter, BadFilter> {
    let bad = |why: String| BadFilter { variable, filter: text.to_owned(), why };
    for directive in text.split(',') {
        let level = match directive.rsplit_once('=') {
            // The fields of a span have an equals sign of their own.
            Some((_, level)) if !level.contains([']', '}']) => level,
            Some(_) | None => directive,
        };
        if directive.trim().is_empty() {
            return Err(bad("there is nothing between two commas".to_owned()));
        }
        if !is_level(level) {
            return Err(bad(format!("`{}` is no level ({})", level.trim(), LEVELS.join(", "))));
        }
    }
    EnvFilter::try_new(text).map_err(|error| bad(error.to_string()))
}

/// Is it a level by itself?
#[must_use]
pub fn is_level(word: &str) -> bool {
    LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_would_silence_everything_is_refused() {
        for text in ["info", "off", "WARN", "error,ecs_rotator=info", "warn,x=debug", "a[s{x=1}]=debug,info"] {
            assert!(read("RUST_LOG", text).is_ok(), "{text}");
        }
        for (text, why) in [
            ("garbage=,,x", "`` is no level"),
            ("info,,warn", "nothing between two commas"),
            ("inof", "`inof` is no level"),
            ("ecs_rotator", "`ecs_rotator` is no level"),
            ("ecs_rotator=loud", "`loud` is no level"),
            ("a[s{x=1}]", "is no level"),
        ] {
            let refused = read("RUST_LOG", text).unwrap_err();
            assert!(refused.to_string().contains(why) && refused.to_string().contains("RUST_LOG"), "{text}: {refused}");
        }
    }
}
