//! Who answers in AWS's place: somebody who says the same to everything, who keeps silent, or an account with nothing in it but a
//! queue.

use std::io::{Read, Write as _};
use std::net::{TcpListener, TcpStream};

/// What SQS, or somebody in its place, says to every request. Without an answer it takes the request and keeps silent.
pub fn somebody_who_says(answer: Option<(&'static str, &'static str)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let address = listener.local_addr().expect("it has an address");
    std::thread::spawn(move || {
        let mut silent = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let Some((status, body)) = answer else {
                silent.push(stream);
                continue;
            };
            // One read takes all of such a small request, or the rest is of no interest.
            let _read = stream.read(&mut [0; 16 * 1024]);
            let length = body.len();
            let _closed = write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {length}\r\n\
                 Connection: close\r\n\r\n{body}"
            );
        }
    });
    format!("http://{address}")
}

pub const DENIED: (&str, &str) = (
    "403 Forbidden",
    r#"{"__type":"com.amazon.coral.service#AccessDeniedException","message":"User: arn:aws:iam::1:user/me is not authorized to perform: sqs:getqueueattributes on resource: arn:aws:sqs:eu-west-1:1:q because no identity-based policy allows the action"}"#,
);
pub const EXPIRED: (&str, &str) = (
    "403 Forbidden",
    r#"{"__type":"com.amazon.coral.service#ExpiredToken","message":"The security token included in the request is expired"}"#,
);
pub const NO_QUEUE: (&str, &str) = (
    "400 Bad Request",
    r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"The specified queue does not exist."}"#,
);
pub const NOT_AWS: (&str, &str) = ("404 Not Found", "<html><body>no such page</body></html>");

/// An account without clusters and instances, and a queue without messages.
pub fn empty_account() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let address = listener.local_addr().expect("it has an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.expect("a connection");
            std::thread::spawn(move || answer(stream));
        }
    });
    format!("http://{address}")
}

fn answer(mut stream: TcpStream) {
    let request = read_request(&mut stream);
    let body = match operation(&request).as_str() {
        "ListClusters" => r#"{"clusterArns":[]}"#,
        "DescribeClusters" => {
            r#"{"clusters":[],"failures":[{"arn":"arn:aws:ecs:eu-west-1:123456789012:cluster/prod","reason":"MISSING"}]}"#
        }
        "GetQueueAttributes" => {
            r#"{"Attributes":{"QueueArn":"arn:aws:sqs:eu-west-1:123456789012:q","RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:aws:sqs:eu-west-1:123456789012:d\",\"maxReceiveCount\":5}"}}"#
        }
        "GetCallerIdentity" => {
            "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:sts::123456789012:assumed-role/worker/1</Arn>\
             <UserId>A</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
        }
        "DescribeInstances" => "<DescribeInstancesResponse><reservationSet/></DescribeInstancesResponse>",
        _ => "{}",
    };
    let length = body.len();
    let _closed = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
}

/// Head and body.
fn read_request(stream: &mut TcpStream) -> String {
    let (mut read, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return text,
            Ok(n) => read.extend_from_slice(&buffer[..n]),
        }
    }
}

/// Of the header in JSON, of the form otherwise.
fn operation(request: &str) -> String {
    let header = request.lines().find(|line| line.to_lowercase().starts_with("x-amz-target:"));
    let named = header.and_then(|line| line.rsplit('.').next()).map(str::trim);
    let form = || request.split_once("Action=").map(|(_, rest)| rest.split('&').next().unwrap_or_default());
    named.or_else(form).unwrap_or_default().to_owned()
}
