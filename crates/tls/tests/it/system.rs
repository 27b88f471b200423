//! The authorities that the system trusts, in a process of its own, since they come from its environment.

use std::process::Command;

use battlearena_tls::{Settings, Tls};

use crate::pki::{Authority, Folder};
use crate::support::{GrpcServer, health};

#[test]
fn without_a_setting_the_system_is_trusted() {
    let folder = Folder::new();
    let authority = Authority::new("ours");
    folder.put("system.crt", &authority.pem());
    folder.put_issued(&authority.issue());
    run(&folder, "system::inside_a_system_that_trusts_our_authority");
    folder.put("system.crt", "");
    run(&folder, "system::inside_a_system_that_trusts_nobody");
}

/// Runs a test below in that folder, in a process whose system trusts `system.crt`.
fn run(folder: &Folder, test: &str) {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored"])
        .current_dir(folder.path(""))
        .env("SSL_CERT_FILE", folder.path("system.crt"))
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test]
#[ignore = "needs the process that another test makes"]
async fn inside_a_system_that_trusts_our_authority() {
    let here = |name: &str| Some(name.into());
    let serving =
        Settings { tls_certificate: here("tls.crt"), tls_key: here("tls.key"), ..Settings::default() };
    let grpc = GrpcServer::start(&Tls::load(&serving).unwrap()).await;
    health(&Tls::load(&Settings::default()).unwrap(), &grpc.url("https")).await.unwrap();
    grpc.stop().await;
}

#[test]
#[ignore = "needs the process that another test makes"]
fn inside_a_system_that_trusts_nobody() {
    let tls = Tls::load(&Settings::default()).unwrap();
    let said = "the system has no certificate authorities to trust; --tls-ca (ARENA_TLS_CA) names others";
    assert_eq!(tls.client().unwrap_err().to_string(), said);
    assert_eq!(tls.check("--test", "https://localhost:1").map(drop).unwrap_err().to_string(), said);
    // Who calls nobody over TLS needs no authority.
    tls.check("--test", "http://localhost:1").map(drop).unwrap();
}
