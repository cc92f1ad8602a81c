import AttentionSocket
import JSONText

extension WireEvent {
  /// The event as a line of JSON: its type, then its fields as they were written.
  var line: [UInt8] {
    var json = JSONWriter()
    json.object { json in
      json.field("type", type)
      for member in members where member.name != "type" {
        json.name(member.name)
        json.value(member.value)
      }
    }
    return json.bytes + [0x0A]
  }
}
