import AttentionSocket
import Logging
import ServiceLifecycle
import UnixSignals

/// Reads model and configuration anew at SIGHUP, as long as the daemon runs.
struct ReloadService: Service {
  let server: AttentionServer
  /// The service manager, told before and after; nil where none asks.
  let notifier: ServiceNotifier?
  let logger: Logger

  /// Waits for the signal, again and again.
  func run() async throws {
    for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() {
      notifier?.tellReloading()
      do {
        if try await !server.reload(.all) { logger.info("reload: all is as it was") }
      } catch {
        logger.warning("reload failed, nothing has changed: \(error)")
      }
      notifier?.tell([.ready])
    }
  }
}
