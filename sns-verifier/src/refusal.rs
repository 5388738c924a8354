//! Owns: why a message or a certificate is refused.
//! Must never know: the text of a message.

macro_rules! refusals {
    ($($name:ident $(($what:ty))? $reason:literal $text:literal;)*) => {
        /// Why a message or a certificate was refused. Its text never holds anything that the message said.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
        #[non_exhaustive]
        pub enum Refusal {
            $(
                #[doc = $text]
                #[error($text)]
                $name $(($what))?,
            )*
        }

        impl Refusal {
            /// A stable name of the reason, for counters and logs. It does not say which field.
            pub fn reason(&self) -> &'static str {
                match self {
                    $(Refusal::$name { .. } => $reason,)*
                }
            }
        }
    };
}

refusals! {
    TooLarge(&'static str) "too_large" "{0} is larger than the limit";
    Json "json" "the body is not one JSON object in UTF-8, or is nested too deep";
    DuplicateField "duplicate_field" "a field appears twice, perhaps in two spellings";
    MissingField(&'static str) "missing_field" "{0} is missing or null";
    FieldType(&'static str) "field_type" "{0} is not a string";
    UnexpectedField(&'static str) "unexpected_field" "{0} does not belong to this type of message";
    Recut(&'static str) "recut" "{0} has a line break, as if a signed text were cut in another way";
    Kind "type" "the type of the message is unknown";
    Version "version" "the signature version is neither 1 nor 2";
    MessageId "message_id" "MessageId is not a UUID";
    Topic "topic" "TopicArn is not the ARN of a topic in a known partition, or not the expected one";
    Subject "subject" "Subject is empty, too long or has control characters";
    Timestamp "timestamp" "Timestamp is not a UTC time as SNS writes it";
    Token "token" "Token is empty, too long or has other characters than a token";
    SignatureForm "signature_form" "Signature is not canonical base64";
    CertificateScheme "certificate_scheme" "SigningCertURL is not https";
    CertificateHost "certificate_host" "SigningCertURL is not on the SNS host of the topic's region";
    CertificatePath "certificate_path" "SigningCertURL does not name a .pem file";
    ConfirmationUrl "confirmation_url" "SubscribeURL does not confirm this topic on its SNS host";
    UnsubscribeUrl "unsubscribe_url" "UnsubscribeURL does not unsubscribe on the topic's SNS host";
    Roots "roots" "no root certificate could be read";
    CertificateForm "certificate_form" "the certificate cannot be read";
    CertificateExpired "certificate_expired" "the certificate or one of its issuers has expired";
    CertificateNotYetValid "certificate_not_yet_valid" "the certificate or one of its issuers is not valid yet";
    CertificateChain "certificate_chain" "no valid chain leads from the certificate to a trusted root";
    CertificateSubject "certificate_subject" "the certificate is not issued for SNS in the topic's region";
    CertificateUsage "certificate_usage" "the certificate or one of its issuers is for another purpose";
    CertificateKey "certificate_key" "the certificate's key is not RSA of 2048 to 8192 bits";
    WrongSignature "wrong_signature" "the signature does not match";
    TooOld "too_old" "the message is genuine and older than the bound";
    FromTheFuture "from_the_future" "the message is genuine and its time lies in the future";
}
