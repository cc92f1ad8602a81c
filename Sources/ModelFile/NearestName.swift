/// The known name that a misspelt one was probably meant to be.
///
/// - Parameters:
///   - name: What was written.
///   - known: The names that there are.
/// - Returns: The known name with the fewest edits, if a third of its letters or fewer are wrong;
///   the first of them in the order of the alphabet.
package func nearestName(to name: String, among known: some Sequence<String>) -> String? {
  var best: (edits: Int, name: String)?
  // The cost is the product of the lengths: no more is read of a name than could matter.
  let written = Array(name.unicodeScalars.prefix(100))
  for candidate in known.sorted() {
    let edits = editDistance(written, Array(candidate.unicodeScalars))
    guard edits <= max(1, candidate.unicodeScalars.count / 3) else { continue }
    if let best, best.edits <= edits { continue }
    best = (edits, candidate)
  }
  return best?.name
}

/// Insertions, deletions and substitutions between two words (Levenshtein 1965), by rows of the
/// table of Wagner and Fischer (1974).
private func editDistance(_ a: [Unicode.Scalar], _ b: [Unicode.Scalar]) -> Int {
  var row = Array(0...b.count)
  for i in a.indices {
    var diagonal = row[0]
    row[0] = i + 1
    for j in b.indices {
      let substituted = diagonal + (a[i] == b[j] ? 0 : 1)
      diagonal = row[j + 1]
      row[j + 1] = min(substituted, diagonal + 1, row[j] + 1)
    }
  }
  return row[b.count]
}
