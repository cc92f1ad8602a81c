import TestSupport
import Testing

@Suite("Golden files")
struct GoldenTests {
  @Test("Arrays have the types, shapes and elements that were written")
  func arrays() throws {
    let sine = try Golden.array("signals/sine_16k.npy")
    #expect(sine.shape == [8_000])
    // 16384 sin(2 pi 997 / 16000), rounded.
    #expect(try sine.int16s.prefix(2) == [0, 6_252])

    let input = try Golden.array("fft/input.npy")
    #expect(input.shape == [8_192])
    #expect(try input.floats.allSatisfy { (-1..<1).contains($0) })

    let exponential = try Golden.array("elementary/exp.npy")
    #expect(exponential.shape.first == 2)
    #expect(try exponential.uint32s.count == exponential.shape.reduce(1, *))
  }

  @Test("Tensors are found by name, and the first bin of a spectrum is the sum of the input")
  func tensors() throws {
    let input = try Golden.array("fft/input.npy").floats
    let spectra = try Golden.tensors("fft/small.safetensors")
    let spectrum = try spectra["rfft.512"]
    #expect(spectrum.shape == [257, 2])
    #expect(abs(spectrum.doubles[0] - input[..<512].reduce(0) { $0 + Double($1) }) < 1e-12)
    #expect(try Golden.tensors("rnn/gru.safetensors").cases().contains("gru.40-64.x2"))
  }

  @Test("A file, a tensor or a type that isn't there is an error that names it")
  func errors() throws {
    #expect(throws: GoldenError.self) { try Golden.bytes("no/such.npy") }
    #expect(throws: GoldenError.self) { try Golden.tensors("fft/small.safetensors")["rfft.65"] }
    #expect(throws: GoldenError.self) { try Golden.array("fft/input.npy").int16s }
    #expect(throws: GoldenError.self) { try Golden.tensors("fft/input.npy") }
    #expect(throws: GoldenError.self) { try Golden.array("fft/small.safetensors") }
  }
}
