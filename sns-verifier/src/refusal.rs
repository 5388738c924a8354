//! Owns: why a message or a certificate is refused.
//! Must never know: the text of a message.

/// Why a message or a certificate was refused. Its text never holds anything that the message said.
///
/// [`Refusal::reason`] is a stable name for counters and logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The body, one of its fields or the number of its fields is above the limits.
    #[error("{0} is larger than the limit")]
    TooLarge(&'static str),
    /// Not one JSON object in UTF-8, or nested too deep.
    #[error("the body is not one JSON object")]
    Json,
    /// A key appears more than once, or in two spellings.
    #[error("a field appears twice")]
    DuplicateField,
    /// A field that must be there is missing or null.
    #[error("{0} is missing")]
    MissingField(&'static str),
    /// A field has another type than a string.
    #[error("{0} is not a string")]
    FieldType(&'static str),
    /// A field that this kind of message does not have: it would be outside of the signature.
    #[error("{0} does not belong to this type of message")]
    UnexpectedField(&'static str),
    /// A field of one line has a line break, so that the same signed text could be cut into other fields.
    #[error("{0} has a line break")]
    Recut(&'static str),
    /// `Type` is none of the three types.
    #[error("the type of the message is unknown")]
    Kind,
    /// `SignatureVersion` is neither 1 nor 2.
    #[error("the signature version is neither 1 nor 2")]
    Version,
    /// `MessageId` is not a UUID.
    #[error("MessageId is not a UUID")]
    MessageId,
    /// `TopicArn` is not the ARN of a topic in a supported partition.
    #[error("TopicArn is not the ARN of a topic")]
    Topic,
    /// `Subject` is empty, too long or has control characters.
    #[error("Subject is empty, too long or has control characters")]
    Subject,
    /// `Timestamp` is not a UTC time as SNS writes it.
    #[error("Timestamp is not a UTC time")]
    Timestamp,
    /// `Token` is empty, too long or has other characters than a token.
    #[error("Token is not a token")]
    Token,
    /// `Signature` is not canonical base64.
    #[error("Signature is not base64")]
    SignatureForm,
    /// `SigningCertURL` is not an `https` URL.
    #[error("SigningCertURL is not https")]
    CertificateScheme,
    /// `SigningCertURL` is not on the SNS host of the topic's region, or has a port or a user.
    #[error("SigningCertURL is not on the SNS host of the topic's region")]
    CertificateHost,
    /// The path of `SigningCertURL` is not one plain name ending in `.pem`.
    #[error("SigningCertURL does not name a .pem file")]
    CertificatePath,
    /// `SubscribeURL` is not the confirmation of this topic and token on the SNS host of the topic's region.
    #[error("SubscribeURL does not confirm this topic on its SNS host")]
    ConfirmationUrl,
    /// `UnsubscribeURL` is not on the SNS host of the topic's region.
    #[error("UnsubscribeURL is not on the SNS host of the topic's region")]
    UnsubscribeUrl,
    /// No trusted root could be read.
    #[error("no root certificate could be read")]
    Roots,
    /// The certificate cannot be read.
    #[error("the certificate cannot be read")]
    CertificateForm,
    /// The certificate, or one between it and the root, has expired.
    #[error("the certificate has expired")]
    CertificateExpired,
    /// The certificate, or one between it and the root, is not valid yet.
    #[error("the certificate is not valid yet")]
    CertificateNotYetValid,
    /// No valid chain leads from the certificate to a trusted root.
    #[error("no valid chain leads from the certificate to a trusted root")]
    CertificateChain,
    /// The certificate is not for SNS, or not for the topic's region.
    #[error("the certificate is not issued for the SNS host")]
    CertificateSubject,
    /// The certificate or one of its issuers must not be used for this.
    #[error("the certificate must not be used for this purpose")]
    CertificateUsage,
    /// The certificate's key is not RSA of 2048 to 8192 bits.
    #[error("the certificate's key is not RSA of 2048 to 8192 bits")]
    CertificateKey,
    /// The signature does not match.
    #[error("the signature does not match")]
    WrongSignature,
    /// The message is genuine and older than the bound.
    #[error("the message is too old")]
    TooOld,
    /// The message is genuine and its time lies in the future.
    #[error("the message is from the future")]
    FromTheFuture,
}

impl Refusal {
    /// A stable name of the reason, for counters and logs. It does not say which field.
    pub fn reason(&self) -> &'static str {
        match self {
            Refusal::TooLarge(_) => "too_large",
            Refusal::Json => "json",
            Refusal::DuplicateField => "duplicate_field",
            Refusal::MissingField(_) => "missing_field",
            Refusal::FieldType(_) => "field_type",
            Refusal::UnexpectedField(_) => "unexpected_field",
            Refusal::Recut(_) => "recut",
            Refusal::Kind => "type",
            Refusal::Version => "version",
            Refusal::MessageId => "message_id",
            Refusal::Topic => "topic",
            Refusal::Subject => "subject",
            Refusal::Timestamp => "timestamp",
            Refusal::Token => "token",
            Refusal::SignatureForm => "signature_form",
            Refusal::CertificateScheme => "certificate_scheme",
            Refusal::CertificateHost => "certificate_host",
            Refusal::CertificatePath => "certificate_path",
            Refusal::ConfirmationUrl => "confirmation_url",
            Refusal::UnsubscribeUrl => "unsubscribe_url",
            Refusal::Roots => "roots",
            Refusal::CertificateForm => "certificate_form",
            Refusal::CertificateExpired => "certificate_expired",
            Refusal::CertificateNotYetValid => "certificate_not_yet_valid",
            Refusal::CertificateChain => "certificate_chain",
            Refusal::CertificateSubject => "certificate_subject",
            Refusal::CertificateUsage => "certificate_usage",
            Refusal::CertificateKey => "certificate_key",
            Refusal::WrongSignature => "wrong_signature",
            Refusal::TooOld => "too_old",
            Refusal::FromTheFuture => "from_the_future",
        }
    }
}
