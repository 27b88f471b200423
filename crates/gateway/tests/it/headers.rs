//! What answers tell browsers, and which origins may call.

use reqwest::Method;

use crate::support::{Answer, Platform};

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_careful_with_browsers() {
    let platform = Platform::closed().await;
    for path in ["/", "/openapi.json", "/api/players/1", "/nothing", "/livez"] {
        let answer = platform.get(path).await;
        let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok());
        assert_eq!(header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(header("x-frame-options"), Some("DENY"), "{path}");
        assert_eq!(header("referrer-policy"), Some("no-referrer"), "{path}");
        assert_eq!(header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(
            header("content-security-policy"),
            Some("default-src 'none'; frame-ancestors 'none'"),
            "{path}"
        );
        assert_eq!(header("access-control-allow-origin"), None, "{path}");
    }
    let page = platform.get("/docs").await;
    assert!(page.headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'self'"));
    let keys = platform.get("/.well-known/jwks.json").await;
    assert_eq!(keys.headers["cache-control"], "public, max-age=30");
    let key = &keys.ok()["keys"][0];
    assert_eq!((key["kty"].as_str(), key["alg"].as_str()), (Some("OKP"), Some("EdDSA")));
    assert!(key.get("d").is_none());
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_named_origins_may_call_from_a_browser() {
    let platform =
        Platform::closed_with(|config| config.cors_origins = vec!["https://arena.test".to_owned()]).await;
    let ask = async |origin: &str| {
        let request = platform.request(Method::OPTIONS, "/api/players/login").header("origin", origin);
        let request = request.header("access-control-request-method", "POST");
        Answer::to(request.header("access-control-request-headers", "authorization,content-type")).await
    };
    let good = ask("https://arena.test").await;
    assert_eq!(good.status, 200, "{}", good.body);
    assert_eq!(good.headers["access-control-allow-origin"], "https://arena.test");
    assert!(good.headers.get("access-control-allow-credentials").is_none());
    for bad in ["https://evil.test", "https://arena.test.evil.test", "null"] {
        assert!(ask(bad).await.headers.get("access-control-allow-origin").is_none(), "{bad}");
    }
    let request = platform.request(Method::GET, "/").header("origin", "https://arena.test");
    let answer = Answer::to(request).await;
    assert_eq!(answer.headers["access-control-allow-origin"], "https://arena.test");
    answer.ok();
    platform.stop().await;

    let platform = Platform::closed().await;
    let request =
        platform.request(Method::OPTIONS, "/api/players/login").header("origin", "https://arena.test");
    let refused = Answer::to(request.header("access-control-request-method", "POST")).await;
    assert_eq!((refused.status, refused.headers.get("access-control-allow-origin")), (405, None));
    platform.stop().await;
}
