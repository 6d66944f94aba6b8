//! The commands: how they are used, those that ask a running server, and the files that they write.

use std::{path::Path, process::Output};

use serde_json::Value;
use stampede_tests::{Case, Engine, Launch, Shop, TlsFront, once};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    once![
        commands_speak_to_a_server_behind_tls,
        what_is_wrong_with_tls_is_told,
        a_file_that_cannot_be_written_is_refused_before_the_work,
        wrong_usage_ends_with_2,
    ]
}

/// What a command said on stderr, which must have failed.
#[track_caller]
fn refused(output: &Output) -> String {
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    told
}

/// What a command wrote to stdout, which must have succeeded.
#[track_caller]
fn done(output: Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("its output is text")
}

/// The environment of a command that trusts this authority alone.
fn trusting(launch: &Launch, authority: &Path) -> Launch {
    launch.clone().env("SSL_CERT_FILE", &authority.to_string_lossy()).env("SSL_CERT_DIR", "")
}

async fn commands_speak_to_a_server_behind_tls() {
    let shop = Shop::start(Engine::Postgres).await;
    let front = TlsFront::before(&shop.server).await;
    let launch = trusting(shop.server.launch(), &front.authority());
    let url = format!("https://127.0.0.1:{}", front.port());

    let tokens = done(launch.run(&["token", "--url", &url, "--users", "3"]));
    assert_eq!(tokens.lines().count(), 3);

    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("report.json");
    let json = file.to_string_lossy();
    let load = "--setup --stock 20 --users 30 --connections 8 --tries 4".split(' ');
    let arguments: Vec<&str> = ["loadtest", "--url", &url, "--json", &json].into_iter().chain(load).collect();
    done(launch.run(&arguments));
    let report = std::fs::read(&file).expect("there is a report");
    let report: Value = serde_json::from_slice(&report).expect("the report is JSON");
    assert_eq!((&report["attempts"], &report["accepted"]["total"]), (&120.into(), &20.into()), "{report}");
    assert_eq!((&report["held"], &report["reconnects"]), (&true.into(), &0.into()), "{report}");

    let found = done(launch.run(&["reconcile", "--url", &url]));
    assert!(found.contains("everything agrees"), "{found}");
}

async fn what_is_wrong_with_tls_is_told() {
    let shop = Shop::start(Engine::Postgres).await;
    let (front, stranger) = (TlsFront::before(&shop.server).await, TlsFront::before(&shop.server).await);
    let (launch, port) = (shop.server.launch(), front.port());
    let plain_port = shop.server.url().rsplit(':').next().expect("a port");
    let (trusted, unknown) = (front.authority(), stranger.authority());
    let missing = trusted.with_file_name("missing.pem");
    for (authority, url, told) in [
        (
            &unknown,
            format!("https://127.0.0.1:{port}"),
            "is not trusted: no authority known here has signed it",
        ),
        (&trusted, format!("https://localhost:{port}"), "certificate not valid for name \"localhost\""),
        (&trusted, format!("https://127.0.0.1:{plain_port}"), "does not answer in TLS; perhaps http://"),
        (&trusted, format!("http://127.0.0.1:{port}"), "does not answer in HTTP; perhaps https://"),
        (&missing, format!("https://127.0.0.1:{port}"), "missing.pem"),
    ] {
        let launch = trusting(launch, authority);
        for arguments in [["token", "--users", "1"], ["loadtest", "--setup", "--stock=1"]] {
            let output = launch.run(&[&arguments[..], &["--url", &url]].concat());
            let text = refused(&output);
            assert!(text.contains(told) && text.lines().count() == 1, "{url}: {text}");
        }
    }
}

async fn a_file_that_cannot_be_written_is_refused_before_the_work() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (data, file) = (folder.path().join("data"), folder.path().join("missing/file"));
    let (data, file) = (data.to_string_lossy(), file.to_string_lossy());
    let launch = Launch::new(folder.path()).env("STAMPEDE_ADMIN_PASSWORD", "it is not asked for");
    let nowhere = "http://127.0.0.1:1";
    for arguments in [
        vec!["demo", "--once", "--data", &data, "--json", &file],
        vec!["loadtest", "--url", nowhere, "--setup", "--stock", "1", "--json", &file],
        vec!["reconcile", "--url", nowhere, "--json", &file],
        vec!["token", "--url", nowhere, "--users", "1", "--out", &file],
        vec!["export", "--data", &data, &file],
        vec!["openapi", "--out", &file],
    ] {
        let text = refused(&launch.run(&arguments));
        assert!(text.contains(&*file) && text.contains("cannot be written"), "{arguments:?}: {text}");
    }
    // Where the file could be written but the work fails, no file is left.
    let file = folder.path().join("result");
    let text = file.to_string_lossy();
    for arguments in [
        vec!["loadtest", "--url", nowhere, "--setup", "--stock", "1", "--json", &text],
        vec!["reconcile", "--url", nowhere, "--json", &text],
        vec!["token", "--url", nowhere, "--users", "1", "--out", &text],
    ] {
        let told = refused(&launch.run(&arguments));
        assert!(told.contains("no connection to 127.0.0.1:1: Connection refused"), "{arguments:?}: {told}");
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("it can be listed").collect();
    assert!(left.is_empty(), "{left:?}");
}

async fn wrong_usage_ends_with_2() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let launch = stampede_tests::Launch::new(folder.path());
    for arguments in [&["no-such-command"][..], &["serve", "--listen"], &["serve", "--no-such-option"]] {
        let output = launch.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}: nothing is said");
    }
}
