//! `strftime_now` for templates that write today's date. A format and a time come in, the date as text goes out.

use minijinja::{Error, ErrorKind};

/// `datetime.now().strftime(format)` in UTC, with the directives that templates use.
pub(super) fn strftime(format: &str, now: std::time::SystemTime) -> Result<String, Error> {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    const DAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
    let seconds = now.duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let days = seconds / 86_400;
    let (year, month, day) = civil(days as i64);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let month_name = MONTHS[month as usize - 1];
    let day_name = DAYS[(days % 7) as usize];
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let part = match chars.next() {
            Some('Y') => year.to_string(),
            Some('y') => format!("{:02}", year % 100),
            Some('m') => format!("{month:02}"),
            Some('d') => format!("{day:02}"),
            Some('e') => format!("{day:>2}"),
            Some('B') => month_name.to_owned(),
            Some('b' | 'h') => month_name[..3].to_owned(),
            Some('A') => day_name.to_owned(),
            Some('a') => day_name[..3].to_owned(),
            Some('H') => format!("{hour:02}"),
            Some('M') => format!("{minute:02}"),
            Some('S') => format!("{second:02}"),
            Some('F') => format!("{year}-{month:02}-{day:02}"),
            Some('%') => "%".to_owned(),
            other => {
                let part = other.map_or(String::new(), String::from);
                let what = format!("strftime_now does not know %{part}");
                return Err(Error::new(ErrorKind::InvalidOperation, what));
            }
        };
        out.push_str(&part);
    }
    Ok(out)
}

/// Year, month and day of a day number counted from 1970-01-01, in the Gregorian calendar (Hinnant, `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_the_calendars() {
        let at = |seconds| std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        let say = |seconds| strftime("%d %b %Y, %A %B %e %H:%M:%S %y-%m %%", at(seconds)).unwrap();
        assert_eq!(say(0), "01 Jan 1970, Thursday January  1 00:00:00 70-01 %");
        assert_eq!(say(951_782_399), "28 Feb 2000, Monday February 28 23:59:59 00-02 %");
        assert_eq!(say(1_709_210_096), "29 Feb 2024, Thursday February 29 12:34:56 24-02 %");
        assert!(strftime("%Q", at(0)).is_err());
    }
}
