import JSONText
import NIOCore

extension JSONWriter {
  mutating func field(_ name: String, _ id: RequestID?) {
    switch id {
    case nil: break
    case .number(let number): field(name, number)
    case .name(let text): field(name, text)
    }
  }

  /// A field that is `null` where there is no value.
  mutating func nullable(_ name: String, _ value: Double?) {
    self.name(name)
    if let value { self.value(value) } else { null() }
  }

  mutating func nullable(_ name: String, _ value: Int?) {
    self.name(name)
    if let value { self.value(value) } else { null() }
  }

  mutating func field(_ name: String, _ focus: Focus) {
    field(
      name,
      object: { json in
        json.field("expected", focus.expected)
        json.field("spread", focus.spread)
        json.field("peak", focus.peak)
      })
  }
}

extension Hello {
  func encoded(id: RequestID?) -> ByteBuffer {
    EventEncoder.encode("hello") { json in
      json.field("protocol", protocolVersion)
      json.field("program", program)
      json.field("version", version)
      json.field("run", run)
      json.field("model", object: model.write)
      json.name("streams")
      json.array { json in
        for stream in streams { json.object { stream.write(to: &$0) } }
      }
      json.name("keywords")
      json.array { json in
        for keyword in keywords {
          json.object { json in
            json.field("name", keyword.name)
            json.field("phrase", keyword.phrase)
            json.field("threshold", keyword.threshold)
          }
        }
      }
      json.field("features", features)
      json.field("permissions", object: { $0.field("control", mayControl) })
      json.name("limits")
      json.object { json in
        for (name, limit) in limits.sorted(by: { $0.key < $1.key }) { json.field(name, limit) }
      }
      json.field("id", id)
    }
  }

}

extension ModelDescription {
  func write(to json: inout JSONWriter) {
    json.field("name", name)
    json.field("digest", digest)
    json.field("score", score)
    json.field("heads", heads)
  }
}

extension Hello.Stream {
  fileprivate func write(to json: inout JSONWriter) {
    json.field("name", description.name)
    json.field("kind", description.kind.rawValue)
    json.field("rate", description.rate)
    json.field("hop", description.hop)
    json.field("window", description.window)
    json.field("bins", description.bins)
    json.field("epoch", epoch)
    json.field("state", state.rawValue)
  }
}

extension SubscribeReply {
  func encoded(id: RequestID?) -> ByteBuffer {
    EventEncoder.encode("subscribe-reply") { json in
      json.field("id", id)
      json.field("events", events.map(\.rawValue))
      json.field("streams", streams)
      json.field("every", every)
      json.field("weights", weights.rawValue)
      json.field("spectrum", spectrum.rawValue)
      json.field("replayed", replayed)
      json.field("missed", missed)
    }
  }
}

extension StreamStatus {
  func encoded() -> ByteBuffer {
    EventEncoder.encode("state") { json in
      json.field("stream", stream)
      json.field("state", state.rawValue)
      json.field("reason", reason.rawValue)
      json.field("text", text)
      json.field("epoch", epoch)
      json.field("sample", sample)
      json.field("since", since)
      if let attempt { json.field("attempt", attempt) }
      if let inhibitedUntil {
        json.field("inhibited_until", inhibitedUntil)
        json.field("inhibited", inhibited)
      }
    }
  }
}

extension Detection {
  /// As the wire has it.
  ///
  /// - Parameter context: The client's, of its `detect`.
  /// - Returns: The whole event.
  func encoded(context: JSON? = nil) -> ByteBuffer {
    EventEncoder.encode("detection") { json in
      json.field("seq", seq)
      json.field("stream", stream)
      json.field("epoch", epoch)
      json.field("name", name)
      json.field("score", score)
      json.field("threshold", threshold)
      json.field("sample", sample)
      json.field("time", time)
      json.field("start_sample", startSample)
      json.field("start", start)
      json.field("end_sample", endSample)
      json.field("end", end)
      json.nullable("captured", captured)
      json.field("timestamp", timestamp)
      if replayed { json.field("replayed", true) }
      if let context {
        json.name("context")
        json.value(context)
      }
    }
  }
}

extension DroppedFrames {
  func encoded() -> ByteBuffer {
    EventEncoder.encode("dropped") { json in
      json.field("stream", stream)
      json.field("epoch", epoch)
      json.field("event", "attention")
      json.field("count", count)
      json.field("from_index", fromIndex)
      json.field("to_index", toIndex)
      json.field("total", total)
    }
  }
}

extension Discontinuity {
  func encoded() -> ByteBuffer {
    EventEncoder.encode("discontinuity") { json in
      json.field("stream", stream)
      json.field("epoch", epoch)
      json.field("sample", sample)
      json.field("lost_samples", lostSamples)
      json.field("exact", isExact)
      json.field("reason", reason.rawValue)
      json.field("reset", isReset)
    }
  }
}

extension Warning {
  func encoded() -> ByteBuffer {
    EventEncoder.encode("warning") { json in
      json.field("code", code.rawValue)
      json.field("text", text)
      if let stream { json.field("stream", stream) }
      json.field("count", count)
      if let lag { json.field("lag", lag) }
    }
  }
}

extension ErrorReply {
  func encoded() -> ByteBuffer {
    EventEncoder.encode("error") { json in
      json.field("text", text)
      json.field("code", code.rawValue)
      json.field("fatal", isFatal)
      json.field("id", id)
      if let verb { json.field("verb", verb) }
      if let field { json.field("field", field) }
    }
  }
}

extension Bye {
  func encoded() -> ByteBuffer {
    EventEncoder.encode("bye") { json in
      json.field("reason", reason.rawValue)
      json.field("text", text)
    }
  }
}
