// What fft.c needs of PFFFT.
#pragma once

// A plan for real transforms, or NULL for sizes that PFFFT has no SIMD code for (not a multiple of 32).
void *pffftPlan(int points);

// Bins in their natural order; the real last one stands where the first one's imaginary part would.
// Samples, bins and scratch (as many floats as points) are aligned to 16 bytes.
void pffftForward(void *plan, const float *samples, float *bins, float *scratch);
