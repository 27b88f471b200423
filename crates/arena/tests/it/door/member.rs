//! A player with an account, as its device knows it.

use serde_json::{Value, json};

use super::Answer;
use crate::stage::Stage;

/// A session of a player.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) id: i64,
    pub(crate) name: String,
    /// The secret of its device.
    pub(crate) device: String,
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Member {
    /// Registers with a device, and perhaps with more.
    pub(crate) async fn join(stage: &Stage, name: &str, more: Value) -> Self {
        let device = format!("{:032x}-{name}", rand::random::<u128>());
        let mut body =
            json!({"username": name, "email": format!("{name}@players.test"), "device_id": device});
        body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        let answer = post(stage, "/api/players/register", &body).await.good();
        Self::of(&answer, name, &device)
    }

    /// Logs in with the device once more: another session.
    pub(crate) async fn again(&self, stage: &Stage) -> Self {
        let body = json!({"device_id": self.device});
        Self::of(&post(stage, "/api/players/login", &body).await.good(), &self.name, &self.device)
    }

    /// Uses the refresh token.
    pub(crate) async fn refresh(&self, stage: &Stage) -> Answer {
        post(stage, "/api/players/refresh", &json!({"refresh_token": self.refresh})).await
    }

    /// The session with its next tokens.
    pub(crate) async fn renewed(&self, stage: &Stage) -> Self {
        let answer = self.refresh(stage).await.good();
        let text = |field: &str| answer[field].as_str().unwrap().to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token"), ..self.clone() }
    }

    /// Ends the session.
    pub(crate) async fn log_out(&self, stage: &Stage) {
        post(stage, "/api/players/logout", &json!({"refresh_token": self.refresh})).await.good();
    }

    /// Whether the gateway takes its access token.
    pub(crate) async fn is_in(&self, stage: &Stage) -> bool {
        let request = stage.http.get(stage.url("gateway", &format!("/api/players/{}", self.id)));
        let answer = Answer::to(request.bearer_auth(&self.access)).await;
        match answer.status {
            200 => true,
            401 => false,
            _ => panic!("{answer:?}"),
        }
    }

    /// What a log-in or registration answered.
    pub(crate) fn of(answer: &Value, name: &str, device: &str) -> Self {
        let text = |field: &str| answer[field].as_str().unwrap().to_owned();
        Self {
            id: answer["player_id"].as_i64().unwrap(),
            name: name.to_owned(),
            device: device.to_owned(),
            access: text("access_token"),
            refresh: text("refresh_token"),
        }
    }
}

/// Sends JSON to the gateway.
pub(crate) async fn post(stage: &Stage, path: &str, body: &Value) -> Answer {
    Answer::to(stage.http.post(stage.url("gateway", path)).json(body)).await
}
