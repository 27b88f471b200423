//! What an alert's expression is compared with, for people. Knows as much of PromQL as that takes: brackets, quotes and
//! the words between conditions.

/// The comparison that decides: the last one outside of brackets in the first condition (those after `and`, `or` and
/// `unless` are a least traffic, or say the same of something else). An expression without one fires when it has any
/// value.
pub(super) fn of(expression: &str) -> String {
    let mut condition = first_condition(expression.trim());
    // A condition that is all in brackets, as burn rates are.
    while outside(condition).next().is_none()
        && let Some(inner) = condition.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'))
    {
        condition = first_condition(inner.trim());
    }
    let comparison = outside(condition).filter(|(_, c)| matches!(c, '<' | '>' | '=' | '!')).last();
    match comparison {
        Some((end, _)) => {
            let start = condition[..end].trim_end_matches(['<', '>', '=', '!']).len();
            let words: Vec<&str> =
                condition[start..].split_whitespace().filter(|word| *word != "bool").collect();
            format!("`{}`", words.join(" "))
        }
        None => "any".to_owned(),
    }
}

fn first_condition(expression: &str) -> &str {
    let end = outside(expression).map(|(at, _)| at).find(|at| {
        let (before, rest) = expression.split_at(*at);
        let follows_space = before.ends_with(char::is_whitespace);
        follows_space && ["and", "or", "unless"].iter().any(|word| is_word(rest, word))
    });
    expression[..end.unwrap_or(expression.len())].trim()
}

fn is_word(text: &str, word: &str) -> bool {
    text.strip_prefix(word).is_some_and(|rest| rest.starts_with(|c: char| c.is_whitespace() || c == '('))
}

/// The characters outside of brackets and quotes, with their places.
fn outside(expression: &str) -> impl Iterator<Item = (usize, char)> {
    let (mut depth, mut quote) = (0_usize, None);
    expression.char_indices().filter(move |(_, c)| {
        match (quote, *c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '`') => quote = Some(*c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => {
                depth = depth.saturating_sub(1);
                return false;
            }
            (None, _) => return depth == 0,
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn the_first_condition_decides() {
        for (expression, expected) in [
            ("up == 0", "`== 0`"),
            ("a / b > 0.05\nand c > 0.2", "`> 0.05`"),
            ("sum by (le) (rate(x{a!=\"b\", c=~\"or d > 1\"}[5m])) > 1", "`> 1`"),
            ("rate(a[5m]) / (b > 0) < 0.5 and c > 20", "`< 0.5`"),
            ("(a{x=\"y\"} > (14.4 * 0.001) and b > 1) or (c > 2)", "`> (14.4 * 0.001)`"),
            ("((a > 14.4 * 0.001) and (b > 1)) or (c > 2)", "`> 14.4 * 0.001`"),
            ("(a) / (b) > 2 or (c)", "`> 2`"),
            ("order > bool 3", "`> 3`"),
            ("sum(a) <= on (b) c", "`<= on (b) c`"),
            ("absent(up)", "any"),
            ("vector(1)", "any"),
        ] {
            assert_eq!(of(expression), expected, "{expression}");
        }
    }
}
