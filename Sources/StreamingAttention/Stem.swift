import KernelDispatch
import Kernels

/// A causal convolution over rows, one layer of the stem.
///
/// Keeps the last `kernel` rows of each stream, zeros before the first. Immutable but for those.
struct ConvolutionLayer: Sendable {
  private let shape: Architecture.Convolution
  private let inputs: Int
  /// `separable` only: the weights of each channel by itself, [kernel][inputs].
  private let depthwise: SharedFloats?
  /// What mixes the channels: all taps at once, or what `depthwise` left.
  private let matrix: PackedMatrix
  /// Where the last rows lie, [kernel][inputs], oldest first.
  private let rows: Int
  private let filtered: Int
  private let sums: Int
  /// Where the output lies, `channels` long.
  let output: Int

  /// Packs the weights and finds places.
  ///
  /// - Parameters:
  ///   - shape: The layer's choices.
  ///   - inputs: Length of the rows that come in.
  ///   - tensors: PyTorch's weights: `weight` [channels, inputs, kernel]; or `depthwise`
  ///     [inputs, 1, kernel] and `weight` [channels, inputs, 1].
  ///   - plan: Where rows and sums get their places.
  init(
    _ shape: Architecture.Convolution, inputs: Int,
    tensors: (depthwise: [Float], weight: [Float], bias: [Float]), plan: inout MemoryPlan
  ) {
    self.shape = shape
    self.inputs = inputs
    let kernel = shape.kernel
    rows = plan.place(kernel * inputs)
    switch shape.kind {
    case .full:
      depthwise = nil
      filtered = rows
      // PyTorch's last axis is time; rows lie one after the other here.
      var weight = [Float](repeating: 0, count: tensors.weight.count)
      for channel in 0..<shape.channels {
        for input in 0..<inputs {
          for tap in 0..<kernel {
            weight[(channel * kernel + tap) * inputs + input] =
              tensors.weight[(channel * inputs + input) * kernel + tap]
          }
        }
      }
      matrix = PackedMatrix(
        weight, rows: shape.channels, columns: kernel * inputs, bias: tensors.bias)
    case .separable:
      depthwise = SharedFloats(count: kernel * inputs) { w in
        for input in 0..<inputs {
          for tap in 0..<kernel {
            w[tap * inputs + input] = tensors.depthwise[input * kernel + tap]
          }
        }
      }
      filtered = plan.place(inputs)
      matrix = PackedMatrix(
        tensors.weight, rows: shape.channels, columns: inputs, bias: tensors.bias)
    }
    sums = plan.place(matrix.paddedRows)
    output = plan.place(shape.channels)
  }

  /// Takes in a row of each stream.
  func shift(_ streams: StreamBlocks, from row: Int) {
    shiftRows(streams, at: rows, count: shape.kernel, length: inputs, from: row)
  }

  /// Makes the output of the rows that are there.
  func step(_ streams: StreamBlocks) {
    if let depthwise {
      kernels.convolveDepthwise(
        depthwise.pointer, taps: shape.kernel, in: streams, from: rows, to: filtered,
        channels: inputs)
    }
    matrix.multiply(in: streams, from: filtered, to: sums)
    kernels.rectify(in: streams, from: sums, to: output, count: shape.channels)
  }
}

/// Rows -> x_t: the convolutions of the stem, and the stacking of their rows.
///
/// In: a row. Out: every `rowsPerStep` rows the input of a step. Which rows complete one follows
/// from their number alone.
struct Intake: Sendable {
  private let stem: [ConvolutionLayer]
  private let strides: [Int]
  private let stack: Int
  private let stride: Int
  private let rowLength: Int
  /// Where the newest row lies, `bins` long.
  let row: Int
  /// Where x_t lies.
  let x: Int

  init(_ architecture: Architecture, stem: [ConvolutionLayer], row: Int, plan: inout MemoryPlan) {
    self.stem = stem
    strides = architecture.stem.map(\.stride)
    stack = architecture.stack
    stride = architecture.stride
    rowLength = architecture.stackedRowSize
    self.row = row
    x = plan.place(architecture.inputSize)
  }

  /// Whether the row of a number, from 0, completes a step.
  func completesStep(_ number: Int) -> Bool {
    guard let number = numberInStack(number) else { return false }
    return number + 1 >= stack && (number + 1 - stack) % stride == 0
  }

  /// Rows from one on, itself included, until one completes a step.
  ///
  /// - Parameter number: Of that row, from 0.
  /// - Returns: 1 or more.
  func rowsToStep(from number: Int) -> Int {
    var last = number
    while !completesStep(last) { last += 1 }
    return last - number + 1
  }

  /// What number a row has after the stem; nil if it is between two of the stem's outputs.
  private func numberInStack(_ number: Int) -> Int? {
    var number = number
    for stride in strides {
      guard number % stride == 0 else { return nil }
      number /= stride
    }
    return number
  }

  /// Takes in the newest row of streams for which it completes a step.
  func complete(_ streams: StreamBlocks) {
    var place = row
    for layer in stem {
      layer.shift(streams, from: place)
      layer.step(streams)
      place = layer.output
    }
    push(streams, from: place)
  }

  /// Takes in a row of a stream for which it completes no step.
  ///
  /// - Parameters:
  ///   - streams: The stream.
  ///   - number: Number of the row, from 0.
  func take(_ streams: StreamBlocks, number: Int) {
    var (place, number) = (row, number)
    for (layer, stride) in zip(stem, strides) {
      layer.shift(streams, from: place)
      guard number % stride == 0 else { return }
      layer.step(streams)
      place = layer.output
      number /= stride
    }
    push(streams, from: place)
  }

  private func push(_ streams: StreamBlocks, from place: Int) {
    shiftRows(streams, at: x, count: stack, length: rowLength, from: place)
  }
}

/// Drops the oldest of some rows that lie one after the other, and puts a new one at their end.
private func shiftRows(
  _ streams: StreamBlocks, at rows: Int, count: Int, length: Int, from row: Int
) {
  for stream in 0..<streams.count {
    let block = streams.blocks[stream]
    let first = block + rows
    let kept = (count - 1) * length
    first.update(from: first + length, count: kept)
    (first + kept).update(from: block + row, count: length)
  }
}
