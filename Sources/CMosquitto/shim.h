#pragma once
#include <mosquitto.h>

// libmosquitto brings OpenSSL: 3 ms at every start and 2 MB in every process, for a part that most
// do without. So it isn't linked; whoever wants MQTT loads it (MosquittoLibrary.swift). The types of
// its functions are the header's all the same.
#define ATTND_FUNCTION(name) typedef __typeof__(&name) name##_function

ATTND_FUNCTION(mosquitto_lib_init);
ATTND_FUNCTION(mosquitto_strerror);
ATTND_FUNCTION(mosquitto_new);
ATTND_FUNCTION(mosquitto_destroy);
ATTND_FUNCTION(mosquitto_user_data_set);
ATTND_FUNCTION(mosquitto_int_option);
ATTND_FUNCTION(mosquitto_will_set);
ATTND_FUNCTION(mosquitto_username_pw_set);
ATTND_FUNCTION(mosquitto_tls_set);
ATTND_FUNCTION(mosquitto_connect_callback_set);
ATTND_FUNCTION(mosquitto_publish_callback_set);
ATTND_FUNCTION(mosquitto_subscribe_callback_set);
ATTND_FUNCTION(mosquitto_message_callback_set);
ATTND_FUNCTION(mosquitto_log_callback_set);
ATTND_FUNCTION(mosquitto_connect);
ATTND_FUNCTION(mosquitto_disconnect);
ATTND_FUNCTION(mosquitto_publish);
ATTND_FUNCTION(mosquitto_subscribe);
ATTND_FUNCTION(mosquitto_socket);
ATTND_FUNCTION(mosquitto_want_write);
ATTND_FUNCTION(mosquitto_loop_read);
ATTND_FUNCTION(mosquitto_loop_write);
ATTND_FUNCTION(mosquitto_loop_misc);
