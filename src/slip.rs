//! What somebody meant who wrote a name that nobody knows.

/// How alike two names have to be, from 0 to 1: one slip in a short name, and an `s` or a hyphen in any.
const ALIKE: f64 = 0.6;

/// The most like of these, if any is. Capitals, hyphens and underscores make no difference.
pub fn likely<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |name: &str| name.to_lowercase().replace(['-', '_'], "");
    let written = plain(written);
    let alike = |name: &'a str| (strsim::normalized_damerau_levenshtein(&written, &plain(name)), name);
    let best = known.into_iter().map(alike).max_by(|(a, _), (b, _)| a.total_cmp(b));
    best.filter(|(alike, _)| *alike >= ALIKE).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["window", "max-in-flight", "drain", "drain-timeout", "bake", "stuck"];
        for (written, meant) in [
            ("windows", Some("window")),
            ("WINDOW", Some("window")),
            ("max_in_flight", Some("max-in-flight")),
            ("max-in-fligth", Some("max-in-flight")),
            ("drain-time", Some("drain-timeout")),
            ("bakes", Some("bake")),
            ("freeze", None),
            ("owner", None),
            ("", None),
        ] {
            assert_eq!(likely(written, known), meant, "{written}");
        }
        assert_eq!(likely("window", []), None);
    }
}
