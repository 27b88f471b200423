//! A gRPC port: the service's routes behind the instruments and the gatekeeper, and beside them health and reflection, so that any gRPC
//! client can list and call it.

use std::sync::Arc;

use battlearena_identity::Gatekeeper;
use battlearena_identity::grpc::GuardLayer;
use battlearena_proto::FILE_DESCRIPTOR_SET;
use battlearena_runtime::CancellationToken;
use battlearena_telemetry::grpc::server_layer;
use battlearena_tls::Incoming;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_reflection::server::Builder;

use crate::HostError;

/// Serves until `stop`, and says on `draining` that it will.
pub(crate) fn serve(
    incoming: Incoming,
    services: &[&str],
    routes: Routes,
    gatekeeper: Arc<Gatekeeper>,
    draining: CancellationToken,
    stop: CancellationToken,
) -> Result<impl Future<Output = Result<(), HostError>>, HostError> {
    let (reporter, health) = tonic_health::server::health_reporter();
    // The descriptors know the services of the whole platform; listed is what answers here.
    let reflection = || {
        let files = Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .with_service_name("grpc.health.v1.Health");
        services.iter().fold(files, |files, service| files.with_service_name(*service))
    };
    let routes = routes
        .add_service(health)
        .add_service(reflection().build_v1().map_err(HostError::Reflection)?)
        .add_service(reflection().build_v1alpha().map_err(HostError::Reflection)?);
    let server = Server::builder()
        .layer(server_layer().with_services(services))
        .layer(GuardLayer::new(gatekeeper))
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, stop.cancelled_owned());
    let health = async move {
        draining.cancelled().await;
        // The empty name is the server as a whole.
        reporter.set_service_status("", ServingStatus::NotServing).await;
        std::future::pending::<()>().await;
    };
    Ok(async move {
        tokio::select! {
            result = server => result.map_err(HostError::Grpc),
            () = health => Ok(()),
        }
    })
}
