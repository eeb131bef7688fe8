//! A name server that knows two addresses: what a headless Service of two pods is to KEDA's gRPC
//! client.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::UdpSocket;

/// The pods' addresses.
pub(crate) const PODS: [Ipv4Addr; 2] = [Ipv4Addr::new(127, 0, 0, 1), Ipv4Addr::new(127, 0, 0, 2)];

/// Answers every question for an IPv4 address with both of them, as long as this process lives (RFC
/// 1035 §4.1).
pub(crate) async fn serve() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("bind");
    let address = socket.local_addr().expect("an address");
    tokio::spawn(async move {
        let mut packet = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut packet).await {
            if let Some(answer) = answer(&packet[..length]) {
                let _ = socket.send_to(&answer, from).await;
            }
        }
    });
    address
}

fn answer(query: &[u8]) -> Option<Vec<u8>> {
    // The question follows the header of 12 bytes: labels up to an empty one, type, class.
    let mut end = 12;
    while *query.get(end)? != 0 {
        end += usize::from(*query.get(end)?) + 1;
    }
    let question = query.get(12..end + 5)?;
    let asks_a = question.get(question.len() - 4..question.len() - 2)? == [0, 1];
    let records: &[Ipv4Addr] = if asks_a { &PODS } else { &[] };
    let mut packet = query.get(..2)?.to_vec();
    // Response, recursion available; one question, so many answers.
    packet.extend([0x81, 0x80, 0, 1, 0, records.len() as u8, 0, 0, 0, 0]);
    packet.extend(question);
    for address in records {
        // The name of the question, type A, class IN, five seconds, four bytes.
        packet.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4]);
        packet.extend(address.octets());
    }
    Some(packet)
}
