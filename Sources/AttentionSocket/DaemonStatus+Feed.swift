import Synchronization

extension DaemonStatus.Stream {
  /// What is known of a stream on the event loop.
  ///
  /// - Parameters:
  ///   - feed: The stream.
  ///   - now: Seconds since boot.
  ///   - subscribers: Connections that subscribed to it.
  init(_ feed: StreamFeed, now: Double, subscribers: Int) {
    let publisher = feed.publisher
    let level = Float(bitPattern: publisher.newestLevel.load(ordering: .relaxed))
    let began = Double(bitPattern: publisher.newestBegan.load(ordering: .relaxed))
    let clipping = Double(bitPattern: publisher.clipping.load(ordering: .relaxed))
    let latency = DurationHistogram.summary(of: [publisher.latencies])
    self.init(
      name: feed.status.stream, state: feed.status.state, epoch: feed.status.epoch,
      sample: feed.position, index: publisher.newestIndex.load(ordering: .relaxed), lag: feed.lag,
      level: level.isFinite ? max(level, -120) : -120, detections: feed.detections,
      discontinuities: feed.discontinuities, lostSamples: feed.lostSamples,
      reconnects: feed.reconnects, reason: feed.status.reason, text: feed.status.text,
      idle: began.isFinite ? max(0, now - began) : nil,
      clipping: clipping.isFinite ? clipping : nil, interruptions: feed.interruptions,
      latency: latency.count > 0
        ? DaemonStatus.Latency(
          count: latency.count, p50: latency.p50 / 1e6, p99: latency.p99 / 1e6,
          p999: latency.p999 / 1e6, max: latency.max / 1e6) : nil,
      subscribers: subscribers, warnings: feed.heldWarnings,
      ownVoice: publisher.ownVoices)
  }
}
