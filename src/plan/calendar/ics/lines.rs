//! The syntax of iCalendar (RFC 5545, 3.1 and 3.4): folded lines of names, parameters and values, in nested components.

/// `BEGIN:NAME` to `END:NAME`.
#[derive(Clone, Debug, Default)]
pub struct Component {
    pub name: String,
    /// Where it begins, counted from 1.
    pub line: usize,
    pub properties: Vec<Property>,
    pub components: Vec<Component>,
}

/// `NAME;PARAMETER=VALUE:VALUE`, names in capitals.
#[derive(Clone, Debug)]
pub struct Property {
    pub name: String,
    pub parameters: Vec<(String, String)>,
    pub value: String,
}

/// What cannot be read, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    pub line: usize,
    pub why: String,
}

impl Component {
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Property> {
        self.properties.iter().filter(move |property| property.name == name)
    }

    /// The one property of this name; with two, nobody knows which.
    pub fn one(&self, name: &str) -> Result<Option<&Property>, String> {
        let mut all = self.properties.iter().filter(|property| property.name == name);
        match (all.next(), all.next()) {
            (first, None) => Ok(first),
            (_, Some(_)) => Err(format!("more than one {name}")),
        }
    }

    /// # Errors
    /// With the first property whose name is none of these.
    pub fn must_all_be(&self, understood: impl Fn(&str) -> bool) -> Result<(), String> {
        match self.properties.iter().find(|property| !understood(&property.name)) {
            Some(property) => Err(format!("{} is not understood", property.name)),
            None => Ok(()),
        }
    }

    pub fn must(&self, name: &str) -> Result<&Property, String> {
        self.one(name)?.ok_or_else(|| format!("no {name}"))
    }
}

impl Property {
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A value of type TEXT on one line.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut chars = self.value.chars();
        while let Some(c) = chars.next() {
            text.push(match c {
                '\\' => match chars.next() {
                    Some('n' | 'N') | None => ' ',
                    Some(escaped) => escaped,
                },
                c if c.is_control() => ' ',
                c => c,
            });
        }
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// The components that are in no other.
pub fn components(text: &str) -> Result<Vec<Component>, BadLine> {
    let mut open: Vec<Component> = Vec::new();
    let mut whole = Vec::new();
    for (line, content) in unfolded(text) {
        let bad = |why: &str| BadLine { line, why: why.to_owned() };
        let property = property(&content).map_err(bad)?;
        match property.name.as_str() {
            "BEGIN" => {
                open.push(Component { name: property.value.trim().to_ascii_uppercase(), line, ..Component::default() });
            }
            "END" => {
                let ended = open.pop().filter(|of| of.name.eq_ignore_ascii_case(property.value.trim()));
                let ended = ended.ok_or_else(|| bad("an END without its BEGIN"))?;
                open.last_mut().map_or(&mut whole, |outer| &mut outer.components).push(ended);
            }
            _ => open.last_mut().ok_or_else(|| bad("outside of a calendar"))?.properties.push(property),
        }
    }
    match open.pop() {
        None => Ok(whole),
        Some(Component { name, line, .. }) => Err(BadLine { line, why: format!("{name} has no END") }),
    }
}

/// With the number of the line on which each begins. A line that begins with a space or a tab goes on with the one before it.
fn unfolded(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (index, line) in text.trim_start_matches('\u{feff}').split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        match (line.strip_prefix([' ', '\t']), lines.last_mut()) {
            (Some(more), Some((_, before))) => before.push_str(more),
            _ => lines.push((index + 1, line.to_owned())),
        }
    }
    lines.retain(|(_, line)| !line.trim().is_empty());
    lines
}

fn property(line: &str) -> Result<Property, &'static str> {
    let mut quoted = false;
    // Where there is a colon or a semicolon that is not in quotes.
    let mut marks = line.char_indices().filter(|(_, c)| {
        quoted ^= *c == '"';
        !quoted && matches!(c, ':' | ';')
    });
    let mut heads = Vec::new();
    let mut since = 0;
    loop {
        let Some((index, mark)) = marks.next() else {
            return Err("not `NAME:VALUE`");
        };
        heads.push(&line[since..index]);
        since = index + 1;
        if mark == ':' {
            break;
        }
    }
    let name = heads.remove(0).to_ascii_uppercase();
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Err("not `NAME:VALUE`");
    }
    let parameters =
        heads.into_iter().map(parameter).collect::<Option<_>>().ok_or("a parameter that is not `NAME=VALUE`")?;
    Ok(Property { name, parameters, value: line[since..].to_owned() })
}

fn parameter(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    Some((name.to_ascii_uppercase(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Property {
        property(text).unwrap()
    }

    #[test]
    fn a_line_is_a_name_parameters_and_a_value() {
        let start = line("dtstart;tzid=\"(UTC+01:00) Berlin; Rome\";VALUE=DATE-TIME:20261127T080000");
        assert_eq!(start.name, "DTSTART");
        assert_eq!(start.parameter("TZID"), Some("(UTC+01:00) Berlin; Rome"));
        assert_eq!(start.parameter("VALUE"), Some("DATE-TIME"));
        assert_eq!(start.value, "20261127T080000");
        assert_eq!(line("URL:https://example.com/?a=1;b=2").value, "https://example.com/?a=1;b=2");
        for text in ["", "DTSTART", "DT START:1", ":1", "<html>", "DTSTART;TZID:1", "DTSTART;TZID=\"Berlin:1", "ü:1"] {
            assert!(property(text).is_err(), "{text}");
        }
    }

    #[test]
    fn text_is_unescaped_on_one_line() {
        let table =
            [("a\\, b\\; c", "a, b; c"), ("a\\nb\\Nc", "a b c"), ("C:\\\\n", "C:\\n"), (" \\", ""), ("a\tb", "a b")];
        for (value, text) in table {
            assert_eq!(line(&format!("SUMMARY:{value}")).text(), text);
        }
    }

    #[test]
    fn folded_lines_are_one() {
        for end in ["\n", "\r\n"] {
            let text = ["\u{feff}BEGIN:A", "SUMMARY:Black", "  Fri", "\tday", "", "END:A", ""].join(end);
            let all = components(&text).unwrap();
            assert_eq!(all[0].properties[0].value, "Black Friday");
        }
    }

    #[test]
    fn components_are_nested_and_whole() {
        let all = components("BEGIN:a\nBEGIN:B\nX:1\nend:b\nEND:A\nBEGIN:C\nEND:C\n").unwrap();
        let names: Vec<(&str, usize)> = all.iter().map(|of| (of.name.as_str(), of.line)).collect();
        assert_eq!(names, [("A", 1), ("C", 6)]);
        assert_eq!(all[0].components[0].properties[0].value, "1");
        for (text, bad) in
            [("BEGIN:A", 1), ("END:A", 1), ("BEGIN:A\nBEGIN:B\nEND:A\nEND:B", 3), ("X:1", 1), ("\n\nhey", 3)]
        {
            assert_eq!(components(text).unwrap_err().line, bad, "{text}");
        }
    }
}
