// PFFFT is in no package of its own here; its source, unchanged, lies in the source package of the
// Python package soxr. This file is compiled with that folder in the include path.

#include "pffft_shim.h"

#include <stdlib.h>

// soxr's copy leaves these two to whoever builds it.
void *pffft_aligned_malloc(size_t bytes) { return aligned_alloc(64, (bytes + 63) / 64 * 64); }
void pffft_aligned_free(void *memory) { free(memory); }

#include <pffft.c>

void *pffftPlan(int points) { return points % 32 == 0 ? pffft_new_setup(points, PFFFT_REAL) : NULL; }

void pffftForward(void *plan, const float *samples, float *bins, float *scratch) {
  pffft_transform_ordered(plan, samples, bins, scratch, PFFFT_FORWARD);
}
