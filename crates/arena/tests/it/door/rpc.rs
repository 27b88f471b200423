//! Calls of gRPC methods by their names, with an empty message: enough to learn who is let in.

use std::time::Duration;

use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use super::{PATIENCE, eventually};
use crate::stage::Stage;

/// The services with a gRPC port, each with a method of it that operators may call.
pub(crate) const SERVICES: [(&str, &str); 3] = [
    ("match", "battlearena.match.v1.MatchService/GetMatch"),
    ("analytics", "battlearena.analytics.v1.AnalyticsService/GetPlayerStats"),
    ("socket-gateway", "battlearena.realtime.v1.RealtimeService/ListMessages"),
];

/// A connection to a service.
pub(crate) fn channel(stage: &Stage, service: &str) -> Channel {
    let address = stage.address(&format!("--{service}-grpc"));
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    endpoint.connect_timeout(Duration::from_secs(10)).connect_lazy()
}

/// Calls a method (`package.Service/Method`) of any kind, and waits for the beginning of its answer.
pub(crate) async fn call(
    channel: &Channel,
    method: &str,
    authorization: Option<&str>,
) -> Result<(), Box<Status>> {
    let mut grpc = Grpc::new(channel.clone());
    let mut request = Request::new(());
    if let Some(value) = authorization {
        request.metadata_mut().insert("authorization", value.parse().unwrap());
    }
    let path = PathAndQuery::try_from(format!("/{method}")).unwrap();
    grpc.ready().await.unwrap();
    let calling = grpc.server_streaming(request, path, ProstCodec::<(), ()>::default());
    let answer =
        tokio::time::timeout(PATIENCE, calling).await.unwrap_or_else(|_| panic!("{method} is silent"));
    answer.map(|_| ()).map_err(Box::new)
}

/// Waits until every service with a gRPC port knows the keys of tokens, by asking it with a good one of an operator.
pub(crate) async fn keys_are_known(stage: &Stage, authorization: &str) {
    for (service, method) in SERVICES {
        let channel = channel(stage, service);
        eventually("the keys of tokens", async || {
            let code = call(&channel, method, Some(authorization)).await.err().map(|status| status.code());
            (code != Some(Code::Unavailable)).then_some(())
        })
        .await;
    }
}
