import Glibc

/// Writes seeds into the folder that `ATTND_FUZZ_SEEDS` names, and ends the process; without it
/// does nothing.
func writeSeeds(_ seeds: () -> [[UInt8]]) {
  guard let folder = getenv("ATTND_FUZZ_SEEDS") else { return }
  for (number, bytes) in seeds().enumerated() {
    let file = open(
      "\(String(cString: folder))/seed-\(number)", O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    guard file >= 0, write(file, bytes, bytes.count) == bytes.count else {
      perror(folder)
      exit(1)
    }
    close(file)
  }
  exit(0)
}

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Generator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
}
