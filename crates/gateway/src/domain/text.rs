//! Bounds of free text. Lengths are characters, not bytes; a control character is never welcome in a name.

use std::ops::RangeInclusive;

use battlearena_proto::Failure;

/// One line of text with so many characters, none of them a control character.
///
/// # Errors
/// Invalid, naming the field.
pub(crate) fn line(field: &str, text: &str, length: RangeInclusive<usize>) -> Result<(), Failure> {
    of_length(field, text, length)?;
    if text.chars().any(char::is_control) {
        return Err(Failure::invalid(field, format!("{field} must not have control characters")));
    }
    Ok(())
}

/// A text that is to say something: so many characters, in as many lines as it likes. The null character, which no
/// database column takes, is refused.
///
/// # Errors
/// Invalid, naming the field.
pub(crate) fn prose(field: &str, text: &str, length: RangeInclusive<usize>) -> Result<(), Failure> {
    of_length(field, text, length)?;
    if text.contains('\0') {
        return Err(Failure::invalid(field, format!("{field} must not have null characters")));
    }
    Ok(())
}

/// A number within bounds.
///
/// # Errors
/// Invalid, naming the field.
pub(crate) fn number(field: &str, value: i64, bounds: RangeInclusive<i64>) -> Result<(), Failure> {
    if bounds.contains(&value) {
        return Ok(());
    }
    Err(Failure::invalid(field, format!("{field} must be {} to {}", bounds.start(), bounds.end())))
}

fn of_length(field: &str, text: &str, length: RangeInclusive<usize>) -> Result<(), Failure> {
    if length.contains(&text.chars().count()) {
        return Ok(());
    }
    let message = match length.start() {
        0 => format!("{field} must have at most {} characters", length.end()),
        least => format!("{field} must have {least} to {} characters", length.end()),
    };
    Err(Failure::invalid(field, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_characters() {
        assert!(line("item_name", "ж́".repeat(25).as_str(), 1..=50).is_ok());
        let failure = line("item_name", "", 1..=50).unwrap_err();
        assert_eq!(
            (failure.field(), failure.message()),
            (Some("item_name"), "item_name must have 1 to 50 characters")
        );
        let failure = line("region", &"x".repeat(21), 0..=20).unwrap_err();
        assert_eq!(failure.message(), "region must have at most 20 characters");
    }

    #[test]
    fn only_prose_has_lines() {
        assert!(line("item_name", "two\nlines", 1..=50).is_err());
        assert!(prose("message", "two\nlines", 1..=50).is_ok());
        assert!(prose("message", "nu\0ll", 1..=50).is_err());
    }

    #[test]
    fn numbers_have_inclusive_bounds() {
        for (value, good) in [(0, false), (1, true), (100, true), (101, false), (i64::MIN, false)] {
            assert_eq!(number("limit", value, 1..=100).is_ok(), good, "{value}");
        }
    }
}
