import AttentionSocket
import Testing

@Suite("An address")
struct SocketAddressTests {
  @Test(
    "is a path, or a URI of one of three schemes",
    arguments: [
      ("attnd.sock", SocketAddress.unix(path: "attnd.sock")),
      ("/run/attnd/attnd.sock", .unix(path: "/run/attnd/attnd.sock")),
      ("unix:///run/a b,c.sock", .unix(path: "/run/a b,c.sock")),
      ("/tmp/a:b", .unix(path: "/tmp/a:b")),
      ("tcp://localhost:10400", .tcp(host: "localhost", port: 10_400)),
      ("tcp://127.0.0.1:1", .tcp(host: "127.0.0.1", port: 1)),
      ("tcp://[::1]:65535", .tcp(host: "::1", port: 65_535)),
      ("tcp://0.0.0.0:10400", .tcp(host: "0.0.0.0", port: 10_400)),
      ("stdio://", .standardStreams),
    ])
  func parses(text: String, address: SocketAddress) {
    #expect(SocketAddress(text) == address)
    #expect(SocketAddress(address.description) == address, "\(address) reads back as itself")
  }

  @Test(
    "that can't be is refused",
    arguments: [
      "", "unix://", "tcp://", "tcp://host", "tcp://host:", "tcp://:10400", "tcp://host:0",
      "tcp://host:65536", "tcp://host:+1", "tcp://host:١", "tcp://::1:10400", "tcp://[::1]10400",
      "tcp://a/b:1", "tcp://me@host:1", "stdio://x", "udp://host:1", "http://host:80",
      "/tmp/nul\0l", String(repeating: "x", count: 108),
    ])
  func refuses(text: String) {
    #expect(SocketAddress(text) == nil)
  }

  @Test("of 107 bytes is taken")
  func longestPath() {
    #expect(SocketAddress(String(repeating: "x", count: 107)) != nil)
  }

  @Test("tells whether only this machine can reach it")
  func reach() {
    for local in ["/tmp/a", "stdio://", "tcp://localhost:1", "tcp://127.9.0.1:1", "tcp://[::1]:1"] {
      #expect(SocketAddress(local)?.isLocal == true, "\(local)")
    }
    for open in ["tcp://0.0.0.0:1", "tcp://192.0.2.7:1", "tcp://[::]:1", "tcp://127.example.org:1"]
    {
      #expect(SocketAddress(open)?.isLocal == false, "\(open)")
    }
    #expect(SocketAddress("tcp://0.0.0.0:1")?.isWildcard == true)
    #expect(SocketAddress("tcp://[::]:1")?.isWildcard == true)
    #expect(SocketAddress("tcp://192.0.2.7:1")?.isWildcard == false)
  }
}
