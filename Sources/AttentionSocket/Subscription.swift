/// What a connection has asked for, checked once.
package struct Subscription: Sendable {
  package var events: Set<SubscribableEvent>
  /// Indices of streams, ascending: the daemon's, and after them the connection's own.
  package var streams: [Int]
  package var every: Int
  package var weights: BulkForm
  package var spectrum: BulkForm
  /// The last detection that the client has seen.
  package var since: DetectionNumber?

  /// Reads the fields of a `subscribe`.
  package init(_ fields: Fields, streams known: [StreamDescription], heads: Int) throws(Refusal) {
    do {
      events = try Self.events(fields)
      every = try fields.optionalInteger("every", in: 1...100_000) ?? 1
      weights = try Self.form("weights", fields)
      spectrum = try Self.form("spectrum", fields)
      since = nil
      if let since = try fields.optionalObject("since") {
        self.since = DetectionNumber(run: try since.string("run"), seq: try since.integer("seq"))
      }
      streams = []
    } catch {
      throw Refusal(error, verb: "subscribe")
    }
    streams = try Self.streams(fields, known)
    try checkSizes(known, heads: heads)
  }

  private static func events(_ fields: Fields) throws(FieldError) -> Set<SubscribableEvent> {
    guard let names = try fields.optionalStrings("events") else {
      return Set(SubscribableEvent.allCases).subtracting([.attention])
    }
    var events: Set<SubscribableEvent> = []
    for name in names {
      guard let event = SubscribableEvent(rawValue: name) else {
        let known = SubscribableEvent.allCases.map(\.rawValue).joined(separator: ", ")
        throw fields.wrong("events", "a list of \(known), not '\(name.prefix(64))'")
      }
      events.insert(event)
    }
    return events
  }

  private static func form(_ name: String, _ fields: Fields) throws(FieldError) -> BulkForm {
    guard let text = try fields.optionalString(name) else { return .none }
    guard let form = BulkForm(rawValue: text) else {
      throw fields.wrong(name, "none, json or float32, not '\(text.prefix(64))'")
    }
    return form
  }

  private static func streams(
    _ fields: Fields, _ known: [StreamDescription]
  ) throws(Refusal) -> [Int] {
    let names: [String]
    do {
      names = try fields.optionalStrings("streams") ?? ["*"]
    } catch {
      throw Refusal(error, verb: "subscribe")
    }
    var chosen: Set<Int> = []
    for name in names {
      if name == "*" {
        chosen.formUnion(known.indices.filter { known[$0].kind != .client })
      } else if let index = known.firstIndex(where: { $0.name == name }) {
        chosen.insert(index)
      } else {
        throw Refusal.unknownStream(name, verb: "subscribe", known: known)
      }
    }
    return chosen.sorted()
  }

  /// Refuses weights whose frames a client needn't accept (protocol, section 1.3).
  private func checkSizes(_ known: [StreamDescription], heads: Int) throws(Refusal) {
    // The longest shortest decimal of a Float32 between 0 and 1 with its comma: 1.17549435e-38,
    let textBytes = 15
    let limits = EventLimits.fromServer
    for stream in streams.map({ known[$0] }) {
      let weightCount = heads * stream.window
      let inText = (weights == .json ? weightCount : 0) + (spectrum == .json ? stream.bins : 0)
      // 64 KiB are left for the other fields.
      guard inText * textBytes <= limits.data - (64 << 10) else {
        throw Refusal(
          code: .notAvailable,
          text: "subscribe: \(inText) values a frame of stream \(stream.name) are too many"
            + " for json; ask for float32", field: weights == .json ? "weights" : "spectrum")
      }
      let inPayload =
        (weights == .float32 ? weightCount : 0) + (spectrum == .float32 ? stream.bins : 0)
      guard inPayload * 4 <= limits.payload else {
        throw Refusal(
          code: .notAvailable,
          text: "subscribe: \(inPayload) values a frame of stream \(stream.name) don't fit"
            + " a payload of \(limits.payload) bytes", field: "weights")
      }
    }
  }
}
