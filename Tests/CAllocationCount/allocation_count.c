#define _GNU_SOURCE
#include "allocation_count.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

// Initial-exec: the general model may allocate on a thread's first access, from within malloc.
#define PER_THREAD static __thread __attribute__((tls_model("initial-exec")))

PER_THREAD uint64_t allocations;
PER_THREAD uint64_t frees;
PER_THREAD uint64_t locks;

uint64_t attnd_allocation_count(void) { return allocations; }
uint64_t attnd_free_count(void) { return frees; }
uint64_t attnd_lock_count(void) { return locks; }

#if defined(__GLIBC__) && !defined(SANITIZED)

int attnd_counts_allocations(void) { return 1; }

// glibc's own names for the originals; exported since 2.2.5.
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void *__libc_valloc(size_t);
extern void *__libc_pvalloc(size_t);
extern void __libc_free(void *);

void *malloc(size_t size) {
  allocations++;
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  allocations++;
  return __libc_calloc(count, size);
}

void *realloc(void *block, size_t size) {
  allocations++;
  return __libc_realloc(block, size);
}

void *reallocarray(void *block, size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) {
    errno = ENOMEM;
    return NULL;
  }
  return realloc(block, bytes);
}

void *memalign(size_t alignment, size_t size) {
  allocations++;
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **block, size_t alignment, size_t size) {
  if (alignment % sizeof(void *) != 0 || alignment == 0 || (alignment & (alignment - 1)) != 0)
    return EINVAL;
  void *found = memalign(alignment, size);
  if (found == NULL) return ENOMEM;
  *block = found;
  return 0;
}

void *valloc(size_t size) {
  allocations++;
  return __libc_valloc(size);
}

void *pvalloc(size_t size) {
  allocations++;
  return __libc_pvalloc(size);
}

void free(void *block) {
  if (block != NULL) frees++;
  __libc_free(block);
}

int pthread_mutex_lock(pthread_mutex_t *mutex) {
  // Two threads may look it up at once; both find the same.
  static int (*original)(pthread_mutex_t *);
  int (*lock)(pthread_mutex_t *) = __atomic_load_n(&original, __ATOMIC_RELAXED);
  if (lock == NULL) {
    lock = (int (*)(pthread_mutex_t *))dlsym(RTLD_NEXT, "pthread_mutex_lock");
    __atomic_store_n(&original, lock, __ATOMIC_RELAXED);
  }
  locks++;
  return lock(mutex);
}

#else

int attnd_counts_allocations(void) { return 0; }

#endif
