// A wall clock that a test sets: preloaded, it adds to the system's Unix time the seconds (a double) that
// lie in the file CLOCK_STEP. Clocks that count from the machine's start are left alone, as they are when
// somebody sets the clock.
//
//     cc -shared -fPIC -O2 -o clockstep.so clockstep.c -ldl
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile double *step;
static int (*system_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
  system_clock_gettime =
      (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  const char *path = getenv("CLOCK_STEP");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *content = mmap(NULL, sizeof(double), PROT_READ, MAP_SHARED, file, 0);
  if (content != MAP_FAILED) step = content;
  close(file);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  int status = system_clock_gettime(clock, time);
  if (status == 0 && step && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
    time->tv_sec += (time_t)*step;
  }
  return status;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
  (void)zone;
  struct timespec now;
  int status = clock_gettime(CLOCK_REALTIME, &now);
  time->tv_sec = now.tv_sec;
  time->tv_usec = now.tv_nsec / 1000;
  return status;
}

time_t time(time_t *result) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (result) *result = now.tv_sec;
  return now.tv_sec;
}
