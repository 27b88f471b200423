//! Files that change while connections are open.

use battlearena_runtime::Tasks;
use battlearena_tls::rustls::ClientConfig;
use battlearena_tls::{Settings, Tls};
use rcgen::Certificate;

use crate::pki::{Authority, Folder, Issued, client, trusting};
use crate::support::{GrpcServer, HttpsServer, PATIENCE, ask, connect, health, shown};

/// What a new connection is shown.
async fn seen(https: &HttpsServer, config: &ClientConfig) -> Vec<u8> {
    shown(&connect(https.address, config.clone(), "localhost").await.unwrap()).to_vec()
}

fn der(certificate: &Certificate) -> Vec<u8> {
    certificate.der().to_vec()
}

#[actix_web::test]
async fn new_connections_see_the_new_certificate_and_old_ones_stay() {
    let (folder, authority) = (Folder::new(), Authority::new("ours"));
    let (old, new) = (authority.issue(), authority.issue());
    folder.put_issued(&old);
    let tls = Tls::load(&folder.serving()).unwrap();
    let https = HttpsServer::start(&tls);
    let config = client(&folder, &authority).client().unwrap();
    let mut open = connect(https.address, config.clone(), "localhost").await.unwrap();
    ask(&mut open).await.unwrap();

    folder.put_issued(&new);
    tls.reload().unwrap();
    assert_eq!(seen(&https, &config).await, der(&new.certificate));
    ask(&mut open).await.unwrap();
    assert_eq!(shown(&open).to_vec(), der(&old.certificate));
    drop(open);
    https.stop().await;
}

#[actix_web::test]
async fn a_broken_file_keeps_the_old_certificate() {
    let (folder, authority) = (Folder::new(), Authority::new("ours"));
    let (old, new) = (authority.issue(), authority.issue());
    let expired = authority.issue_for(&["localhost"], (2001, 2002));
    folder.put_issued(&old);
    let tls = Tls::load(&folder.serving()).unwrap();
    let https = HttpsServer::start(&tls);
    let config = client(&folder, &authority).client().unwrap();

    folder.put("tls.crt", "nonsense");
    tls.reload().unwrap_err();
    folder.put_issued(&expired);
    tls.reload().unwrap_err();
    std::fs::remove_file(folder.path("tls.key")).unwrap();
    tls.reload().unwrap_err();
    // One of two files was replaced.
    folder.put_issued(&old);
    folder.put("tls.crt", &new.certificate.pem());
    tls.reload().unwrap_err();
    assert_eq!(seen(&https, &config).await, der(&old.certificate));

    folder.put_issued(&new);
    tls.reload().unwrap();
    assert_eq!(seen(&https, &config).await, der(&new.certificate));
    https.stop().await;
}

#[actix_web::test]
async fn changed_files_are_noticed() {
    let (folder, authority) = (Folder::new(), Authority::new("ours"));
    let (old, new) = (authority.issue(), authority.issue());
    folder.put_issued(&old);
    let tls = Tls::load(&folder.serving()).unwrap();
    let https = HttpsServer::start(&tls);
    let config = client(&folder, &authority).client().unwrap();
    let becomes = async |issued: &Issued| {
        while seen(&https, &config).await != der(&issued.certificate) {
            tokio::task::yield_now().await;
        }
    };
    let tasks = Tasks::new();
    // What changes between the start of the process and that of the task is noticed too.
    folder.put_issued(&new);
    tasks.spawn("tls reload", tls.keep_reloading(tasks.token()));
    tokio::time::timeout(PATIENCE, becomes(&new)).await.unwrap();
    folder.put_issued(&old);
    tokio::time::timeout(PATIENCE, becomes(&old)).await.unwrap();
    tasks.stop(PATIENCE).await.unwrap();
    https.stop().await;
}

#[tokio::test]
async fn authorities_of_callers_change() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let folder = Folder::new();
    folder.put_issued(&old.issue());
    let settings =
        Settings { tls_client_ca: Some(folder.put("callers.crt", &old.pem())), ..folder.serving() };
    let server = Tls::load(&settings).unwrap();
    let grpc = GrpcServer::start(&server).await;
    let url = grpc.url("https");

    let caller = Folder::new();
    caller.put_issued(&old.issue());
    let ca = Some(caller.put("ca.crt", &old.pem()));
    let caller_tls = Tls::load(&Settings { tls_ca: ca, ..caller.serving() }).unwrap();
    health(&caller_tls, &url).await.unwrap();

    folder.put("callers.crt", &new.pem());
    server.reload().unwrap();
    health(&caller_tls, &url).await.unwrap_err();
    // The caller's new certificate is shown by connections from now on.
    caller.put_issued(&new.issue());
    caller_tls.reload().unwrap();
    health(&caller_tls, &url).await.unwrap();
    grpc.stop().await;
}

#[tokio::test]
async fn authorities_of_services_change() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let folder = Folder::new();
    folder.put_issued(&new.issue());
    let grpc = GrpcServer::start(&Tls::load(&folder.serving()).unwrap()).await;
    let ca = folder.put("ca.crt", &old.pem());
    let caller = Tls::load(&trusting(&ca)).unwrap();
    health(&caller, &grpc.url("https")).await.unwrap_err();
    // For the time of a change, both.
    folder.put("ca.crt", &(old.pem() + &new.pem()));
    caller.reload().unwrap();
    health(&caller, &grpc.url("https")).await.unwrap();
    grpc.stop().await;
}
