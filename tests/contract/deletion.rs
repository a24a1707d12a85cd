//! `DeleteLaunchTemplateVersions`, which neither emulator knows: its answers come from a server of one answer.

use std::io::{Read, Write};
use std::net::TcpListener;

use ecs_rotator::effect::{Reply, Request};

use crate::requests::aws;

/// One answer in EC2's XML, with items `(version, code)` that were not deleted.
fn deletion(left: &[(u64, &str)]) -> String {
    let item = |(version, code): &(u64, &str)| {
        format!(
            "<item><launchTemplateId>lt-1</launchTemplateId><launchTemplateName>web</launchTemplateName>\
             <versionNumber>{version}</versionNumber><responseError><code>{code}</code>\
             <message>said of {version}</message></responseError></item>"
        )
    };
    format!(
        "<DeleteLaunchTemplateVersionsResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\
         <requestId>1</requestId><successfullyDeletedLaunchTemplateVersionSet/>\
         <unsuccessfullyDeletedLaunchTemplateVersionSet>{}</unsuccessfullyDeletedLaunchTemplateVersionSet>\
         </DeleteLaunchTemplateVersionsResponse>",
        left.iter().map(item).collect::<String>()
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_are_deleted_or_named() {
    for (left, expected) in [
        (vec![], None),
        (vec![(2, "launchTemplateVersionDoesNotExist")], None),
        (
            vec![(2, "launchTemplateVersionDoesNotExist"), (3, "unexpectedError")],
            Some("DeleteLaunchTemplateVersions failed (refused): unexpectedError: version 3: said of 3"),
        ),
    ] {
        let (endpoint, asked) = answering_once(deletion(&left));
        let request = Request::DeleteLaunchTemplateVersions { template: "lt-1".into(), versions: vec![2, 3] };
        let answer = aws(endpoint).await.perform(request).await;
        assert_eq!(answer.as_ref().err().map(ToString::to_string).as_deref(), expected, "{left:?}");
        assert!(answer.is_err() || answer == Ok(Reply::Done));
        let asked = asked.join().expect("the server answers");
        assert!(
            asked.ends_with("&LaunchTemplateId=lt-1&LaunchTemplateVersion.1=2&LaunchTemplateVersion.2=3"),
            "{asked}"
        );
    }
}

/// A server of one answer; what it was asked, when it has answered.
fn answering_once(body: String) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let endpoint = format!("http://{}", listener.local_addr().expect("a bound listener has an address"));
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody asks");
        let mut asked = String::new();
        let length = |asked: &str| {
            let (head, _) = asked.split_once("\r\n\r\n")?;
            let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-length:"))?;
            Some(head.len() + 4 + line.split_once(':')?.1.trim().parse::<usize>().ok()?)
        };
        while length(&asked).is_none_or(|length| asked.len() < length) {
            let mut part = [0; 4096];
            let read = stream.read(&mut part).expect("the request is read");
            asked.push_str(std::str::from_utf8(&part[..read]).expect("a request is text"));
        }
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).expect("the answer is written");
        asked
    });
    (endpoint, answering)
}
