"""Drives every operation that the official Amazon Pay Python SDK has against the simulator.

Environment: SIM_URL (https), MERCHANT_ID, ACCESS_KEY, SECRET_KEY, and the ids of planted objects:
ORDER, ORDER_TO_CHARGE, ORDER_TO_CANCEL, ORDER_TO_CLOSE (Draft, Draft, Open, Open), AUTHORIZATION (Open),
AGREEMENT (Draft). REQUESTS_CA_BUNDLE names the authority to trust. Prints one JSON line a step.

The SDK has no option for another endpoint, so its table of hosts gets one more; nothing else is touched.
"""

import json
import os
import signal
from urllib.parse import urlparse

from amazon_pay import ap_region
from amazon_pay.client import AmazonPayClient

# A server that never answers must not stop the suite permanently.
signal.alarm(120)

ap_region.regions["na"] = urlparse(os.environ["SIM_URL"]).netloc
TOKEN = "amzn.mws.4ea38b7b-f563-7709-4bae-87aeaEXAMPLE"
DECLINE = '{"SandboxSimulation":{"State":"Declined","ReasonCode":"AmazonRejected"}}'
NOTE = "Größe 5*~ (a/b) 'q' !@#$%^&=+,;:?[] <日本> x"


def client(sandbox=True, secret=None):
    return AmazonPayClient(
        mws_access_key=os.environ["ACCESS_KEY"],
        mws_secret_key=secret or os.environ["SECRET_KEY"],
        merchant_id=os.environ["MERCHANT_ID"],
        region="na",
        currency_code="USD",
        sandbox=sandbox,
        handle_throttle=False,
        application_name="reconciled-test",
        application_version="1.0",
    )


def say(step, answer):
    line = {"step": step, "success": answer.success, "answer": answer.to_dict()}
    print(json.dumps(line, ensure_ascii=False), flush=True)
    return answer.to_dict()


def inside(answer, *path):
    for name in path:
        answer = answer[name]
    return answer


def order(sdk):
    order_id = os.environ["ORDER"]
    say("draft", sdk.get_order_reference_details(order_id, mws_auth_token=TOKEN))
    say("set", sdk.set_order_reference_details(order_id, "94.50", seller_note=NOTE, seller_order_id="shop-77"))
    say("attributes", sdk.set_order_attributes(order_id, store_name="Shop"))
    say(
        "confirm",
        sdk.confirm_order_reference(
            order_id,
            success_url="https://shop.example/success",
            failure_url="https://shop.example/failure",
            authorization_amount="94.50",
        ),
    )
    made = say("authorize", sdk.authorize(order_id, "auth-1", "94.50", transaction_timeout=0))
    authorization = inside(
        made, "AuthorizeResponse", "AuthorizeResult", "AuthorizationDetails", "AmazonAuthorizationId"
    )
    say("get-authorization", sdk.get_authorization_details(authorization))
    made = say("capture", sdk.capture(authorization, "capture-1", "94.50", seller_capture_note=NOTE))
    capture = inside(made, "CaptureResponse", "CaptureResult", "CaptureDetails", "AmazonCaptureId")
    say("get-capture", sdk.get_capture_details(capture))
    made = say("refund", sdk.refund(capture, "refund-1", "10.00"))
    refund = inside(made, "RefundResponse", "RefundResult", "RefundDetails", "AmazonRefundId")
    say("get-refund", sdk.get_refund_details(refund))
    for number, answer in enumerate(sdk.get_payment_details(order_id)):
        say(f"payment-details-{number}", answer)


def endings(sdk):
    say("close-authorization", sdk.close_authorization(os.environ["AUTHORIZATION"], "no longer needed"))
    say("cancel", sdk.cancel_order_reference(os.environ["ORDER_TO_CANCEL"], "no longer wanted"))
    say("canceled", sdk.get_order_reference_details(os.environ["ORDER_TO_CANCEL"]))
    say("close", sdk.close_order_reference(os.environ["ORDER_TO_CLOSE"], "all delivered"))
    say("charge", sdk.charge(os.environ["ORDER_TO_CHARGE"], "20.00", "charge-1", "thank you"))


def agreement(sdk):
    agreement_id = os.environ["AGREEMENT"]
    say("agreement", sdk.get_billing_agreement_details(agreement_id))
    say("set-agreement", sdk.set_billing_agreement_details(agreement_id, seller_note="monthly"))
    say("confirm-agreement", sdk.confirm_billing_agreement(agreement_id))
    say("validate-agreement", sdk.validate_billing_agreement(agreement_id))
    say("order-for-id", sdk.create_order_reference_for_id(agreement_id, "BillingAgreement", "5.00"))
    say(
        "authorize-agreement",
        sdk.authorize_on_billing_agreement(
            agreement_id, "month-1", "30.00", transaction_timeout=0, capture_now=True, soft_descriptor="shop"
        ),
    )
    say(
        "decline-agreement",
        sdk.authorize_on_billing_agreement(
            agreement_id, "month-2", "30.00", transaction_timeout=0, seller_authorization_note=DECLINE
        ),
    )
    say("close-agreement", sdk.close_billing_agreement(agreement_id, "cancelled by the buyer"))


def refusals(sdk):
    say("unknown-id", sdk.get_capture_details("S01-0000000-0000000-C000000"))
    say("wrong-secret", client(secret="another secret").get_refund_details("S01-0000000-0000000-R000000"))
    say("status", sdk.get_service_status())
    say("status-again", sdk.get_service_status())
    say("throttled", sdk.get_service_status())
    say("status-live", client(sandbox=False).get_service_status())


if __name__ == "__main__":
    sandbox = client()
    order(sandbox)
    endings(sandbox)
    agreement(sandbox)
    refusals(sandbox)
