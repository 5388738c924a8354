'use strict';

// Drives a simulated Amazon Pay v2 with the official Node SDK, unchanged, once with each signing
// algorithm, and prints one JSON line a step: {"algorithm", "step", "status", "state", "id", "reasonCode"}.
//
// Environment: SIM_URL (https://host:port), SIM_KEY_ID, SIM_KEY_FILE (private key, PEM),
// SIM_PERMISSION_ID (a Chargeable charge permission in USD), NODE_EXTRA_CA_CERTS.

const fs = require('fs');
const { WebStoreClient } = require('@amazonpay/amazon-pay-api-sdk-nodejs');

const address = new URL(process.env.SIM_URL).host;
const permissionId = process.env.SIM_PERMISSION_ID;
let stepNumber = 0;

function clientFor(algorithm) {
    return new WebStoreClient({
        publicKeyId: process.env.SIM_KEY_ID,
        privateKey: fs.readFileSync(process.env.SIM_KEY_FILE, 'utf8'),
        region: 'us',
        sandbox: true,
        algorithm: algorithm,
        overrideServiceUrl: address,
    });
}

function price(amount) {
    return { amount: amount, currencyCode: 'USD' };
}

function idempotency() {
    stepNumber += 1;
    return { 'x-amz-pay-idempotency-key': `proof${process.pid}n${stepNumber}` };
}

async function step(algorithm, name, call) {
    const asked = call();
    // With an override the SDK switches certificate checks off for the whole process. They are
    // switched on again before its request leaves, so that the certificate is proved as well.
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '1';
    const answer = await asked.catch((error) => {
        if (!error.response) {
            throw error;
        }
        return error.response;
    });
    const body = typeof answer.data === 'string' ? JSON.parse(answer.data) : answer.data;
    console.log(JSON.stringify({
        algorithm: algorithm,
        step: name,
        status: answer.status,
        state: body.statusDetails ? body.statusDetails.state : null,
        id: body.refundId || body.chargeId || body.chargePermissionId || null,
        reasonCode: body.reasonCode || null,
        requestId: answer.headers['x-amz-pay-request-id'] || null,
    }));
    return body;
}

async function prove(algorithm) {
    const client = clientFor(algorithm);
    const run = (name, call) => step(algorithm, name, call);
    const order = { chargePermissionId: permissionId, chargeAmount: price('14.00') };

    await run('getChargePermission', () => client.getChargePermission(permissionId));
    const metadata = { merchantMetadata: { merchantReferenceId: 'proof-2' } };
    await run('updateChargePermission', () => client.updateChargePermission(permissionId, metadata));
    const headers = idempotency();
    const charge = await run('createCharge', () => client.createCharge(order, { ...headers }));
    const again = await run('createChargeAgain', () => client.createCharge(order, { ...headers }));
    if (again.chargeId !== charge.chargeId) {
        throw new Error('the same idempotency key made another charge');
    }
    await run('getCharge', () => client.getCharge(charge.chargeId));
    const capture = { captureAmount: price('14.00'), softDescriptor: 'Proof' };
    await run('captureCharge', () => client.captureCharge(charge.chargeId, capture, idempotency()));
    const order2 = { chargeId: charge.chargeId, refundAmount: price('4.00') };
    const refund = await run('createRefund', () => client.createRefund(order2, idempotency()));
    await run('getRefund', () => client.getRefund(refund.refundId));
    const other = await run('createChargeToCancel', () => client.createCharge(order, idempotency()));
    const reason = { cancellationReason: 'proof' };
    await run('cancelCharge', () => client.cancelCharge(other.chargeId, reason));
    await run('getMissing', () => client.getCharge('S01-0000000-0000000-C000000'));
}

async function main() {
    await prove('AMZN-PAY-RSASSA-PSS');
    await prove('AMZN-PAY-RSASSA-PSS-V2');
    const client = clientFor('AMZN-PAY-RSASSA-PSS-V2');
    const close = { closureReason: 'proof', cancelPendingCharges: true };
    await step('AMZN-PAY-RSASSA-PSS-V2', 'closeChargePermission',
        () => client.closeChargePermission(permissionId, close));
}

main().catch((error) => {
    console.error(String(error && error.stack || error));
    process.exitCode = 1;
});
