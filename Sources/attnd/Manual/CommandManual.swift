import JSONText

/// The manual's pages about commands, made from what they say of themselves.
package enum CommandManual {
  /// A page for the program, and one for each of its commands.
  ///
  /// - Parameter help: What `--experimental-dump-help` prints.
  /// - Returns: The pages by the names of their files.
  /// - Throws: `JSONError` when it isn't what it should be.
  package static func pages(help: String) throws -> [(file: String, text: String)] {
    let document = try JSON(parsing: help.utf8, repeatedNames: .refused, numbers: .any)
    guard let program = document.fields?["command"].map(Command.init) else { return [] }
    let commands = program.commands.filter { $0.isShown && $0.name != "help" }
    return [("\(program.name).1", page(of: program, commands))]
      + commands.map { ("\(program.name)-\($0.name).1", page(of: $0, program: program)) }
  }

  // MARK: The program

  private static func page(of program: Command, _ commands: [Command]) -> String {
    var page = ManualPage(program.name, section: 1)
    page.section("NAME")
    page.line("\(program.name) - \(uncapitalised(program.abstract))")
    page.section("SYNOPSIS")
    page.line("\(program.name) COMMAND [OPTION]... [ARGUMENT]...")
    page.section("DESCRIPTION")
    page.paragraph(
      "attnd is a streaming attention daemon. Sound comes in from a microphone, a file or a pipe; on "
        + "a socket it says what it is paying attention to, and when a keyword was spoken, when it "
        + "began and when it ended. Nothing leaves the machine.")
    page.section("COMMANDS")
    for command in commands {
      page.item(
        "\(program.name) \(command.name)",
        "\(command.abstract) See attnd-\(command.name)(1).")
    }
    page.section("OPTIONS")
    for argument in program.arguments where argument.isShown {
      page.item(argument.term, argument.help)
    }
    ending(&page, others: commands.map { "attnd-\($0.name)(1)" } + ["attnd.yaml(5)"])
    return page.text
  }

  // MARK: A command

  private static func page(of command: Command, program: Command) -> String {
    let name = "\(program.name)-\(command.name)"
    var page = ManualPage(name, section: 1)
    page.section("NAME")
    page.line("\(name) - \(uncapitalised(command.abstract))")
    page.section("SYNOPSIS")
    let shown = command.arguments.filter(\.isShown)
    let positional = shown.filter(\.isPositional)
    page.line(
      ([program.name, command.name]
        + (shown.count > positional.count ? ["[OPTION]..."] : [])
        + positional.map(\.inSynopsis)).joined(separator: " "))
    page.section("DESCRIPTION")
    page.paragraph(command.abstract)
    page.discussion(command.discussion)
    if !positional.isEmpty {
      page.section("ARGUMENTS")
      for argument in positional { page.item(argument.inSynopsis, argument.help) }
    }
    page.section("OPTIONS")
    for argument in shown where !argument.isPositional { page.item(argument.term, argument.help) }
    ending(&page, others: ["attnd(1)", "attnd.yaml(5)"])
    return page.text
  }

  private static func ending(_ page: inout ManualPage, others: [String]) {
    page.section("EXIT STATUS")
    page.paragraph(
      "0 when all went well, else as sysexits.h has it: 64 usage, 65 bad data, 66 no input, 69 "
        + "unavailable, 70 internal, 71 system error, 73 cannot create, 74 input or output, 75 try "
        + "later, 77 no permission, 78 configuration.")
    page.section("ENVIRONMENT")
    page.paragraph(
      "Every setting of attnd.yaml(5) can be a variable: ATTND_SOCKET_MODE for socket-mode. Flags go "
        + "before variables, variables before the file.")
    page.section("SEE ALSO")
    page.line(others.joined(separator: ", "))
  }

  /// "Listens for keywords." as what stands behind a name.
  private static func uncapitalised(_ sentence: String) -> String {
    let words = sentence.hasSuffix(".") ? sentence.dropLast() : sentence[...]
    return words.prefix(1).lowercased() + words.dropFirst()
  }

  // MARK: What commands say of themselves

  /// A command, of which nothing is missing: an older or newer document has empty places.
  private struct Command {
    let name: String
    let abstract: String
    let discussion: String
    let isShown: Bool
    let commands: [Command]
    let arguments: [Argument]

    init(_ json: JSON) {
      let fields = json.fields ?? [:]
      name = fields["commandName"].string
      abstract = fields["abstract"].string
      discussion = fields["discussion"].string
      isShown = fields["shouldDisplay"] != .bool(false)
      commands = fields["subcommands"].elements.map(Command.init)
      arguments = fields["arguments"].elements.map(Argument.init)
    }
  }

  private struct Argument {
    let help: String
    let isShown: Bool
    let isPositional: Bool
    let inSynopsis: String
    let term: String

    init(_ json: JSON) {
      let fields = json.fields ?? [:]
      let kind = fields["kind"].string
      isShown = fields["shouldDisplay"] != .bool(false)
      isPositional = kind == "positional"
      let value = fields["valueName"].string
      let many = fields["isRepeating"] == .bool(true) ? "..." : ""
      inSynopsis =
        fields["isOptional"] == .bool(true) ? "[\(value)]\(many)" : value + many
      let names = fields["names"].elements.map { name in
        let fields = name.fields ?? [:]
        let dashes = fields["kind"].string == "long" ? "--" : "-"
        return dashes + fields["name"].string
      }
      // Short names first.
      term =
        names.sorted { ($0.utf8.count, $0) < ($1.utf8.count, $1) }.joined(separator: ", ")
        + (kind == "option" ? " <\(value)>" : "")
      let standard = fields["defaultValue"].string
      let words = [fields["abstract"].string, fields["discussion"].string]
        .filter { !$0.isEmpty }.joined(separator: " ")
      help = standard.isEmpty ? words : "\(words) (default: \(standard))"
    }
  }
}

extension JSON? {
  /// The text of a string; empty for whatever else there is, or isn't.
  fileprivate var string: String {
    guard case .string(let text) = self else { return "" }
    return text
  }

  /// The elements of an array; none for whatever else there is, or isn't.
  fileprivate var elements: [JSON] {
    guard case .array(let elements) = self else { return [] }
    return elements
  }
}
