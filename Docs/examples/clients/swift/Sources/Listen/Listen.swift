import AttentionSocket

/// Prints the keywords that attnd hears.
@main
struct Listen {
  static func main() async throws {
    guard CommandLine.arguments.count == 2, let address = SocketAddress(CommandLine.arguments[1])
    else { fatalError("usage: Listen PATH | tcp://HOST:PORT") }
    try await AttentionClient.withConnection(to: address) { client in
      try await client.subscribe(SubscriptionRequest(events: [.detection]))
      while let event = try await client.next() {
        guard case .detection(let detection) = event else { continue }
        print("\(detection.time) s  \(detection.name)  \(detection.score)")
      }
    }
  }
}
