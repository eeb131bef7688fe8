//! A private Redis, for lists that are queues.

use std::net::SocketAddr;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::eventually;
use crate::process::{self, Daemon, Signal};

/// A running `redis-server` that keeps nothing; dropped with the value.
#[derive(Debug)]
pub struct Redis {
    // Before `dir`: the server must end before its folder goes.
    daemon: Option<Daemon>,
    port: u16,
    dir: TempDir,
}

impl Redis {
    /// Starts it.
    pub async fn start() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("prewarm-redis-")
            .tempdir()
            .expect("temporary directory");
        let mut redis = Self { daemon: None, port: process::free_port(), dir };
        redis.restart().await;
        redis
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Ends it: connections are refused, and what it held is gone.
    pub fn stop(&mut self) {
        self.daemon = None;
    }

    /// Starts it again where it was, empty.
    pub async fn restart(&mut self) {
        let program = process::program("redis-server", &[], "redis-server");
        let mut command = process::bound_to_us(&program, None, "KILL");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.arg("--port").arg(self.port.to_string()).current_dir(self.dir.path());
        let log = self.dir.path().join("log");
        self.daemon = Some(Daemon::spawn("redis-server", command, &log, Signal::TERM));
        let address = self.address();
        eventually(Duration::from_secs(10), "Redis answers", || async move {
            TcpStream::connect(address).await.ok().map(drop)
        })
        .await;
    }

    /// Makes a list this long; nobody sees it in between.
    pub async fn set_length(&self, list: &str, length: usize) {
        let script = "redis.call('DEL', KEYS[1]) \
                      for i = 1, tonumber(ARGV[1]) do redis.call('RPUSH', KEYS[1], 'job') end \
                      return 1";
        self.command(&["EVAL", script, "1", list, &length.to_string()]).await;
    }

    /// Sends a command, whose answer must be an integer or a status.
    async fn command(&self, words: &[&str]) {
        let mut text = format!("*{}\r\n", words.len());
        for word in words {
            text += &format!("${}\r\n{word}\r\n", word.len());
        }
        let mut stream = TcpStream::connect(self.address()).await.expect("Redis is there");
        stream.write_all(text.as_bytes()).await.expect("sent");
        let mut answer = [0; 64];
        let length = stream.read(&mut answer).await.expect("an answer");
        assert!(
            matches!(answer[0], b':' | b'+') && length > 2,
            "{words:?}: {:?}",
            &answer[..length]
        );
    }
}
