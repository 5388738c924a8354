//! Which call a path and method mean (docs/src/reference/amazon-pay-v2.md 1 and 1.1), and each call's quota (8.4).
//!
//! Owns: paths and the table of quotas. Must never know: objects, signatures.

use super::super::provider::Quota;

/// A call with the id in its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Call {
    GetCharge(String),
    CreateCharge,
    UpdateCharge(String),
    CaptureCharge(String),
    CancelCharge(String),
    GetRefund(String),
    CreateRefund,
    GetChargePermission(String),
    UpdateChargePermission(String),
    CloseChargePermission(String),
}

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    /// What the path says of the environment: `/live/`, `/sandbox/`, or nothing.
    pub(super) is_sandbox: Option<bool>,
    pub(super) target: Target,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Call(Call),
    /// The path exists, but not with this method.
    OtherMethod,
    Nowhere,
}

impl Route {
    /// `None`: the path is not one of Amazon Pay v2 at all.
    pub(super) fn read(method: &str, path: &str) -> Option<Route> {
        let mut segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let is_sandbox = match segments.first() {
            Some(&"live") => Some(false),
            Some(&"sandbox") => Some(true),
            _ => None,
        };
        if is_sandbox.is_some() {
            segments.remove(0);
        }
        let (version, rest) = segments.split_first()?;
        (*version == "v2").then(|| Route { is_sandbox, target: target(method, rest) })
    }
}

fn target(method: &str, rest: &[&str]) -> Target {
    let known = match (method, rest) {
        ("GET", ["charges", id]) => Some(Call::GetCharge((*id).to_owned())),
        ("PATCH", ["charges", id]) => Some(Call::UpdateCharge((*id).to_owned())),
        ("PATCH", ["chargePermissions", id]) => Some(Call::UpdateChargePermission((*id).to_owned())),
        ("POST", ["charges"]) => Some(Call::CreateCharge),
        ("POST", ["charges", id, "capture"]) => Some(Call::CaptureCharge((*id).to_owned())),
        ("DELETE", ["charges", id, "cancel"]) => Some(Call::CancelCharge((*id).to_owned())),
        ("GET", ["refunds", id]) => Some(Call::GetRefund((*id).to_owned())),
        ("POST", ["refunds"]) => Some(Call::CreateRefund),
        ("GET", ["chargePermissions", id]) => Some(Call::GetChargePermission((*id).to_owned())),
        ("DELETE", ["chargePermissions", id, "close"]) => Some(Call::CloseChargePermission((*id).to_owned())),
        _ => None,
    };
    match (known, rest) {
        (Some(call), _) => Target::Call(call),
        (
            None,
            ["charges" | "refunds"]
            | ["charges" | "refunds" | "chargePermissions", _]
            | ["charges", _, "capture" | "cancel"]
            | ["chargePermissions", _, "close"],
        ) => Target::OtherMethod,
        _ => Target::Nowhere,
    }
}

impl Call {
    /// The manual's name of the operation.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Call::GetCharge(_) => "GetCharge",
            Call::CreateCharge => "CreateCharge",
            Call::UpdateCharge(_) => "UpdateCharge",
            Call::UpdateChargePermission(_) => "UpdateChargePermission",
            Call::CaptureCharge(_) => "CaptureCharge",
            Call::CancelCharge(_) => "CancelCharge",
            Call::GetRefund(_) => "GetRefund",
            Call::CreateRefund => "CreateRefund",
            Call::GetChargePermission(_) => "GetChargePermission",
            Call::CloseChargePermission(_) => "CloseChargePermission",
        }
    }
}

/// The current table of 8.4, live and sandbox.
pub(super) fn documented_quota(operation: &str, is_sandbox: bool) -> Quota {
    let (live, sandbox) = match operation {
        "GetCharge" | "GetRefund" => ((20, 4), (5, 1)),
        "GetChargePermission" => ((20, 4), (10, 1)),
        "CreateCharge" | "CreateRefund" => ((10, 4), (2, 1)),
        "CaptureCharge" => ((20, 4), (2, 1)),
        "UpdateChargePermission" => ((10, 2), (5, 1)),
        _ => ((10, 2), (2, 1)),
    };
    let (capacity, refill) = if is_sandbox { sandbox } else { live };
    Quota::new(capacity, refill, 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(method: &str, path: &str, is_sandbox: Option<bool>, name: Option<&str>) {
        let route = Route::read(method, path).expect("it is a path of v2");
        assert_eq!(route.is_sandbox, is_sandbox, "{path}");
        match (route.target, name) {
            (Target::Call(call), Some(name)) => assert_eq!(call.name(), name),
            (other, expected) => assert!(expected.is_none(), "{path}: {other:?}"),
        }
    }

    #[test]
    fn paths_lead_where_the_manual_says() {
        check("GET", "/v2/charges/S01", None, Some("GetCharge"));
        check("GET", "/v2/charges/S01/", None, Some("GetCharge"));
        check("GET", "/live/v2/refunds/S01", Some(false), Some("GetRefund"));
        check("POST", "/sandbox/v2/charges", Some(true), Some("CreateCharge"));
        check("PATCH", "/v2/charges/S01", None, Some("UpdateCharge"));
        check("PATCH", "/v2/chargePermissions/S01", None, Some("UpdateChargePermission"));
        check("PATCH", "/v2/refunds/S01", None, None);
        check("POST", "/sandbox/v2/charges/", Some(true), Some("CreateCharge"));
        check("POST", "/v2/charges/S01/capture", None, Some("CaptureCharge"));
        check("DELETE", "/v2/charges/S01/cancel", None, Some("CancelCharge"));
        check("POST", "/v2/refunds", None, Some("CreateRefund"));
        check("GET", "/v2/chargePermissions/S01", None, Some("GetChargePermission"));
        check("DELETE", "/v2/chargePermissions/S01/close", None, Some("CloseChargePermission"));
        check("PUT", "/v2/charges/S01", None, None);
        check("GET", "/v2/buyers/x", None, None);
        assert_eq!(Route::read("GET", "/v1/charges/x"), None);
        assert_eq!(Route::read("GET", "/"), None);
    }

    #[test]
    fn quotas_are_those_of_the_table() {
        for (operation, live, sandbox) in [
            ("GetCharge", (20, 4), (5, 1)),
            ("GetRefund", (20, 4), (5, 1)),
            ("GetChargePermission", (20, 4), (10, 1)),
            ("CreateCharge", (10, 4), (2, 1)),
            ("CaptureCharge", (20, 4), (2, 1)),
            ("CancelCharge", (10, 2), (2, 1)),
            ("CreateRefund", (10, 4), (2, 1)),
            ("CloseChargePermission", (10, 2), (2, 1)),
        ] {
            assert_eq!(documented_quota(operation, false), Quota::new(live.0, live.1, 1), "{operation}");
            assert_eq!(documented_quota(operation, true), Quota::new(sandbox.0, sandbox.1, 1), "{operation}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_path_is_answered(method in "[A-Z]{0,6}", path in ".{0,60}") {
            let _ = Route::read(&method, &path);
        }
    }
}
