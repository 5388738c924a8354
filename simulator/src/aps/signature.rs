//! The provider's side of signatures (docs/src/reference/aps.md, section 4).
//!
//! Owns: what is signed and how. Must never know: what a parameter means.

use aws_lc_rs::{digest, hmac};

use super::merchant::ApsSignature;

/// The signature of parameters in any order. Those named `signature` do not count.
pub(super) fn signature(method: ApsSignature, phrase: &str, parameters: &[(String, String)]) -> String {
    let mut sorted: Vec<&(String, String)> =
        parameters.iter().filter(|(name, _)| name != "signature").collect();
    sorted.sort_by(|one, other| one.0.as_bytes().cmp(other.0.as_bytes()));
    let middle: String = sorted.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let text = [phrase, &middle, phrase].concat();
    let bytes = match method {
        ApsSignature::Sha256 => digest::digest(&digest::SHA256, text.as_bytes()).as_ref().to_vec(),
        ApsSignature::Sha512 => digest::digest(&digest::SHA512, text.as_bytes()).as_ref().to_vec(),
        ApsSignature::Hmac256 => keyed(hmac::HMAC_SHA256, phrase, &text),
        ApsSignature::Hmac512 => keyed(hmac::HMAC_SHA512, phrase, &text),
    };
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn keyed(algorithm: hmac::Algorithm, phrase: &str, text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(algorithm, phrase.as_bytes()), text.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: ApsSignature, phrase: &str, text: &str, expected: &str) {
        let parameters: Vec<(String, String)> = text
            .split(' ')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.replace('+', " ")))
            .rev()
            .collect();
        assert_eq!(signature(method, phrase, &parameters), expected, "{text}");
    }

    const UPLOAD: &str = "access_code=1DFxVvhXWV6wumenTTg9 batch_reference=batch180 language=en \
                          merchant_identifier=bxgOIxIz service_command=UPLOAD_BATCH_FILE";

    #[test]
    fn the_published_vectors_come_out() {
        let sha = |phrase, text: &str, expected| check(ApsSignature::Sha256, phrase, text, expected);
        let first = "access_code=SILgpo7pWbmzuURp2qri amount=1000 command=PURCHASE currency=USD \
                     customer_email=test@gmail.com language=en merchant_identifier=MxvOupuG \
                     merchant_reference=Test010";
        sha("PASS", first, "94c38afc7bdae0114fc8c740edf12416f22998241ce4b4ea70d5521233a2c882");
        let token = "access_code=SILgpo7pWbmzuURp2qri language=en merchant_identifier=MxvOupuG \
                     merchant_reference=MyReference0001 service_command=TOKENIZATION";
        sha("PASS", token, "7ee560ccd621da61bfc772f2f1b5849babda768f5ee36d4de67efa88403e4b99");
        let verify = "access_code=zx0IPmPy5jp1vAz8Kpg7 language=en merchant_identifier=CycHZxVj \
                      merchant_reference=XYZ9239-yu898 payment_option=VALU phone_number=00008557694 \
                      service_command=CUSTOMER_VERIFY";
        sha("PASS", verify, "f0c49b9dae92b3da04d82689f698189ac65f62596280cd253cb24130ce5a1ed6");
        let php = "access_code=43287943278432 amount=1 command=AUTHORIZATION currency=USD \
                   customer_email=test@aps.com language=en merchant_identifier=343278h432 \
                   merchant_reference=test+2121";
        sha("test1", php, "6b73011e4eda060bbbdf206ad110b5208690b57d9e39bec1a548fe8bf3029439");
        sha("test2", php, "916b0c4952b7d072fe6cbe15fad9b5509660b482aaa952d90096c9094ca87478");
        let net = "access_code=TestAccessCode merchant_identifier=TestMerchantIdentifier";
        sha("PASS", net, "68c3928525ec3914129b71d167061b6044d05727367ad7a88f3ac8ad173feea9");
        check(
            ApsSignature::Hmac256,
            "PASS",
            first,
            "b592468a25c7292cdadb2e58c3c184e5b868eda03d8c2920f66fe16a587681f3",
        );
    }

    #[test]
    fn the_computed_vectors_come_out() {
        check(
            ApsSignature::Sha256,
            "PASS",
            UPLOAD,
            "581853436d21626482c0195db3356959a112df77f0e17283cdb4d5bf2eea4f12",
        );
        check(
            ApsSignature::Sha512,
            "PASS",
            UPLOAD,
            "95ffb47dddc47480f5563f2a08f09c43663a6dec2164f2b9954a1cf6eb903c22674e04a99e40907f17c6c3baea77012fffc83d0a83399f688d34a1d173d844ad",
        );
        check(
            ApsSignature::Hmac256,
            "PASS",
            UPLOAD,
            "9778deb6e0c376c8e8f9c1ff13bfbc47782a6d25fab1edde372908da6ec1ea32",
        );
        check(
            ApsSignature::Hmac512,
            "PASS",
            UPLOAD,
            "926875ec570c9496b95d46597b13965a22c7181a273ab6c13369ac3f7c0be061f831e1321cb536df9a2f358a3c5bcc43b39f433a99c4d96e13f0b7b7ff51cb52",
        );
        let answer = "access_code=zx0IPmPy5jp1vAz8Kpg7 merchant_identifier=CycHZxVj language=en \
                      merchant_reference=XYZ9239-yu898 fort_id=149295435400084008 response_code=12000 \
                      response_message=Success status=12 transaction_status=14 transaction_code=14000 \
                      transaction_message=Success authorized_amount=10000 captured_amount=10000 \
                      refunded_amount=0 query_command=CHECK_STATUS";
        check(
            ApsSignature::Sha256,
            "RESP",
            answer,
            "e25c12ef07f86ba961d2e5738179d43099f7602307cff484c262678286be95d1",
        );
    }
}
