import Kernels

extension Loops {
  package static func gru(
    in streams: StreamBlocks, input: Int, hidden: Int, state: Int, units: Int
  ) {
    for stream in 0..<streams.count {
      let block = streams.blocks[stream]
      let (a, g, h) = (block + input, block + hidden, block + state)
      // Gates first, candidates then: of the long chain from a sum through both the processor sees
      // too few at a time to fill the waits. What is kept takes the places of r, whose end may reach
      // into z's beginning: that has been read by then.
      var i = 0
      while i < units {
        let z = i &+ units
        let n = z &+ units
        let reset = Exponential.gate(Lanes8(Input(a + i)) + Lanes8(Input(g + i)))
        let update = Exponential.gate(Lanes8(Input(a + z)) + Lanes8(Input(g + z)))
        let sum = Lanes8.fma(reset, Lanes8(Input(g + n)), Lanes8(Input(a + n)))
        update.store(a + i)
        sum.store(g + i)
        i &+= 8
      }
      i = 0
      while i < units {
        let update = Lanes8(Input(a + i))
        let candidate = HyperbolicTangent.value(Lanes8(Input(g + i)))
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
        Lanes8.fma(forget, Lanes8(Input(c + i)), input * candidate).store(c + i)
        i &+= 8
      }
      // By themselves, for the reason that a GRU's candidates are.
      i = 0
      while i < units {
        let output = Exponential.gate(Lanes8(a + (i &+ 3 &* units)))
        (output * HyperbolicTangent.value(Lanes8(Input(c + i)))).store(h + i)
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
