// Real forward transforms in float by other people's libraries: FFTW 3, Intel oneMKL, PFFFT, KissFFT
// and FFmpeg's av_tx, those of them that the compiler was told of (WITH_FFTW=1 ...).
//
//     fft [ROUNDS]
//
// For 256, 400, 512 and 1024 points each library plans one transform and eight at once, the eight in
// every layout that the library has a plan for:
//
//     rows          each transform contiguous, its bins right after those of the one before
//     padded rows   the same, with room after each transform's bins so that all of them are aligned
//     lanes         interleaved: element i of transform j at i * 8 + j
//
// Every result is held against a direct transform in double before anything is timed; one that is off
// ends the program with 1. Then all cases take turns, round by round, so that a busy neighbour or a
// change of clock meets them alike. Prints a line of JSON for each case: the best and the median round.

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if WITH_FFTW
#include <fftw3.h>
#endif
#if WITH_MKL
#include <mkl_dfti.h>
#include <mkl_service.h>
#endif
#if WITH_PFFFT
#include "pffft_shim.h"
#endif
#if WITH_KISSFFT
#include <kissfft/kiss_fftr.h>
#endif
#if WITH_AVTX
#include <libavutil/tx.h>
#endif

enum { batch = 8, alignment = 64, defaultRounds = 41 };

// A round of one case lasts about this long: some thousand transforms, and a fraction of the time
// slice that the scheduler gives, so that most rounds are not interrupted.
static const double sliceSeconds = 1e-3;

// Relative error (root of summed squares) above which a result is wrong. Float transforms of these
// sizes stay below 2e-7.
static const double errorBound = 1e-6;

static void fail(const char *what, const char *peer, int points) {
  fprintf(stderr, "fft: %s, %d points: %s\n", peer, points, what);
  exit(1);
}

static float *alignedFloats(size_t count) {
  size_t bytes = (count * sizeof(float) + alignment - 1) / alignment * alignment;
  float *memory = aligned_alloc(alignment, bytes);
  if (!memory) fail("no memory", "buffers", (int)count);
  memset(memory, 0, bytes);
  return memory;
}

// ---------------------------------------------------------------------------------------------
// Cases

// Where sample i (or bin i) of transform j lies: at j * row + i * step.
typedef struct {
  int row, step;
} Layout;

// Bins are pairs (re, im), points / 2 + 1 of them; PFFFT puts the real last one where the imaginary
// part of the first would be.
typedef enum { halfSpectrum, packedNyquist } Storage;

typedef struct Case {
  char name[32];
  const char *peer;
  int points, transforms;
  float *samples, *bins;
  Layout sampleLayout, binLayout;  // bins are counted in pairs
  Storage storage;
  void *plan;
  float *scratch;
  void (*run)(struct Case *);
  long calls;  // in a round
  double *seconds;
} Case;

static Case cases[128];
static int caseCount = 0;

// A case with buffers in rows; whoever plans it differently changes the layouts before `accept`.
// Its bins have room for `pairs` pairs a transform.
static Case *newCase(const char *peer, int points, int transforms, int pairs) {
  if (caseCount == (int)(sizeof cases / sizeof *cases)) fail("too many cases", peer, points);
  Case *new = &cases[caseCount];
  *new = (Case){.peer = peer, .points = points, .transforms = transforms};
  snprintf(new->name, sizeof new->name, "fft.real.%d.%s", points, transforms == 1 ? "single" : "eight");
  new->samples = alignedFloats((size_t)points * (size_t)transforms);
  new->bins = alignedFloats(2 * (size_t)pairs * (size_t)transforms);
  new->sampleLayout = (Layout){.row = points, .step = 1};
  new->binLayout = (Layout){.row = pairs, .step = 1};
  return new;
}

static void makeLanes(Case *one) {
  one->sampleLayout = one->binLayout = (Layout){.row = 1, .step = batch};
}

// Uniform in -1 ..< 1, other numbers in each case and the same in each run (xorshift32).
static void fillWithNoise(Case *one) {
  unsigned state = 2463534242u + (unsigned)caseCount;
  for (int i = 0; i < one->points * one->transforms; i++) {
    state ^= state << 13, state ^= state >> 17, state ^= state << 5;
    one->samples[i] = (float)((int)(state >> 8) - (1 << 23)) / (float)(1 << 23);
  }
}

static double relativeError(const Case *one, int transform) {
  const int points = one->points;
  const float *samples = one->samples + transform * one->sampleLayout.row;
  const float *bins = one->bins + 2 * transform * one->binLayout.row;
  double wrong = 0, power = 0;
  for (int k = 0; k <= points / 2; k++) {
    double re = 0, im = 0;
    for (int i = 0; i < points; i++) {
      double angle = 2 * M_PI * (double)((long)i * k % points) / points;
      re += samples[i * one->sampleLayout.step] * cos(angle);
      im -= samples[i * one->sampleLayout.step] * sin(angle);
    }
    double gotRe, gotIm;
    if (one->storage == packedNyquist && (k == 0 || k == points / 2)) {
      gotRe = bins[k == 0 ? 0 : 1], gotIm = 0;
    } else {
      gotRe = bins[2 * k * one->binLayout.step], gotIm = bins[2 * k * one->binLayout.step + 1];
    }
    wrong += (gotRe - re) * (gotRe - re) + (gotIm - im) * (gotIm - im);
    power += re * re + im * im;
  }
  return sqrt(wrong / power);
}

// Takes the case in after its plan is made (planning may write to the buffers): fills the samples,
// transforms them once, and holds every transform against double.
static void accept(Case *one) {
  const size_t bytes = sizeof(float) * (size_t)(one->points * one->transforms);
  float *given = alignedFloats((size_t)(one->points * one->transforms));
  fillWithNoise(one);
  memcpy(given, one->samples, bytes);
  one->run(one);
  if (memcmp(given, one->samples, bytes) != 0) fail("the samples were overwritten", one->peer, one->points);
  free(given);
  for (int j = 0; j < one->transforms; j++) {
    if (!(relativeError(one, j) < errorBound)) fail("a wrong transform", one->peer, one->points);
  }
  caseCount++;
}

// ---------------------------------------------------------------------------------------------
// Libraries

#if WITH_FFTW
static void runFFTW(Case *one) { fftwf_execute(one->plan); }

static void planFFTW(Case *one) {
  const int points = one->points;
  const Layout in = one->sampleLayout, out = one->binLayout;
  one->plan = fftwf_plan_many_dft_r2c(
    1, &points, one->transforms, one->samples, NULL, in.step, in.row, (fftwf_complex *)one->bins, NULL,
    out.step, out.row, FFTW_MEASURE | FFTW_PRESERVE_INPUT);
  if (!one->plan) fail("no plan", one->peer, points);
  one->run = runFFTW;
  accept(one);
}

static void addFFTW(int points) {
  const int pairs = points / 2 + 1;
  const int paddedPairs = (pairs + 7) / 8 * 8;  // 8 pairs are 64 bytes
  planFFTW(newCase("FFTW", points, 1, pairs));
  planFFTW(newCase("FFTW rows", points, batch, pairs));
  planFFTW(newCase("FFTW padded rows", points, batch, paddedPairs));
  Case *lanes = newCase("FFTW lanes", points, batch, pairs);
  makeLanes(lanes);
  planFFTW(lanes);
}
#endif

#if WITH_MKL
static void runMKL(Case *one) { DftiComputeForward(one->plan, one->samples, one->bins); }

static void planMKL(Case *one) {
  DFTI_DESCRIPTOR_HANDLE plan = NULL;
  MKL_LONG inStrides[2] = {0, one->sampleLayout.step}, outStrides[2] = {0, one->binLayout.step};
  MKL_LONG status = DftiCreateDescriptor(&plan, DFTI_SINGLE, DFTI_REAL, 1, (MKL_LONG)one->points);
  if (!status) status = DftiSetValue(plan, DFTI_PLACEMENT, DFTI_NOT_INPLACE);
  if (!status) status = DftiSetValue(plan, DFTI_CONJUGATE_EVEN_STORAGE, DFTI_COMPLEX_COMPLEX);
  if (!status) status = DftiSetValue(plan, DFTI_THREAD_LIMIT, (MKL_LONG)1);
  if (!status) status = DftiSetValue(plan, DFTI_NUMBER_OF_TRANSFORMS, (MKL_LONG)one->transforms);
  if (!status) status = DftiSetValue(plan, DFTI_FWD_DISTANCE, (MKL_LONG)one->sampleLayout.row);
  if (!status) status = DftiSetValue(plan, DFTI_BWD_DISTANCE, (MKL_LONG)one->binLayout.row);
  if (!status) status = DftiSetValue(plan, DFTI_FWD_STRIDES, inStrides);
  if (!status) status = DftiSetValue(plan, DFTI_BWD_STRIDES, outStrides);
  if (!status) status = DftiCommitDescriptor(plan);
  if (status) fail(DftiErrorMessage(status), one->peer, one->points);
  one->plan = plan;
  one->run = runMKL;
  accept(one);
}

static void addMKL(int points) {
  const int pairs = points / 2 + 1;
  planMKL(newCase("oneMKL", points, 1, pairs));
  planMKL(newCase("oneMKL rows", points, batch, pairs));
  planMKL(newCase("oneMKL padded rows", points, batch, (pairs + 7) / 8 * 8));
  Case *lanes = newCase("oneMKL lanes", points, batch, pairs);
  makeLanes(lanes);
  planMKL(lanes);
}
#endif

#if WITH_PFFFT
static void runPFFFT(Case *one) {
  for (int j = 0; j < one->transforms; j++) {
    pffftForward(
      one->plan, one->samples + j * one->sampleLayout.row, one->bins + 2 * j * one->binLayout.row, one->scratch);
  }
}

static void addPFFFT(int points) {
  void *plan = pffftPlan(points);
  if (!plan) return;  // not of a size that its SIMD code takes: 400
  for (int transforms = 1; transforms <= batch; transforms += batch - 1) {
    Case *one = newCase(transforms == 1 ? "PFFFT" : "PFFFT rows", points, transforms, points / 2);
    one->storage = packedNyquist;
    one->plan = plan;
    one->scratch = alignedFloats((size_t)points);
    one->run = runPFFFT;
    accept(one);
  }
}
#endif

#if WITH_KISSFFT
static void runKissFFT(Case *one) {
  for (int j = 0; j < one->transforms; j++) {
    kiss_fftr(
      one->plan, one->samples + j * one->sampleLayout.row, (kiss_fft_cpx *)one->bins + j * one->binLayout.row);
  }
}

static void addKissFFT(int points) {
  for (int transforms = 1; transforms <= batch; transforms += batch - 1) {
    Case *one = newCase(transforms == 1 ? "KissFFT" : "KissFFT rows", points, transforms, points / 2 + 1);
    one->plan = kiss_fftr_alloc(points, 0, NULL, NULL);
    if (!one->plan) fail("no plan", one->peer, points);
    one->run = runKissFFT;
    accept(one);
  }
}
#endif

#if WITH_AVTX
typedef struct {
  AVTXContext *context;
  av_tx_fn transform;
} AVTXPlan;

static void runAVTX(Case *one) {
  const AVTXPlan *plan = one->plan;
  for (int j = 0; j < one->transforms; j++) {
    plan->transform(
      plan->context, one->bins + 2 * j * one->binLayout.row, one->samples + j * one->sampleLayout.row,
      sizeof(float));
  }
}

static void addAVTX(int points) {
  // Only powers of two are fast in it: 400 takes its general transform, two thousand times as long.
  if ((points & (points - 1)) != 0) return;
  const float scale = 1;
  AVTXPlan *plan = malloc(sizeof *plan);
  if (!plan || av_tx_init(&plan->context, &plan->transform, AV_TX_FLOAT_RDFT, 0, points, &scale, 0) < 0) {
    fail("no plan", "av_tx", points);
  }
  for (int transforms = 1; transforms <= batch; transforms += batch - 1) {
    const int paddedPairs = (points / 2 + 8) / 8 * 8;  // av_tx wants every transform aligned
    Case *one = newCase(transforms == 1 ? "av_tx" : "av_tx padded rows", points, transforms, paddedPairs);
    one->plan = plan;
    one->run = runAVTX;
    accept(one);
  }
}
#endif

// ---------------------------------------------------------------------------------------------
// Timing

// CPU time of this process: equal to wall time for one busy thread on an idle machine, and free of
// the waiting on a shared one.
static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static double secondsOfCalls(Case *one, long calls) {
  const double start = now();
  for (long call = 0; call < calls; call++) one->run(one);
  return now() - start;
}

static void calibrate(Case *one, int rounds) {
  one->seconds = malloc(sizeof(double) * (size_t)rounds);
  if (!one->seconds) fail("no memory", one->peer, one->points);
  double seconds = 0;
  for (one->calls = 16; seconds < sliceSeconds / 4; one->calls *= 2) {
    seconds = secondsOfCalls(one, one->calls);
  }
  const double secondsPerCall = seconds / (double)(one->calls / 2);
  one->calls = (long)fmax(1, sliceSeconds / secondsPerCall);
}

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void measure(int rounds) {
  for (int c = 0; c < caseCount; c++) calibrate(&cases[c], rounds);
  for (int round = 0; round < rounds; round++) {
    for (int c = 0; c < caseCount; c++) {
      cases[c].run(&cases[c]);  // brings its tables back into the cache
      const double transforms = (double)cases[c].calls * cases[c].transforms;
      cases[c].seconds[round] = secondsOfCalls(&cases[c], cases[c].calls) / transforms;
    }
  }
  for (int c = 0; c < caseCount; c++) {
    double *seconds = cases[c].seconds;
    qsort(seconds, (size_t)rounds, sizeof *seconds, ascending);
    printf(
      "{\"name\":\"%s\",\"best\":%.5g,\"median\":%.5g,\"unit\":\"us/transform\",\"peer\":\"%s\"}\n",
      cases[c].name, seconds[0] * 1e6, seconds[rounds / 2] * 1e6, cases[c].peer);
  }
}

int main(int argumentCount, char **arguments) {
  const int rounds = argumentCount > 1 ? atoi(arguments[1]) : defaultRounds;
  if (rounds < 1) {
    fprintf(stderr, "usage: fft [ROUNDS]\n");
    return 64;
  }
#if WITH_FFTW
  fprintf(stderr, "version: FFTW: %s\n", fftwf_version);
#endif
#if WITH_MKL
  mkl_set_num_threads(1);
  MKLVersion version;
  mkl_get_version(&version);
  fprintf(
    stderr, "version: oneMKL: %d.%d.%d, its code for: %s\n", version.MajorVersion, version.MinorVersion,
    version.UpdateVersion, version.Processor);
#endif
  static const int sizes[] = {256, 400, 512, 1024};
  for (int s = 0; s < 4; s++) {
#if WITH_FFTW
    addFFTW(sizes[s]);
#endif
#if WITH_MKL
    addMKL(sizes[s]);
#endif
#if WITH_PFFFT
    addPFFFT(sizes[s]);
#endif
#if WITH_KISSFFT
    addKissFFT(sizes[s]);
#endif
#if WITH_AVTX
    addAVTX(sizes[s]);
#endif
  }
  measure(rounds);
  return 0;
}
