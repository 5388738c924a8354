<?php
// Drives the simulator with one of the official PHP SDKs, unchanged, and prints one JSON line a step:
// {"step", "status", "word"}; the word is what the SDK found at the end of a path, or the error's code.
//
//   php -d curl.cainfo=authority.pem drive.php mws|v2
//
// Environment: PHP_SDK (the folder that holds AmazonPay/ or Amazon/), https_proxy (both SDKs insist on port
// 443, so a tunnel leads to the simulator's own), for mws MERCHANT_ID, ACCESS_KEY, SECRET_KEY and the ids of
// planted objects, for v2 PHP_SECLIB (phpseclib's autoloader), SIM_KEY_ID, SIM_KEY_FILE, SIM_PERMISSION_ID.

declare(strict_types=1);

// The older SDK was written for older PHP: ignore what has been deprecated since.
error_reporting(E_ALL & ~E_DEPRECATED);
set_time_limit(120);

const HOST = 'localhost';

function given(string $name): string
{
    $value = getenv($name);
    if ($value === false || $value === '') {
        fwrite(STDERR, "$name is not set\n");
        exit(2);
    }
    return $value;
}

function inside(array $answer, string $path)
{
    foreach (explode('.', $path) as $name) {
        if (!is_array($answer) || !array_key_exists($name, $answer)) {
            return null;
        }
        $answer = $answer[$name];
    }
    return $answer;
}

function say(string $step, int $status, $word): void
{
    echo json_encode(['step' => $step, 'status' => $status, 'word' => $word], JSON_UNESCAPED_UNICODE), "\n";
}

// ---------------------------------------------------------------------------------------------- MWS

function mwsClient(bool $isSandbox = true, ?string $secret = null): AmazonPay\Client
{
    return new AmazonPay\Client([
        'merchant_id' => given('MERCHANT_ID'),
        'access_key' => given('ACCESS_KEY'),
        'secret_key' => $secret ?? given('SECRET_KEY'),
        'client_id' => 'reconciled-test',
        'region' => 'us',
        'currency_code' => 'USD',
        'sandbox' => $isSandbox,
        'application_name' => 'reconciled-test',
        'application_version' => '1.0',
        'handle_throttle' => false,
        'override_service_url' => HOST,
    ]);
}

/** One step; `$path` begins below `…Result`. */
function mwsStep(string $step, AmazonPay\ResponseParser $response, string $path = ''): array
{
    $answer = $response->toArray();
    $result = [];
    foreach ($answer as $name => $value) {
        if (substr((string) $name, -6) === 'Result' && is_array($value)) {
            $result = $value;
        }
    }
    $word = $path === '' ? null : inside($result, $path);
    say($step, (int) $answer['ResponseStatus'], inside($answer, 'Error.Code') ?? $word);
    return $result;
}

function mwsOrder(AmazonPay\Client $sdk, string $note): void
{
    $order = ['amazon_order_reference_id' => given('ORDER')];
    $state = 'OrderReferenceDetails.OrderReferenceStatus.State';
    $token = ['mws_auth_token' => 'amzn.mws.4ea38b7b-f563-7709-4bae-87aeaEXAMPLE'];
    mwsStep('draft', $sdk->getOrderReferenceDetails($order + $token), $state);
    $set = ['amount' => '94.50', 'seller_note' => $note, 'seller_order_id' => 'shop-77'];
    mwsStep('set', $sdk->setOrderReferenceDetails($order + $set), 'OrderReferenceDetails.SellerNote');
    $attributes = ['store_name' => 'Shop', 'order_item_categories' => ['Antiques', 'Apparel', 'Baby']];
    mwsStep(
        'attributes',
        $sdk->setOrderAttributes($order + $attributes),
        'OrderReferenceDetails.SellerOrderAttributes.StoreName'
    );
    $urls = ['success_url' => 'https://shop.example/success', 'failure_url' => 'https://shop.example/failure'];
    mwsStep('confirm', $sdk->confirmOrderReference($order + $urls + ['authorization_amount' => '94.50']));
    $authorize = ['authorization_amount' => '94.50', 'authorization_reference_id' => 'auth-1'];
    $status = 'AuthorizationDetails.AuthorizationStatus.State';
    $made = mwsStep('authorize', $sdk->authorize($order + $authorize + ['transaction_timeout' => 0]), $status);
    $id = ['amazon_authorization_id' => inside($made, 'AuthorizationDetails.AmazonAuthorizationId')];
    mwsStep('get-authorization', $sdk->getAuthorizationDetails($id), $status);
    $capture = ['capture_amount' => '94.50', 'capture_reference_id' => 'capture-1', 'seller_capture_note' => $note];
    $made = mwsStep('capture', $sdk->capture($id + $capture), 'CaptureDetails.CaptureStatus.State');
    $id = ['amazon_capture_id' => inside($made, 'CaptureDetails.AmazonCaptureId')];
    mwsStep('get-capture', $sdk->getCaptureDetails($id), 'CaptureDetails.SellerCaptureNote');
    $refund = ['refund_amount' => '10.00', 'refund_reference_id' => 'refund-1'];
    $made = mwsStep('refund', $sdk->refund($id + $refund), 'RefundDetails.RefundStatus.State');
    $again = mwsStep('refund-again', $sdk->refund($id + $refund), 'RefundDetails.RefundStatus.State');
    if (inside($made, 'RefundDetails.AmazonRefundId') !== inside($again, 'RefundDetails.AmazonRefundId')) {
        throw new Exception('the same reference made another refund');
    }
    $id = ['amazon_refund_id' => inside($made, 'RefundDetails.AmazonRefundId')];
    mwsStep('get-refund', $sdk->getRefundDetails($id), 'RefundDetails.RefundAmount.Amount');
}

function mwsEndings(AmazonPay\Client $sdk): void
{
    $charge = ['amazon_reference_id' => given('ORDER_TO_CHARGE'), 'charge_amount' => '20.00', 'capture_now' => true];
    $charge += ['authorization_reference_id' => 'charge-1', 'transaction_timeout' => 0];
    $reason = 'AuthorizationDetails.AuthorizationStatus.ReasonCode';
    mwsStep('charge', $sdk->charge($charge), $reason);
    $authorization = ['amazon_authorization_id' => given('AUTHORIZATION'), 'closure_reason' => 'not needed'];
    mwsStep('close-authorization', $sdk->closeAuthorization($authorization));
    $order = ['amazon_order_reference_id' => given('ORDER_TO_CANCEL')];
    mwsStep('cancel', $sdk->cancelOrderReference($order + ['cancelation_reason' => 'out of stock']));
    mwsStep(
        'canceled',
        $sdk->getOrderReferenceDetails($order),
        'OrderReferenceDetails.OrderReferenceStatus.ReasonCode'
    );
    $order = ['amazon_order_reference_id' => given('ORDER_TO_CLOSE')];
    mwsStep('close', $sdk->closeOrderReference($order + ['closure_reason' => 'shipped']));
}

function mwsAgreement(AmazonPay\Client $sdk): void
{
    $agreement = ['amazon_billing_agreement_id' => given('AGREEMENT')];
    $state = 'BillingAgreementDetails.BillingAgreementStatus.State';
    mwsStep('agreement', $sdk->getBillingAgreementDetails($agreement), $state);
    $set = ['seller_note' => 'monthly', 'seller_billing_agreement_id' => 'sub-1'];
    mwsStep(
        'set-agreement',
        $sdk->setBillingAgreementDetails($agreement + $set),
        'BillingAgreementDetails.SellerNote'
    );
    mwsStep('confirm-agreement', $sdk->confirmBillingAgreement($agreement));
    mwsStep('validate-agreement', $sdk->validateBillingAgreement($agreement), 'ValidationResult');
    $order = ['id' => given('AGREEMENT'), 'id_type' => 'BillingAgreement', 'amount' => '5.00', 'confirm_now' => true];
    mwsStep('order-for-id', $sdk->createOrderReferenceForId($order), 'OrderReferenceDetails.ParentDetails.Type');
    $authorize = ['authorization_amount' => '7.00', 'authorization_reference_id' => 'agreement-1'];
    $authorize += ['capture_now' => true, 'transaction_timeout' => 0, 'soft_descriptor' => 'shop'];
    mwsStep(
        'authorize-agreement',
        $sdk->authorizeOnBillingAgreement($agreement + $authorize),
        'AuthorizationDetails.AuthorizationStatus.ReasonCode'
    );
    mwsStep('close-agreement', $sdk->closeBillingAgreement($agreement + ['closure_reason' => 'over']));
}

function mws(): void
{
    require_once given('PHP_SDK') . '/AmazonPay/Client.php';
    $sdk = mwsClient();
    mwsOrder($sdk, "Größe 5*~ (a/b) 'q' !@#\$%^&=+,;:?[] <日本> x");
    mwsEndings($sdk);
    mwsAgreement($sdk);
    $unknown = ['amazon_capture_id' => 'S01-0000000-0000000-C000000'];
    mwsStep('unknown-id', $sdk->getCaptureDetails($unknown));
    mwsStep('wrong-secret', mwsClient(true, 'wrong')->getCaptureDetails($unknown));
    mwsStep('status', $sdk->getServiceStatus([]), 'Status');
    mwsStep('status-live', mwsClient(false)->getServiceStatus([]), 'Status');
}

// --------------------------------------------------------------------------------------------- v2

function v2Step(string $step, array $answer): array
{
    $body = json_decode((string) $answer['response'], true) ?? [];
    say($step, (int) $answer['status'], $body['reasonCode'] ?? inside($body, 'statusDetails.state'));
    if (empty($answer['request_id'])) {
        throw new Exception("$step has no request id");
    }
    return $body;
}

function v2Prove(string $algorithm): Amazon\Pay\API\Client
{
    static $number = 0;
    $key = function () use (&$number, $algorithm) {
        $number += 1;
        return ['x-amz-pay-idempotency-key' => 'proof' . strlen($algorithm) . 'n' . $number];
    };
    $price = fn (string $amount) => ['amount' => $amount, 'currencyCode' => 'USD'];
    $sdk = new Amazon\Pay\API\Client([
        'public_key_id' => given('SIM_KEY_ID'),
        'private_key' => given('SIM_KEY_FILE'),
        'region' => 'us',
        'sandbox' => true,
        'algorithm' => $algorithm,
        'override_service_url' => HOST,
    ]);
    $permission = given('SIM_PERMISSION_ID');
    v2Step('getChargePermission', $sdk->getChargePermission($permission));
    $order = ['chargePermissionId' => $permission, 'chargeAmount' => $price('14.00')];
    $once = $key();
    $charge = v2Step('createCharge', $sdk->createCharge($order, $once))['chargeId'];
    if (v2Step('createChargeAgain', $sdk->createCharge($order, $once))['chargeId'] !== $charge) {
        throw new Exception('the same idempotency key made another charge');
    }
    v2Step('getCharge', $sdk->getCharge($charge));
    $capture = ['captureAmount' => $price('14.00'), 'softDescriptor' => 'Größe'];
    v2Step('captureCharge', $sdk->captureCharge($charge, $capture, $key()));
    $refund = ['chargeId' => $charge, 'refundAmount' => $price('4.00')];
    $refund = v2Step('createRefund', $sdk->createRefund($refund, $key()))['refundId'];
    v2Step('getRefund', $sdk->getRefund($refund));
    $other = v2Step('createChargeToCancel', $sdk->createCharge($order, $key()))['chargeId'];
    v2Step('cancelCharge', $sdk->cancelCharge($other, ['cancellationReason' => 'proof']));
    v2Step('getMissing', $sdk->getCharge('S01-0000000-0000000-C000000'));
    return $sdk;
}

function v2(): void
{
    require_once given('PHP_SECLIB');
    require_once given('PHP_SDK') . '/Amazon/Pay/API/Client.php';
    v2Prove('AMZN-PAY-RSASSA-PSS');
    $sdk = v2Prove('AMZN-PAY-RSASSA-PSS-V2');
    $close = ['closureReason' => 'proof', 'cancelPendingCharges' => true];
    v2Step('closeChargePermission', $sdk->closeChargePermission(given('SIM_PERMISSION_ID'), $close));
}

match ($argv[1] ?? '') {
    'mws' => mws(),
    'v2' => v2(),
    default => exit(2),
};
