//! Owns: the strict form of a topic's ARN, and the SNS host that follows from it.
//! Must never know: signatures.

use std::fmt;

use crate::refusal::Refusal;

/// The domains of all hosts: of most partitions, and of China.
pub(crate) const DOMAINS: [&str; 2] = ["amazonaws.com", "amazonaws.com.cn"];

/// A topic, read from its ARN: `arn:PARTITION:sns:REGION:ACCOUNT:NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Topic {
    /// The whole ARN.
    pub arn: String,
    /// `aws`, `aws-cn` or `aws-us-gov`.
    pub partition: String,
    /// For example `eu-west-1`.
    pub region: String,
    /// The twelve digits of the AWS account that owns the topic.
    pub account: String,
    /// The topic's name.
    pub name: String,
}

impl Topic {
    /// Reads an ARN.
    ///
    /// # Errors
    /// When it is not the ARN of an SNS topic, or of a partition whose hosts this crate does not know.
    pub fn parse(arn: &str) -> Result<Topic, Refusal> {
        let parts: Vec<&str> = arn.split(':').collect();
        let ["arn", partition, "sns", region, account, name] = parts.as_slice() else {
            return Err(Refusal::Topic);
        };
        let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        let plain = name.strip_suffix(".fifo").unwrap_or(name);
        let is_name = (1..=256).contains(&name.len())
            && !plain.is_empty()
            && plain.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if !is_region(region) || partition_of(region) != *partition || !is_account || !is_name {
            return Err(Refusal::Topic);
        }
        Ok(Topic {
            arn: arn.to_owned(),
            partition: (*partition).to_owned(),
            region: (*region).to_owned(),
            account: (*account).to_owned(),
            name: (*name).to_owned(),
        })
    }

    /// The only host from which this topic's certificates and confirmations may come.
    pub fn host(&self) -> String {
        format!("sns.{}.{}", self.region, self.domain())
    }

    pub(crate) fn domain(&self) -> &'static str {
        if self.partition == "aws-cn" { DOMAINS[1] } else { DOMAINS[0] }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.arn)
    }
}

/// Words of lower-case letters, joined by hyphens, with a number at the end: `eu-west-1`, `us-gov-west-1`.
pub(crate) fn is_region(text: &str) -> bool {
    let mut parts = text.rsplit('-');
    let number = parts.next().unwrap_or_default();
    let words: Vec<&str> = parts.collect();
    (1..=2).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && (2..=4).contains(&words.len())
        && words
            .iter()
            .all(|word| (2..=12).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase()))
}

/// The partition that a region belongs to.
pub(crate) fn partition_of(region: &str) -> &'static str {
    match region.split('-').collect::<Vec<_>>().as_slice() {
        ["cn", ..] => "aws-cn",
        ["us", "gov", ..] => "aws-us-gov",
        _ => "aws",
    }
}
