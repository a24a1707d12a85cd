//! What a tag's value can hold.
//!
//! ECS allows letters, digits, spaces and `+ - = . _ : / @` in it, 256 characters at most.

pub const LONGEST_VALUE: usize = 256;

pub(super) fn is_allowed(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, ' ' | '+' | '-' | '=' | '.' | '_' | ':' | '/' | '@')
}

/// A name as one word of a tag: what is not allowed there becomes `_`, and it is cut where it is very long.
pub fn word(name: &str) -> String {
    const LONGEST: usize = 64;
    let fits = |c: char| is_allowed(c) && !matches!(c, ' ' | '=' | '+' | '@');
    name.chars().map(|c| if fits(c) { c } else { '_' }).take(LONGEST).collect()
}

/// Text as a tag's value may be, without loss: what is not allowed there is written as its bytes, `@28` for a parenthesis. One
/// that is too long ends in ` ...`.
pub(super) fn encoded(text: &str, room: usize) -> String {
    const MORE: &str = " ...";
    let sign = |c: char| match c {
        c if c.is_ascii() && is_allowed(c) && c != '@' => c.to_string(),
        c if !c.is_ascii() && c.is_alphanumeric() => c.to_string(),
        c => c.to_string().bytes().map(|byte| format!("@{byte:02X}")).collect(),
    };
    let signs: Vec<String> = text.chars().map(sign).collect();
    if signs.iter().map(|sign| sign.chars().count()).sum::<usize>() <= room {
        return signs.concat();
    }
    let mut used = MORE.len();
    let fits = |sign: &&String| {
        used += sign.chars().count();
        used <= room
    };
    signs.iter().take_while(fits).map(String::as_str).chain([MORE]).collect()
}

/// What [`encoded`] wrote. An `@` without two digits behind it is one that an older worker, or a person, wrote.
pub(super) fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let digits = (*first == b'@').then(|| behind.get(..2)).flatten();
        let byte =
            digits.and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One text in the values of two tags, parted at a space: no value begins or ends with one.
pub(super) fn in_two(text: &str) -> (String, String) {
    let Some((cut, _)) = text.char_indices().nth(LONGEST_VALUE) else { return (text.to_owned(), String::new()) };
    let (first, more) = text[..=cut].rsplit_once(' ').map_or((&text[..cut], 0), |(first, _)| (first, first.len() + 1));
    (first.to_owned(), text[more.max(first.len())..].trim_start().to_owned())
}
