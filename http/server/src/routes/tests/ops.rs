//! What operators and readers of the documentation find.

use super::*;

#[actix_web::test]
async fn operators_find_what_they_need() {
    let app = app(&shell(|_| {})).await;
    let health = send(&app, get("/health")).await;
    assert_eq!((health.status, &health.json()["status"]), (200, &json!("up")));
    send(&app, get("/t/path/7")).await;
    let metrics = send(&app, get("/metrics")).await;
    let text = String::from_utf8(metrics.body.to_vec()).unwrap();
    let line = r#"stampede_http_requests_total{method="GET",route="/t/path/{id}",status="404"}"#;
    assert!(text.contains(line), "{text}");
    let line = r#"stampede_http_request_duration_seconds_count{method="GET",route="/t/path/{id}"}"#;
    assert!(text.contains(line), "{text}");
    assert!(!text.contains("/t/path/7"), "no label is what a caller sent");

    let document = send(&app, get("/openapi.json")).await.json();
    assert_eq!(document["info"]["title"], "Stampede");
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
}

#[actix_web::test]
async fn the_documentation_runs_under_its_own_strict_policy() {
    let app = app(&shell(|_| {})).await;
    for root in ["/docs", "/swagger"] {
        let answer = send(&app, get(root)).await;
        assert_eq!((answer.status, answer.header("location")), (308, &*format!("{root}/")));
        let page = send(&app, get(&format!("{root}/"))).await;
        assert!(page.header("content-type").starts_with("text/html"));
        let policy = page.header("content-security-policy");
        assert!(policy.contains("script-src 'self';"), "{policy}");
        // Whatever the page loads comes from here, and nothing on it runs from within the page.
        let html = String::from_utf8(page.body.to_vec()).unwrap();
        let mut scripts = 0;
        for tag in html.split("<script").skip(1) {
            let (open, rest) = tag.split_once('>').unwrap();
            assert!(rest.trim_start().starts_with("</script>"), "a script within the page: {rest}");
            let file =
                open.split("src=\"").nth(1).unwrap().split('"').next().unwrap().trim_start_matches("./");
            assert!(!file.contains("//"), "{file}");
            let script = send(&app, get(&format!("{root}/{file}"))).await;
            assert_eq!(script.status, 200, "{file}");
            assert!(script.header("content-type").contains("javascript"), "{file}");
            scripts += 1;
        }
        assert!(scripts > 0, "{html}");
        let start = send(&app, get(&format!("{root}/swagger-initializer.js"))).await;
        assert!(String::from_utf8_lossy(&start.body).contains("/openapi.json"));
    }
    assert_eq!(send(&app, get("/docs/nothing.js")).await.code(), code(404, "not_found"));
}

#[actix_web::test]
async fn every_code_has_a_page() {
    let app = app(&shell(|_| {})).await;
    for code in Code::ALL {
        let page = send(&app, get(&format!("/problems/{code}"))).await;
        assert_eq!(page.status, 200, "{code}");
        assert!(page.header("content-type").starts_with("text/html"));
        let html = String::from_utf8(page.body.to_vec()).unwrap();
        assert!(html.contains(crate::problem::describe(*code).help), "{code}");
    }
    assert_eq!(send(&app, get("/problems/nothing")).await.code(), code(404, "not_found"));
}
