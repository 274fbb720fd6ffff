//! Dates of the Gregorian calendar, as AWS writes them, from the wall clock's milliseconds since 1970 and back.

const DAY_SECONDS: i64 = 86_400;

/// `20150830T123600Z`.
pub fn amz_date(ms: i64) -> String {
    let seconds = ms.div_euclid(1000);
    let (year, month, day) = civil(seconds.div_euclid(DAY_SECONDS));
    let second = seconds.rem_euclid(DAY_SECONDS);
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// `2015-08-30T12:36:00Z`, with or without a fraction; other zones than UTC are not taken.
pub fn parse_iso8601(text: &str) -> Option<i64> {
    let text = text.trim().strip_suffix(['Z', 'z']).or_else(|| text.trim().strip_suffix("+00:00"))?;
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let time = time.split('.').next()?;
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    let fits = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    fits.then(|| (days(year, month, day) * DAY_SECONDS + hour * 3600 + minute * 60 + second) * 1000)
}

fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    let mut parts = text.split(separator).map(|part| {
        let is_number = !part.is_empty() && part.len() <= 4 && part.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| part.parse().ok()).flatten()
    });
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(numbers)
}

/// Days since 1970. A year begins in March here, so that the leap day is its last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_come_and_go() {
        for (ms, date, iso) in [
            (0, "19700101T000000Z", "1970-01-01T00:00:00Z"),
            (1_440_938_160_000, "20150830T123600Z", "2015-08-30T12:36:00Z"),
            (1_709_164_799_000, "20240228T235959Z", "2024-02-28T23:59:59.999Z"),
            (1_709_164_800_000, "20240229T000000Z", "2024-02-29T00:00:00+00:00"),
            (4_102_444_800_000, "21000101T000000Z", "2100-01-01T00:00:00Z"),
        ] {
            assert_eq!(amz_date(ms), date);
            assert_eq!(parse_iso8601(iso), Some(ms), "{iso}");
        }
        // Every day there and back.
        for day in 0..100_000 {
            let (year, month, of_month) = civil(day);
            assert_eq!(days(year, month, of_month), day);
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "Z",
            "2015-08-30",
            "2015-13-30T12:36:00Z",
            "2015-08-30T12:36Z",
            "2015-08-30T24:00:00Z",
            "2015-08-30T12:36:00+02:00",
            "+015-08-30T12:36:00Z",
            "99999-08-30T12:36:00Z",
        ] {
            assert_eq!(parse_iso8601(text), None, "{text}");
        }
    }
}
