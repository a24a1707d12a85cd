//! AWS's partitions: which one a region is of, and how its services are called there.
//!
//! Source: botocore's `partitions.json` (regions begin as `regionRegex` says, `dnsSuffix`).

/// Region prefix, partition, the end of its services' names. The first that fits.
const PARTITIONS: [(&str, &str, &str); 8] = [
    ("cn-", "aws-cn", "amazonaws.com.cn"),
    ("us-gov-", "aws-us-gov", "amazonaws.com"),
    ("us-iso-", "aws-iso", "c2s.ic.gov"),
    ("us-isob-", "aws-iso-b", "sc2s.sgov.gov"),
    ("us-isof-", "aws-iso-f", "csp.hci.ic.gov"),
    ("eu-isoe-", "aws-iso-e", "cloud.adc-e.uk"),
    ("eusc-", "aws-eusc", "amazonaws.eu"),
    ("", "aws", "amazonaws.com"),
];

fn row(region: &str) -> (&'static str, &'static str) {
    let found = PARTITIONS.iter().find(|(prefix, ..)| region.starts_with(prefix));
    found.map_or(("aws", "amazonaws.com"), |(_, partition, suffix)| (partition, suffix))
}

/// `cn-north-1` → `aws-cn`
pub fn of_region(region: &str) -> &'static str {
    row(region).0
}

/// `cn-north-1` → `amazonaws.com.cn`
pub fn dns_suffix(region: &str) -> &'static str {
    row(region).1
}

/// A queue as its URL names it: region, account and name. None: it is not at AWS (an emulator, a proxy).
///
/// `https://sqs.eu-west-1.amazonaws.com/123456789012/ecs-rotator`
pub fn of_queue(url: &str) -> Option<(&str, &str, &str)> {
    let (host, path) = url.split_once("://")?.1.split_once('/')?;
    let (account, name) = path.split_once('/')?;
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let region = host.strip_prefix("sqs.").or_else(|| host.strip_prefix("sqs-fips."))?.split('.').next()?;
    let at_aws = host.ends_with(&format!(".{region}.{}", dns_suffix(region)));
    (is_account && at_aws && !name.is_empty() && !name.contains('/')).then_some((region, account, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_region_is_of_one_partition() {
        for (region, partition, suffix) in [
            ("eu-west-1", "aws", "amazonaws.com"),
            ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
            ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
            ("us-isob-east-1", "aws-iso-b", "sc2s.sgov.gov"),
            ("eusc-de-east-1", "aws-eusc", "amazonaws.eu"),
        ] {
            assert_eq!((of_region(region), dns_suffix(region)), (partition, suffix), "{region}");
        }
    }

    #[test]
    fn a_queue_is_where_its_url_says() {
        for (url, place) in [
            ("https://sqs.eu-west-1.amazonaws.com/123456789012/q", Some(("eu-west-1", "123456789012", "q"))),
            ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/q", Some(("cn-north-1", "123456789012", "q"))),
            (
                "https://sqs-fips.us-gov-west-1.amazonaws.com/123456789012/q",
                Some(("us-gov-west-1", "123456789012", "q")),
            ),
            ("http://127.0.0.1:5002/123456789012/q", None),
            ("https://sqs.eu-west-1.amazonaws.com.evil.example/123456789012/q", None),
            ("https://sqs.eu-west-1.amazonaws.com/q", None),
        ] {
            assert_eq!(of_queue(url), place, "{url}");
        }
    }
}
