// Counts what one thread asks of the allocator and of pthread mutexes.
//
// Linked into a test bundle, malloc and its kin are defined here, so that every call in the
// process passes through them, those of the Swift runtime included. The counts are per thread:
// what other tests do at the same time doesn't show.
#pragma once

#include <stdint.h>

// 1 where the calls are counted. 0 under a sanitizer, which needs malloc for itself, and with a
// C library other than glibc, which has no other name for the original.
int attnd_counts_allocations(void);

// Calls by this thread since it began. malloc, calloc, realloc, aligned_alloc and so on:
uint64_t attnd_allocation_count(void);
// free with something to free:
uint64_t attnd_free_count(void);
// pthread_mutex_lock. Swift's Synchronization.Mutex is a futex of its own, which isn't seen.
uint64_t attnd_lock_count(void);
