import Kernels

extension Loops {
  package static func gru(
    in streams: StreamBlocks, input: Int, hidden: Int, state: Int, units: Int
  ) {
    for stream in 0..<streams.count {
      let block = streams.blocks[stream]
      let (a, g, h) = (Input(block + input), Input(block + hidden), block + state)
      var i = 0
      while i < units {
        let (r, z) = (i, i &+ units)
        let n = z &+ units
        let reset = Exponential.gate(Lanes8(a + r) + Lanes8(g + r))
        let update = Exponential.gate(Lanes8(a + z) + Lanes8(g + z))
        let candidate = HyperbolicTangent.value(
          Lanes8.fma(reset, Lanes8(g + n), Lanes8(a + n)))
        Lanes8.fma(
          Lanes8(repeating: 1) - update, candidate, update * Lanes8(Input(h + i))
        ).store(h + i)
        i &+= 8
      }
    }
  }

  package static func lstm(in streams: StreamBlocks, sums: Int, cell: Int, state: Int, units: Int) {
    for stream in 0..<streams.count {
      let block = streams.blocks[stream]
      let (a, c, h) = (Input(block + sums), block + cell, block + state)
      var i = 0
      while i < units {
        let input = Exponential.gate(Lanes8(a + i))
        let forget = Exponential.gate(Lanes8(a + (i &+ units)))
        let candidate = HyperbolicTangent.value(Lanes8(a + (i &+ 2 &* units)))
        let output = Exponential.gate(Lanes8(a + (i &+ 3 &* units)))
        let next = Lanes8.fma(forget, Lanes8(Input(c + i)), input * candidate)
        next.store(c + i)
        (output * HyperbolicTangent.value(next)).store(h + i)
        i &+= 8
      }
    }
  }

  package static func tanh(in streams: StreamBlocks, from x: Int, to y: Int, count: Int) {
    elementwise(streams, from: x, to: y, count: count) { HyperbolicTangent.value($0) }
  }

  package static func rectify(in streams: StreamBlocks, from x: Int, to y: Int, count: Int) {
    let bound = Lanes8(repeating: 0x1p50)
    elementwise(streams, from: x, to: y, count: count) { x in
      let positive = Lanes8.maximum(x, Lanes8(repeating: 0))
      return Lanes8.select(positive, lessThan: bound, positive, else: bound)
    }
  }

  @inline(__always)
  private static func elementwise(
    _ streams: StreamBlocks, from x: Int, to y: Int, count: Int, _ body: (Lanes8) -> Lanes8
  ) {
    for stream in 0..<streams.count {
      let block = streams.blocks[stream]
      var i = 0
      while i < count {
        body(Lanes8(Input(block + (x &+ i)))).store(block + (y &+ i))
        i &+= 8
      }
    }
  }

  package static func convolveDepthwise(
    _ w: UnsafePointer<Float>, taps: Int, in streams: StreamBlocks, from x: Int, to y: Int,
    channels: Int
  ) {
    for stream in 0..<streams.count {
      let (rows, sums) = (streams.blocks[stream] + x, streams.blocks[stream] + y)
      var channel = 0
      while channel &+ 8 <= channels {
        var sum = Lanes8(repeating: 0)
        for tap in 0..<taps {
          let at = tap &* channels &+ channel
          sum = Lanes8.fma(Lanes8(w + at), Lanes8(Input(rows + at)), sum)
        }
        sum.store(sums + channel)
        channel &+= 8
      }
      while channel < channels {
        var sum: Float = 0
        for tap in 0..<taps {
          let at = tap &* channels &+ channel
          sum = fused(w[at], rows[at], sum)
        }
        sums[channel] = sum
        channel &+= 1
      }
    }
  }
}
