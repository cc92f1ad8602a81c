/// The manual's page about the configuration file, made from the table of settings.
package enum SettingsManual {
  /// attnd.yaml(5).
  package static var page: String {
    var page = ManualPage("attnd.yaml", section: 5)
    page.section("NAME")
    page.line("attnd.yaml - configuration of attnd")
    page.section("DESCRIPTION")
    page.paragraph(
      "YAML, a setting a line: its name, a colon, its value. An unknown name is an error, and so is a "
        + "value that can't be; both are told with their line.")
    page.paragraph(
      "Each setting can be a flag, too (--name value), or a variable of the environment. A flag goes "
        + "before the variable, the variable before the file, the file before what is built in.")
    page.section("FILES")
    page.paragraph("The first of these that is there is read:")
    page.item("--config PATH, $ATTND_CONFIG", "What is named must be there.")
    page.item(
      "$XDG_CONFIG_HOME/attnd/attnd.yaml",
      "A user's; without the variable, ~/.config/attnd/attnd.yaml.")
    page.item("/etc/attnd/attnd.yaml", "The system's.")
    page.section("SETTINGS")
    for entry in SettingsTable.entries {
      page.item(
        "\(entry.name): \(entry.example)",
        "\(entry.explanation) Environment: \(entry.environmentName).")
    }
    page.section("SEE ALSO")
    page.line("attnd(1), attnd-run(1)")
    return page.text
  }
}
