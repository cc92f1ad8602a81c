#pragma once
#include <alsa/asoundlib.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

// glibc's, behind _GNU_SOURCE, which Swift's importer doesn't define for every header.
extern int pthread_setname_np(pthread_t thread, const char *name);
extern int sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *end);

// ALSA explains an error through a callback with variable arguments, which Swift can't write, and
// without one prints to stderr. These keep a thread's latest explanation for its error message.
static inline char *attnd_alsa_text(void) {
  static __thread char text[240];
  return text;
}

static inline void attnd_alsa_keep(const char *file, int line, const char *function, int error,
                                   const char *format, va_list arguments) {
  (void)file, (void)line, (void)function, (void)error;
  vsnprintf(attnd_alsa_text(), 240, format, arguments);
}

/// From here on this thread's explanations are kept and not printed.
static inline void attnd_alsa_listen(void) {
  attnd_alsa_text()[0] = 0;
  snd_lib_error_set_local(attnd_alsa_keep);
}

/// The latest explanation since attnd_alsa_listen, or "". Call it from the same Swift file: each
/// object file that includes this header has a buffer of its own.
static inline const char *attnd_alsa_heard(void) { return attnd_alsa_text(); }
