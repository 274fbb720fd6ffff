use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, FetchRequest, MetadataRequest, ProduceResponse,
};

use super::*;
use crate::mock::api_key;
use crate::mock::testing::{batch, framed, produce_request, request, response};

const PATIENCE: Duration = Duration::from_secs(10);

fn start(brokers: i32) -> MockCluster {
    MockCluster::new(ClusterOptions { brokers, ..ClusterOptions::default() }).unwrap()
}

fn address_of(mock: &MockCluster, broker: usize) -> String {
    mock.bootstrap_servers().split(',').nth(broker - 1).unwrap().to_owned()
}

fn connect(mock: &MockCluster, broker: usize) -> TcpStream {
    let stream = TcpStream::connect(address_of(mock, broker)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn api_versions(correlation_id: i32) -> Vec<u8> {
    framed(&request(api_key::API_VERSIONS, 0, correlation_id, &ApiVersionsRequest::default()))
}

fn read_frame(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    stream.read_exact(&mut bytes)?;
    let len = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
    bytes.resize(4 + len, 0);
    stream.read_exact(&mut bytes[4..])?;
    Ok(bytes)
}

fn read_correlation_id(stream: &mut TcpStream) -> i32 {
    let bytes = read_frame(stream).unwrap();
    i32::from_be_bytes(bytes[4..8].try_into().unwrap())
}

fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 16]) {
        Ok(len) => len == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

fn answers_nothing_for(stream: &mut TcpStream, span: Duration) -> bool {
    stream.set_read_timeout(Some(span)).unwrap();
    let silent = matches!(stream.read(&mut [0; 1]), Err(error) if matches!(error.kind(), ErrorKind::WouldBlock));
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    silent
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let mock = start(1);
    let mut stream = connect(&mock, 1);
    let all: Vec<u8> = (0..5000).flat_map(api_versions).collect();
    let mut writer = stream.try_clone().unwrap();
    let written = std::thread::spawn(move || writer.write_all(&all));
    for expected in 0..5000 {
        assert_eq!(read_correlation_id(&mut stream), expected);
    }
    written.join().unwrap().unwrap();
}

#[test]
fn more_requests_than_may_wait_are_served_in_turns() {
    let mock = start(1);
    mock.broker_set_latency(1, 20);
    let mut stream = connect(&mock, 1);
    let mut writer = stream.try_clone().unwrap();
    let all: Vec<u8> = (0..10_000).flat_map(api_versions).collect();
    let written = std::thread::spawn(move || {
        writer.write_all(&all).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    for expected in 0..10_000 {
        assert_eq!(read_correlation_id(&mut stream), expected);
    }
    assert!(is_closed(&mut stream));
    written.join().unwrap();
}

#[test]
fn requests_may_come_byte_by_byte() {
    let mock = start(1);
    let mut stream = connect(&mock, 1);
    stream.set_nodelay(true).unwrap();
    for byte in api_versions(9) {
        stream.write_all(&[byte]).unwrap();
    }
    let (correlation_id, answered): (i32, ApiVersionsResponse) = response(&read_frame(&mut stream).unwrap(), 0);
    assert_eq!((correlation_id, answered.error_code), (9, 0));
}

#[test]
fn a_late_answer_keeps_later_ones_behind_it() {
    let mock = start(1);
    mock.topic_create("t", 1, 1).unwrap();
    let mut stream = connect(&mock, 1);
    let fetch = crate::mock::tests::fetch_request("t", 0, 0).with_max_wait_ms(40).with_min_bytes(1);
    let mut bytes = framed(&request::<FetchRequest>(api_key::FETCH, 12, 1, &fetch));
    bytes.extend(api_versions(2));
    let begin = Instant::now();
    stream.write_all(&bytes).unwrap();
    assert_eq!(read_correlation_id(&mut stream), 1);
    assert!(begin.elapsed() >= Duration::from_millis(40));
    assert_eq!(read_correlation_id(&mut stream), 2);
}

#[test]
fn an_early_answer_does_not_wait_for_a_late_one_behind_it() {
    let mock = start(1);
    mock.topic_create("t", 1, 1).unwrap();
    mock.broker_set_latency(1, 20);
    let mut stream = connect(&mock, 1);
    let fetch = crate::mock::tests::fetch_request("t", 0, 0).with_max_wait_ms(30_000).with_min_bytes(1);
    let mut bytes = api_versions(1);
    bytes.extend(framed(&request::<FetchRequest>(api_key::FETCH, 12, 2, &fetch)));
    let begin = Instant::now();
    stream.write_all(&bytes).unwrap();
    assert_eq!(read_correlation_id(&mut stream), 1);
    let elapsed = begin.elapsed();
    assert!(elapsed >= Duration::from_millis(20) && elapsed < PATIENCE, "{elapsed:?}");
}

#[test]
fn latency_delays_each_answer_and_does_not_add_up() {
    let mock = start(1);
    mock.broker_set_latency(1, 100);
    let mut stream = connect(&mock, 1);
    let begin = Instant::now();
    stream.write_all(&(0..200).flat_map(api_versions).collect::<Vec<u8>>()).unwrap();
    (0..200).for_each(|expected| assert_eq!(read_correlation_id(&mut stream), expected));
    let elapsed = begin.elapsed();
    assert!(elapsed >= Duration::from_millis(100) && elapsed < PATIENCE, "{elapsed:?}");
}

#[test]
fn a_broker_that_is_down_refuses_and_comes_back_on_its_port() {
    let mock = start(2);
    let mut first = connect(&mock, 1);
    let mut second = connect(&mock, 2);
    first.write_all(&api_versions(1)).unwrap();
    read_correlation_id(&mut first);
    for round in 0..3 {
        mock.broker_down(1);
        assert!(is_closed(&mut first));
        let refused = TcpStream::connect(address_of(&mock, 1)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        second.write_all(&api_versions(round)).unwrap();
        assert_eq!(read_correlation_id(&mut second), round);
        mock.broker_up(1).unwrap();
        first = connect(&mock, 1);
        first.write_all(&api_versions(round)).unwrap();
        assert_eq!(read_correlation_id(&mut first), round);
    }
}

#[test]
fn down_and_up_at_once_still_closes_the_connections() {
    let mock = start(1);
    let mut stream = connect(&mock, 1);
    stream.write_all(&api_versions(1)).unwrap();
    read_correlation_id(&mut stream);
    mock.with(|cluster| {
        cluster.broker_down(1);
        cluster.broker_up(1);
    });
    assert!(is_closed(&mut stream));
    connect(&mock, 1);
}

#[test]
fn a_frozen_broker_stays_silent_and_catches_up() {
    let mock = start(1);
    let mut stream = connect(&mock, 1);
    stream.write_all(&api_versions(1)).unwrap();
    read_correlation_id(&mut stream);
    mock.broker_freeze(1);
    stream.write_all(&api_versions(2)).unwrap();
    let mut late = connect(&mock, 1);
    late.write_all(&api_versions(3)).unwrap();
    assert!(answers_nothing_for(&mut stream, Duration::from_millis(100)));
    assert!(answers_nothing_for(&mut late, Duration::from_millis(20)));
    mock.broker_thaw(1);
    assert_eq!(read_correlation_id(&mut stream), 2);
    assert_eq!(read_correlation_id(&mut late), 3);
}

#[test]
fn an_answer_that_comes_due_while_frozen_leaves_at_the_thaw() {
    let mock = start(1);
    mock.broker_set_latency(1, 500);
    let mut stream = connect(&mock, 1);
    stream.write_all(&api_versions(1)).unwrap();
    while mock.with(|cluster| cluster.stats().requests(api_key::API_VERSIONS)) == 0 {
        std::thread::yield_now();
    }
    mock.broker_freeze(1);
    assert!(answers_nothing_for(&mut stream, Duration::from_millis(600)));
    mock.broker_thaw(1);
    assert_eq!(read_correlation_id(&mut stream), 1);
}

#[test]
fn garbage_and_impossible_lengths_close_the_connection() {
    let mock = start(1);
    let http = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let cases: [&[u8]; 5] = [
        http,
        &[0xff, 0xff, 0xff, 0xff],
        &((100u32 << 20) + 1).to_be_bytes(),
        &[0, 0, 0, 0],
        &[0, 0, 0, 4, 0xde, 0xad, 0xbe, 0xef],
    ];
    for bytes in cases {
        let mut stream = connect(&mock, 1);
        stream.write_all(bytes).unwrap();
        assert!(is_closed(&mut stream), "{bytes:?}");
    }
    let mut stream = connect(&mock, 1);
    stream.write_all(&api_versions(1)).unwrap();
    assert_eq!(read_correlation_id(&mut stream), 1);
}

#[test]
fn a_frame_cut_short_is_dropped_with_its_connection() {
    let mock = start(1);
    let mut stream = connect(&mock, 1);
    let bytes = [api_versions(1), api_versions(2)].concat();
    stream.write_all(&bytes[..bytes.len() - 1]).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_correlation_id(&mut stream), 1);
    assert!(is_closed(&mut stream));
    assert_eq!(mock.with(|cluster| cluster.stats().requests(api_key::API_VERSIONS)), 1);
}

#[test]
fn a_half_closed_connection_still_gets_its_late_answers() {
    let mock = start(1);
    mock.broker_set_latency(1, 50);
    let mut stream = connect(&mock, 1);
    stream.write_all(&api_versions(1)).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_correlation_id(&mut stream), 1);
    assert!(is_closed(&mut stream));
}

#[test]
fn a_pushed_disconnect_comes_after_the_earlier_answers() {
    let mock = start(1);
    mock.push_disconnect(api_key::METADATA, false, 1);
    let mut stream = connect(&mock, 1);
    let mut bytes = api_versions(1);
    bytes.extend(framed(&request(api_key::METADATA, 9, 2, &MetadataRequest::default())));
    bytes.extend(api_versions(3));
    stream.write_all(&bytes).unwrap();
    assert_eq!(read_correlation_id(&mut stream), 1);
    assert!(is_closed(&mut stream));
}

#[test]
fn large_requests_and_answers_pass() {
    let mock = start(1);
    mock.topic_create("t", 1, 1).unwrap();
    mock.set_message_max_bytes(64 << 20);
    let value = "x".repeat(20 << 20);
    let body = produce_request(1, &[("t", 0, &batch(&[&value]))]);
    let mut stream = connect(&mock, 1);
    for round in 0..2 {
        stream.write_all(&framed(&request(api_key::PRODUCE, 9, round, &body))).unwrap();
        let (_, answered): (i32, ProduceResponse) = response(&read_frame(&mut stream).unwrap(), 9);
        assert_eq!(answered.responses[0].partition_responses[0].base_offset, i64::from(round));
    }
    assert_eq!(mock.records("t", 0).unwrap()[1].value.as_deref(), Some(value.as_bytes()));
    let fetch = crate::mock::tests::fetch_request("t", 0, 0);
    stream.write_all(&framed(&request(api_key::FETCH, 12, 5, &fetch))).unwrap();
    assert!(read_frame(&mut stream).unwrap().len() > 40 << 20);
}

#[test]
fn acks_zero_gets_no_answer() {
    let mock = start(1);
    mock.topic_create("t", 1, 1).unwrap();
    let mut stream = connect(&mock, 1);
    let body = produce_request(0, &[("t", 0, &batch(&["v"]))]);
    stream.write_all(&framed(&request(api_key::PRODUCE, 9, 1, &body))).unwrap();
    stream.write_all(&api_versions(2)).unwrap();
    assert_eq!(read_correlation_id(&mut stream), 2);
    assert_eq!(mock.end_offset("t", 0), Some(1));
}

#[test]
fn dropping_the_cluster_closes_everything() {
    let mock = start(3);
    let mut stream = connect(&mock, 2);
    let address = address_of(&mock, 2);
    drop(mock);
    assert!(is_closed(&mut stream));
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn time_passes_between_the_requests() {
    let mock = start(1);
    let first = mock.with(|cluster| cluster.now);
    let begin = Instant::now();
    while mock.with(|cluster| cluster.now) == first {
        assert!(begin.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    assert!(mock.with(|cluster| cluster.wall_ms) > 1_600_000_000_000);
}
