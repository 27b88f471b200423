//! From where a request comes, for limits of a handler's own.

use std::future::{Ready, ready};
use std::net::{IpAddr, Ipv4Addr};

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use battlearena_identity::Gatekeeper;
use battlearena_identity::http::client_address;
use battlearena_proto::Failure;
use battlearena_telemetry::http::HttpFailure;

use crate::service::limits::Client;

/// The address of the client.
pub(super) struct Origin(pub(super) Client);

impl FromRequest for Origin {
    type Error = HttpFailure;
    type Future = Ready<Result<Self, HttpFailure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let Some(gatekeeper) = request.app_data::<Data<Gatekeeper>>() else {
            return ready(Err(Failure::internal("the app has no gatekeeper").into()));
        };
        // Whoever has no address shares one with all who have none.
        let address = client_address(gatekeeper, request).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        ready(Ok(Self(Client { address, key: gatekeeper.address_rules().key(address) })))
    }
}
