import CMosquitto
import Glibc

/// libmosquitto, loaded when somebody wants MQTT; nobody else needs it or pays for it.
///
/// Linked, it cost every `attnd --help` 2.7 ms and every daemon 1.9 MB resident (OpenSSL comes along).
/// The functions' types are those of the header, by way of Sources/CMosquitto/shim.h.
///
/// Functions of C and nothing else: any thread may have them.
struct MosquittoLibrary: @unchecked Sendable {
  /// The library's name with the version of its interface; Debian's package is libmosquitto1.
  static let file = "libmosquitto.so.1"

  let strerror: mosquitto_strerror_function
  let new: mosquitto_new_function
  let destroy: mosquitto_destroy_function
  let setUserData: mosquitto_user_data_set_function
  let setOption: mosquitto_int_option_function
  let setWill: mosquitto_will_set_function
  let setUser: mosquitto_username_pw_set_function
  let setTLS: mosquitto_tls_set_function
  let onConnect: mosquitto_connect_callback_set_function
  let onPublish: mosquitto_publish_callback_set_function
  let onSubscribe: mosquitto_subscribe_callback_set_function
  let onMessage: mosquitto_message_callback_set_function
  let onLog: mosquitto_log_callback_set_function
  let connect: mosquitto_connect_function
  let disconnect: mosquitto_disconnect_function
  let publish: mosquitto_publish_function
  let subscribe: mosquitto_subscribe_function
  let socket: mosquitto_socket_function
  let wantsToWrite: mosquitto_want_write_function
  let read: mosquitto_loop_read_function
  let write: mosquitto_loop_write_function
  let keepAlive: mosquitto_loop_misc_function

  /// Loads the library for as long as the process lives.
  ///
  /// - Throws: `MQTTError.library` when it isn't there, or is too old.
  init() throws(MQTTError) {
    guard let handle = dlopen(Self.file, RTLD_NOW | RTLD_LOCAL) else {
      throw .library(dlerror().map { String(cString: $0) } ?? Self.file)
    }
    func function<Function>(_ name: String) throws(MQTTError) -> Function {
      guard let address = dlsym(handle, name) else {
        throw .library("\(Self.file) has no \(name)")
      }
      return unsafeBitCast(address, to: Function.self)
    }
    let start: mosquitto_lib_init_function = try function("mosquitto_lib_init")
    strerror = try function("mosquitto_strerror")
    new = try function("mosquitto_new")
    destroy = try function("mosquitto_destroy")
    setUserData = try function("mosquitto_user_data_set")
    setOption = try function("mosquitto_int_option")
    setWill = try function("mosquitto_will_set")
    setUser = try function("mosquitto_username_pw_set")
    setTLS = try function("mosquitto_tls_set")
    onConnect = try function("mosquitto_connect_callback_set")
    onPublish = try function("mosquitto_publish_callback_set")
    onSubscribe = try function("mosquitto_subscribe_callback_set")
    onMessage = try function("mosquitto_message_callback_set")
    onLog = try function("mosquitto_log_callback_set")
    connect = try function("mosquitto_connect")
    disconnect = try function("mosquitto_disconnect")
    publish = try function("mosquitto_publish")
    subscribe = try function("mosquitto_subscribe")
    socket = try function("mosquitto_socket")
    wantsToWrite = try function("mosquitto_want_write")
    read = try function("mosquitto_loop_read")
    write = try function("mosquitto_loop_write")
    keepAlive = try function("mosquitto_loop_misc")
    guard start() == Int32(MOSQ_ERR_SUCCESS.rawValue) else {
      throw .library("\(Self.file) doesn't start")
    }
  }
}
