/// Messages that belong together and wait for the broker: the newest are kept when it stays away.
///
/// A parcel is what one detection becomes. It leaves when the broker has acknowledged its last message;
/// when the connection is lost before, what was not acknowledged is sent again, and nothing else.
package struct MQTTOutbox {
  /// Parcels that wait at most: a quiet day's detections, or a broker's restart on a busy one.
  package static let capacity = 100
  /// Parcels under way at once.
  ///
  /// Together they stay below the twenty messages that libmosquitto sends without an
  /// acknowledgement, so that it never has a queue of its own.
  package static let mostUnderWay = 8

  /// A message's place, for its acknowledgement.
  package struct Ticket: Hashable, Sendable {
    fileprivate let parcel: Int
    fileprivate let message: Int
  }

  private struct Parcel {
    let number: Int
    /// Messages that the broker hasn't acknowledged, by their place in the parcel.
    var missing: [(place: Int, message: MQTTMessage)]
    var isUnderWay = false
  }

  private var parcels: [Parcel] = []
  private var packed = 0
  /// Parcels that were thrown away for newer ones.
  package private(set) var dropped = 0

  package init() {}

  /// Parcels that are not yet with the broker.
  package var count: Int { parcels.count }

  package var isEmpty: Bool { parcels.isEmpty }

  /// Adds a parcel; the oldest that isn't under way goes when there are too many.
  package mutating func append(_ messages: [MQTTMessage]) {
    packed += 1
    parcels.append(
      Parcel(number: packed, missing: messages.enumerated().map { ($0.offset, $0.element) }))
    guard parcels.count > Self.capacity, let oldest = parcels.firstIndex(where: { !$0.isUnderWay })
    else { return }
    parcels.remove(at: oldest)
    dropped += 1
  }

  /// The next parcel's messages, which are under way from now on; nil when there is none to send.
  package mutating func next() -> [(ticket: Ticket, message: MQTTMessage)]? {
    guard parcels.count(where: \.isUnderWay) < Self.mostUnderWay,
      let index = parcels.firstIndex(where: { !$0.isUnderWay })
    else { return nil }
    parcels[index].isUnderWay = true
    let parcel = parcels[index]
    return parcel.missing.map { (Ticket(parcel: parcel.number, message: $0.place), $0.message) }
  }

  /// The broker has a message.
  package mutating func acknowledge(_ ticket: Ticket) {
    guard let index = parcels.firstIndex(where: { $0.number == ticket.parcel }) else { return }
    parcels[index].missing.removeAll { $0.place == ticket.message }
    if parcels[index].missing.isEmpty { parcels.remove(at: index) }
  }

  /// The connection is gone: what was under way waits again, in its old order.
  package mutating func connectionLost() {
    for index in parcels.indices { parcels[index].isUnderWay = false }
  }
}
