//! A bare actix-web server, the yardstick of `scripts/bench`: one route, nothing around it.
//!
//! usage: hello ADDRESS

use actix_web::{App, HttpServer, web};

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    HttpServer::new(|| App::new().route("/", web::get().to(async || "hello")))
        .workers(1)
        .bind(address)?
        .run()
        .await
}
