//! Why a request is refused: one sentence, a status, and when to come again.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};

/// What kind of refusal it is, which clients tell apart by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It cannot be done as it was asked for.
    Invalid,
    /// It is more than this server does.
    TooLarge,
    /// Nobody said who asks.
    Unauthorized,
    /// There is no such thing.
    NotFound,
    /// There is too much to do already.
    Busy,
    /// The server is about to end.
    Draining,
    /// It went wrong here.
    Failed,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Invalid,
        Self::TooLarge,
        Self::Unauthorized,
        Self::NotFound,
        Self::Busy,
        Self::Draining,
        Self::Failed,
    ];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::TooLarge => "too_large",
            Self::Unauthorized => "unauthorized",
            Self::NotFound => "not_found",
            Self::Busy => "busy",
            Self::Draining => "draining",
            Self::Failed => "failed",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::Draining => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// A request is not fulfilled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What kind of refusal it is.
    pub kind: Kind,
    /// One sentence that says what is wrong and what to do.
    pub message: String,
    /// The status, where it is not the kind's.
    pub status: Option<StatusCode>,
    /// Seconds after which it may be tried again.
    pub retry_after: Option<u64>,
    /// The field of the request that it is about, if it is about one.
    pub field: Option<String>,
}

impl Refusal {
    /// Of a kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), status: None, retry_after: None, field: None }
    }

    /// It cannot be done as it was asked for.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    /// It is more than this server does.
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(Kind::TooLarge, message)
    }

    /// There is no such thing.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }

    /// It went wrong here.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, message)
    }

    /// The same with another status.
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }

    /// The same with a time after which it may be tried again.
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds.max(1));
        self
    }

    /// The same about a field of the request.
    pub fn about(mut self, field: &str) -> Self {
        self.field = Some(field.into());
        self
    }

    /// The status that it is answered with.
    pub fn status(&self) -> StatusCode {
        self.status.unwrap_or(self.kind.status())
    }

    /// What is said of it.
    pub fn json(&self) -> Value {
        let mut json = json!({"error": {"message": self.message, "kind": self.kind.name()}});
        if let Some(field) = &self.field {
            json["error"]["field"] = json!(field);
        }
        json
    }

    /// The answer in our own format.
    pub fn response(&self) -> Response {
        self.response_with(&self.json())
    }

    /// The answer in the words of another API, with the same status and headers.
    pub fn response_with(&self, body: &Value) -> Response {
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.kind == Kind::Unauthorized && self.status() == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
