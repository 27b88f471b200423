//! Small documents over HTTP and HTTPS.

use battlearena_tls::{FetchError, Settings, Tls};

use crate::pki::{Authority, Folder, client, server};
use crate::support::{HttpsServer, chain};

#[actix_web::test]
async fn documents_come_over_tls_and_plain() {
    let (folder, authority) = (Folder::new(), Authority::new("ours"));
    let https = HttpsServer::start(&server(&folder, &authority));
    let http = HttpsServer::start(&Tls::load(&Settings::default()).unwrap());
    let tls = client(&folder, &authority);
    let (secure, plain) = (https.url("https", "/"), http.url("http", "/"));
    for url in [&secure, &plain] {
        let fetched = tls.fetcher(5).get(url, None).await.unwrap();
        assert_eq!((fetched.status.as_u16(), &fetched.body[..]), (200, &b"hello"[..]));
    }
    let missing = tls.fetcher(100).get(&https.url("https", "/missing"), None).await.unwrap();
    assert_eq!(missing.status.as_u16(), 404);
    let too_large = tls.fetcher(4).get(&secure, None).await.unwrap_err();
    assert!(matches!(too_large, FetchError::Incomplete(_)), "{too_large}");
    let stranger = client(&Folder::new(), &Authority::new("theirs"));
    let unknown = stranger.fetcher(5).get(&secure, None).await.unwrap_err();
    assert!(chain(&unknown).contains("UnknownIssuer"), "{}", chain(&unknown));
    tls.fetcher(5).get("ftp://localhost/", None).await.unwrap_err();
    https.stop().await;
    http.stop().await;
}
