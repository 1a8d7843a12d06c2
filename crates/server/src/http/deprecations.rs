//! Paths that will go. Their answers say so in the headers `Deprecation` (RFC 9745), `Sunset` (RFC 8594)
//! and `Link`.

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};

/// A path that will go.
pub struct Deprecation {
    /// The template of the path, such as `/api/v1/products/{id}`.
    pub template: &'static str,
    /// The path that takes its place.
    pub successor: &'static str,
    /// Year, month and day of the release that deprecated the path.
    since: (i32, u32, u32),
    /// The first day on which the path may be gone: at least six months later.
    until: (i32, u32, u32),
}

const ALL: &[Deprecation] = &[Deprecation {
    template: "/api/dashboard",
    successor: "/api/v1/dashboard",
    since: (2026, 11, 28),
    until: (2029, 1, 1),
}];

impl Deprecation {
    /// The deprecation of a path, if it will go.
    pub fn of(template: &str) -> Option<&'static Self> {
        ALL.iter().find(|listed| listed.template == template)
    }

    /// The value of `Deprecation`: `@` and the seconds since 1970.
    fn since(&self) -> String {
        format!("@{}", midnight(self.since).timestamp())
    }

    /// The value of `Sunset`: a date of HTTP.
    fn until(&self) -> String {
        midnight(self.until).format("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }

    /// The day of `Sunset`, such as `2029-01-01`.
    pub fn last_day(&self) -> String {
        midnight(self.until).format("%Y-%m-%d").to_string()
    }

    /// Adds the headers to an answer.
    pub fn add_headers(&self, headers: &mut HeaderMap) {
        let link = format!("<{}>; rel=\"successor-version\"", self.successor);
        let values = [
            (HeaderName::from_static("deprecation"), self.since()),
            (HeaderName::from_static("sunset"), self.until()),
            (header::LINK, link),
        ];
        for (name, value) in values {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.append(name, value);
            }
        }
    }
}

fn midnight((year, month, day): (i32, u32, u32)) -> DateTime<Utc> {
    NaiveDate::from_ymd_opt(year, month, day).unwrap_or_default().and_time(NaiveTime::MIN).and_utc()
}

#[cfg(test)]
mod tests {
    use chrono::Months;

    use super::*;

    #[test]
    fn a_path_stays_for_six_months_after_it_was_deprecated() {
        for deprecation in ALL {
            let (since, until) = (midnight(deprecation.since), midnight(deprecation.until));
            assert!(until >= since + Months::new(6) && since.timestamp() > 0, "{}", deprecation.template);
        }
    }

    #[test]
    fn the_headers_have_the_forms_of_their_standards() {
        let mut headers = HeaderMap::new();
        Deprecation::of("/api/dashboard").unwrap().add_headers(&mut headers);
        assert_eq!(headers.get("deprecation").unwrap(), "@1795824000");
        assert_eq!(headers.get("sunset").unwrap(), "Mon, 01 Jan 2029 00:00:00 GMT");
        assert_eq!(headers.get("link").unwrap(), "</api/v1/dashboard>; rel=\"successor-version\"");
        assert!(Deprecation::of("/api/v1/dashboard").is_none());
    }
}
