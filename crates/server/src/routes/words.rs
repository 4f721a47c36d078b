//! Refusals in the words of the API that was asked.

use axum::response::Response;
use serde_json::{Value, json};

use crate::{Kind, Refusal};

/// The answer to a request for this address.
pub(crate) fn refused(path: &str, refusal: &Refusal) -> Response {
    if path.starts_with("/v1/") {
        refusal.response_with(&openai(refusal))
    } else if path.starts_with("/sdapi/") {
        refusal.response_with(&web_ui(refusal))
    } else {
        refusal.response()
    }
}

/// OpenAI's, with the kind as in ours.
pub(super) fn openai(refusal: &Refusal) -> Value {
    let (of_type, code) = match refusal.kind {
        Kind::Invalid => ("invalid_request_error", None),
        Kind::TooLarge => ("invalid_request_error", Some("too_large")),
        Kind::Unauthorized => ("invalid_request_error", Some("invalid_api_key")),
        Kind::NotFound => ("invalid_request_error", Some("not_found")),
        Kind::Busy => ("requests", Some("rate_limit_exceeded")),
        Kind::Draining => ("server_error", Some("unavailable")),
        Kind::Failed => ("server_error", None),
    };
    // Sentences about a field begin with it.
    let begins = refusal.message.strip_prefix('`').and_then(|rest| rest.split('`').next());
    let param = refusal.field.as_deref().or(begins);
    json!({"error": {
        "message": refusal.message,
        "type": of_type,
        "param": param,
        "code": code,
        "kind": refusal.kind.name(),
    }})
}

/// The web UI's, where `detail` is the sentence. Its `error` is a name; ours says more.
fn web_ui(refusal: &Refusal) -> Value {
    let mut said = refusal.json();
    said["detail"] = json!(refusal.message);
    said["body"] = json!("");
    said["errors"] = json!("");
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_in_its_own() {
        let refusal = Refusal::invalid("`steps` is a whole number");
        assert_eq!(openai(&refusal)["error"]["param"], "steps");
        assert_eq!(openai(&Refusal::invalid("no").about("n"))["error"]["param"], "n");
        assert_eq!(openai(&refusal)["error"]["code"], Value::Null);
        assert_eq!(web_ui(&refusal)["detail"], "`steps` is a whole number");
        for kind in Kind::ALL {
            let refusal = Refusal::new(kind, "no");
            for path in ["/v1/models", "/sdapi/v1/txt2img", "/api/v1/jobs"] {
                assert_eq!(refused(path, &refusal).status(), refusal.status());
            }
        }
    }
}
