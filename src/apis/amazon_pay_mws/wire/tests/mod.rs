//! Answers that are read: details as the provider writes them.

mod marks;
mod objects;
mod refused;

use super::*;

const SPACE: &str = "http://mws.amazonservices.com/schema/OffAmazonPayments/2013-01-01";
const REQUEST: &str = "00000000-0000-0000-0000-000000000001";

fn id(text: &str) -> ObjectId {
    ObjectId::new(text).unwrap()
}

fn answer(kind: ObjectKind, space: &str, details: &str) -> String {
    let shape = shape(kind);
    format!(
        "<{0}Response xmlns=\"{space}\"><{0}Result><{1}>{details}</{1}></{0}Result><ResponseMetadata>\
         <RequestId>{REQUEST}</RequestId></ResponseMetadata></{0}Response>",
        kind.operation(),
        shape.details
    )
}

/// Reads details with the usual id of the kind, in the usual namespace.
fn read_details(kind: ObjectKind, details: &str) -> Result<Observation, Failure> {
    read(kind, &id(usual_id(kind)), answer(kind, SPACE, details).as_bytes(), None)
}

fn usual_id(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Authorization => "S01-1234567-1234567-A012345",
        ObjectKind::Capture => "S01-1234567-1234567-C012345",
        ObjectKind::Refund => "S01-1234567-1234567-R012345",
        ObjectKind::OrderReference => "S01-1234567-1234567",
        ObjectKind::BillingAgreement => "C01-1234567-1234567",
    }
}

fn usual_children(kind: ObjectKind) -> Vec<String> {
    let own = match kind {
        ObjectKind::Authorization => AUTHORIZATION,
        ObjectKind::Capture => CAPTURE,
        ObjectKind::Refund => REFUND,
        ObjectKind::OrderReference => ORDER_REFERENCE,
        ObjectKind::BillingAgreement => BILLING_AGREEMENT,
    };
    own.iter().map(|child| (*child).to_owned()).collect()
}

const AUTHORIZATION: &[&str] = &[
    "<AmazonAuthorizationId>S01-1234567-1234567-A012345</AmazonAuthorizationId>",
    "<AuthorizationReferenceId>auth_ref-1</AuthorizationReferenceId>",
    "<SellerAuthorizationNote>for John Doe</SellerAuthorizationNote>",
    "<AuthorizationBillingAddress><Name>John Doe</Name></AuthorizationBillingAddress>",
    "<AuthorizationAmount><CurrencyCode>USD</CurrencyCode><Amount>1.00</Amount></AuthorizationAmount>",
    "<CapturedAmount><CurrencyCode>USD</CurrencyCode><Amount>0</Amount></CapturedAmount>",
    "<AuthorizationFee><CurrencyCode>USD</CurrencyCode><Amount>0.00</Amount></AuthorizationFee>",
    "<IdList><member>S01-1234567-1234567-C012345</member></IdList>",
    "<CreationTimestamp>2015-10-30T21:02:38.508Z</CreationTimestamp>",
    "<ExpirationTimestamp>2015-11-29T21:02:38Z</ExpirationTimestamp>",
    "<AuthorizationStatus><LastUpdateTimestamp>2015-10-30T21:02:39.508Z</LastUpdateTimestamp>\
     <State>Declined</State><ReasonCode>InvalidPaymentMethod</ReasonCode>\
     <ReasonDescription>John Doe asked</ReasonDescription></AuthorizationStatus>",
    "<SoftDecline>true</SoftDecline>",
    "<CaptureNow>false</CaptureNow>",
    "<SoftDescriptor>AMZ*John Doe</SoftDescriptor>",
];

const CAPTURE: &[&str] = &[
    "<AmazonCaptureId>S01-1234567-1234567-C012345</AmazonCaptureId>",
    "<CaptureReferenceId>capture_ref-1</CaptureReferenceId>",
    "<SellerCaptureNote/>",
    "<CaptureAmount><Amount>5.0</Amount><CurrencyCode>EUR</CurrencyCode></CaptureAmount>",
    "<RefundedAmount><Amount>2.5</Amount><CurrencyCode>EUR</CurrencyCode></RefundedAmount>",
    "<CaptureFee><Amount>0.005</Amount><CurrencyCode>EUR</CurrencyCode></CaptureFee>",
    "<ConvertedAmount><Amount>5.65</Amount><CurrencyCode>USD</CurrencyCode></ConvertedAmount>",
    "<ConversionRate>1.1297854087</ConversionRate>",
    "<IdList><member>S01-1234567-1234567-R012345</member><member>S01-1234567-1234567-R012346</member>\
     <member>S01-1234567-1234567-R012345</member></IdList>",
    "<CreationTimestamp>2015-10-30T21:02:38.508Z</CreationTimestamp>",
    "<CaptureStatus><State>Completed</State><ReasonCode>StopShipmentAtypicalAuth</ReasonCode></CaptureStatus>",
];

const REFUND: &[&str] = &[
    "<AmazonRefundId>S01-1234567-1234567-R012345</AmazonRefundId>",
    "<RefundReferenceId>refund_ref-1</RefundReferenceId>",
    "<SellerRefundNote>for John Doe</SellerRefundNote>",
    "<RefundType>SellerInitiated</RefundType>",
    "<RefundAmount><CurrencyCode>JPY</CurrencyCode><Amount>500</Amount></RefundAmount>",
    "<FeeRefunded><CurrencyCode>JPY</CurrencyCode><Amount>0.00</Amount></FeeRefunded>",
    "<CreationTimestamp>2015-10-30T21:02:38.508Z</CreationTimestamp>",
    "<RefundStatus><State>Pending</State></RefundStatus>",
];

const ORDER_REFERENCE: &[&str] = &[
    "<AmazonOrderReferenceId>S01-1234567-1234567</AmazonOrderReferenceId>",
    "<Buyer><Name>John Doe</Name><Email>john@doe</Email><Phone>1</Phone></Buyer>",
    "<Destination><PhysicalDestination><Name>John Doe</Name></PhysicalDestination></Destination>",
    "<BillingAddress><PhysicalAddress><City>Johnstown</City></PhysicalAddress></BillingAddress>",
    "<PaymentDescriptor><Name>John's card</Name></PaymentDescriptor>",
    "<OrderTotal><CurrencyCode>USD</CurrencyCode><Amount>23.50</Amount></OrderTotal>",
    "<SellerNote>for John Doe</SellerNote>",
    "<PaymentAuthenticationStatus><State>REQUIRED</State></PaymentAuthenticationStatus>",
    "<ReleaseEnvironment>Sandbox</ReleaseEnvironment>",
    "<SellerOrderAttributes><SellerOrderId>Order 77 &amp; more</SellerOrderId>\
     <CustomInformation>John</CustomInformation></SellerOrderAttributes>",
    "<OrderReferenceStatus><State>Suspended</State><ReasonCode>InvalidPaymentMethod</ReasonCode>\
     <LastUpdateTimestamp>2015-10-30T21:02:39Z</LastUpdateTimestamp></OrderReferenceStatus>",
    "<Constraints><Constraint><ConstraintID>AmountNotSet</ConstraintID><Description>John</Description>\
     </Constraint><Constraint><ConstraintID>PaymentPlanNotSet</ConstraintID></Constraint></Constraints>",
    "<CreationTimestamp>2015-10-30T21:02:38.508Z</CreationTimestamp>",
    "<ExpirationTimestamp>2016-04-27T21:02:38.508Z</ExpirationTimestamp>",
    "<ParentDetails><Type>BillingAgreement</Type><Id>C01-1234567-1234567</Id></ParentDetails>",
    "<IdList><member>S01-1234567-1234567-A012345</member></IdList>",
];

const BILLING_AGREEMENT: &[&str] = &[
    "<AmazonBillingAgreementId>C01-1234567-1234567</AmazonBillingAgreementId>",
    "<BillingAgreementLimits><AmountLimitPerTimePeriod><CurrencyCode>USD</CurrencyCode>\
     <Amount>500.00</Amount></AmountLimitPerTimePeriod><TimePeriodStartDate>2015-10-01T00:00:00Z\
     </TimePeriodStartDate><TimePeriodEndDate>2015-11-01T00:00:00Z</TimePeriodEndDate>\
     <CurrentRemainingBalance><CurrencyCode>USD</CurrencyCode><Amount>450.5</Amount>\
     </CurrentRemainingBalance></BillingAgreementLimits>",
    "<Buyer><Name>John Doe</Name></Buyer>",
    "<ReleaseEnvironment>Sandbox</ReleaseEnvironment>",
    "<SellerBillingAgreementAttributes><SellerBillingAgreementId>sub-9</SellerBillingAgreementId>\
     </SellerBillingAgreementAttributes>",
    "<BillingAgreementStatus><LastUpdatedTimestamp>2015-10-30T21:02:39Z</LastUpdatedTimestamp>\
     <State>Open</State></BillingAgreementStatus>",
    "<CreationTimestamp>2015-10-30T21:02:38.508Z</CreationTimestamp>",
    "<BillingAgreementConsent>true</BillingAgreementConsent>",
    "<SubscriptionAmount><CurrencyCode>USD</CurrencyCode><Amount>9.99</Amount></SubscriptionAmount>",
];

fn usual(kind: ObjectKind) -> Observation {
    read_details(kind, &usual_children(kind).concat()).unwrap()
}

/// The usual authorization with one text replaced by another.
fn changed(from: &str, to: &str) -> String {
    let details = usual_children(ObjectKind::Authorization).concat();
    assert!(details.contains(from), "{from}");
    answer(ObjectKind::Authorization, SPACE, &details.replace(from, to))
}

fn read_changed(from: &str, to: &str) -> Result<Observation, Failure> {
    let asked = id(usual_id(ObjectKind::Authorization));
    read(ObjectKind::Authorization, &asked, changed(from, to).as_bytes(), None)
}
