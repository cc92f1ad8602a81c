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
    var hasFailed = false
    for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() {
      let manager = notifier.flatMap { $0.isReady ? $0 : nil }
      manager?.tellReloading()
      do {
        if try await !server.reload(.all) { logger.info("reload: all is as it was") }
        manager?.tell(hasFailed ? [.ready, .status("reloaded")] : [.ready])
        hasFailed = false
      } catch {
        logger.warning("reload failed, nothing has changed: \(error)")
        manager?.tell([.ready, .status("reload failed: \(error)")])
        hasFailed = true
      }
    }
  }
}
