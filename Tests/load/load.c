// Load for a running daemon: clients that stream audio at real speed, or subscribers to frames.
//
//     load clients ADDRESS N PCM        16 kHz, 16 bit, mono; every client streams the whole of it
//     load subscribers ADDRESS N SECONDS
//
// ADDRESS is the path of a Unix socket, or HOST:PORT of IP version 4. One thread, one epoll: what
// it costs is printed beside what it measured. A client's latency is the time from sending the
// chunk that holds the deciding sample to reading the detection.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { RATE = 16000, CHUNK = 1024, MOST_CHUNKS = 1 << 16, ROOM = 1 << 17 };

typedef struct {
  int socket;
  double start;           // when its first chunk is due
  long sent;              // chunks sent
  size_t out, written;    // of the event under way
  char output[4096];
  double *sent_at;        // by chunk
  char *input;
  size_t filled, skip;    // bytes of a data block that is of no interest
  long detections, frames, dropped, not_detected;
  int ended;
} Client;

static char *pcm;
static size_t pcm_chunks;
static double *latencies;
static size_t latency_count, latency_room;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int connect_to(const char *address) {
  int s;
  const char *colon = strrchr(address, ':');
  if (colon) {
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(atoi(colon + 1))};
    char host[64] = {0};
    strncpy(host, address, colon - address < 63 ? (size_t)(colon - address) : 63);
    if (inet_pton(AF_INET, host, &in.sin_addr) != 1) fail(address);
    s = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(s, (struct sockaddr *)&in, sizeof in)) fail(address);
  } else {
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    strncpy(un.sun_path, address, sizeof un.sun_path - 1);
    s = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(s, (struct sockaddr *)&un, sizeof un)) fail(address);
  }
  fcntl(s, F_SETFL, O_NONBLOCK);
  return s;
}

static size_t event(char *to, const char *type, const char *data, const void *payload, size_t bytes) {
  size_t count = sprintf(to, "{\"type\":\"%s\",\"data_length\":%zu,\"payload_length\":%zu}\n%s", type,
                         strlen(data), bytes, data);
  memcpy(to + count, payload ? payload : "", bytes);
  return count + bytes;
}

// The number after a name, in an event that the daemon wrote.
static long number(const char *text, const char *name) {
  const char *found = strstr(text, name);
  return found ? atol(found + strlen(name)) : -1;
}

static void note(double latency) {
  if (latency_count == latency_room) {
    latency_room = latency_room ? 2 * latency_room : 4096;
    latencies = realloc(latencies, latency_room * sizeof *latencies);
  }
  latencies[latency_count++] = latency;
}

static void take(Client *c, const char *type, const char *data) {
  if (!strcmp(type, "detection")) {
    long chunk = (number(data, "\"sample\":") - 1) / CHUNK;
    c->detections++;
    if (c->sent_at && chunk >= 0 && chunk < c->sent) note(now() - c->sent_at[chunk]);
  } else if (!strcmp(type, "attention")) {
    c->frames++;
  } else if (!strcmp(type, "dropped")) {
    c->dropped += number(data, "\"count\":");
  } else if (!strcmp(type, "not-detected")) {
    c->not_detected++;
  } else if (!strcmp(type, "error") || !strcmp(type, "bye")) {
    fprintf(stderr, "%s: %s\n", type, data);
    c->ended = 1;
  }
}

static void receive(Client *c) {
  for (;;) {
    ssize_t got = recv(c->socket, c->input + c->filled, ROOM - 1 - c->filled, 0);
    if (got == 0 || (got < 0 && errno != EAGAIN)) {
      c->ended = 1;
      return;
    }
    if (got < 0) return;
    c->filled += got;
    size_t at = 0;
    for (;;) {
      char *line = c->input + at, *end = memchr(line, '\n', c->filled - at);
      if (!end) break;
      *end = 0;
      long data = number(line, "\"data_length\":"), payload = number(line, "\"payload_length\":");
      size_t whole = end + 1 - line + (data > 0 ? data : 0) + (payload > 0 ? payload : 0);
      if (c->filled - at < whole) {
        *end = '\n';
        break;
      }
      char type[64] = {0};
      sscanf(line, "{\"type\":\"%63[^\"]", type);
      char *body = end + 1, kept = body[data > 0 ? data : 0];
      body[data > 0 ? data : 0] = 0;
      take(c, type, body);
      body[data > 0 ? data : 0] = kept;
      at += whole;
    }
    memmove(c->input, c->input + at, c->filled - at);
    c->filled -= at;
  }
}

// Sends what is due; the event under way first.
static void advance(Client *c) {
  while (!c->ended) {
    while (c->written < c->out) {
      ssize_t sent = send(c->socket, c->output + c->written, c->out - c->written, MSG_NOSIGNAL);
      if (sent < 0 && errno == EAGAIN) return;
      if (sent < 0) {
        c->ended = 1;
        return;
      }
      c->written += sent;
    }
    if (c->sent >= (long)pcm_chunks || now() < c->start + (double)c->sent * CHUNK / RATE) return;
    char data[128];
    sprintf(data, "{\"rate\":16000,\"width\":2,\"channels\":1,\"timestamp\":%ld}",
            c->sent * CHUNK * 1000 / RATE);
    c->out = event(c->output, "audio-chunk", data, pcm + 2 * CHUNK * c->sent, 2 * CHUNK);
    c->written = 0;
    c->sent_at[c->sent++] = now();
  }
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double percentile(double share) {
  return latency_count ? 1e3 * latencies[(size_t)(share * (latency_count - 1))] : 0;
}

int main(int argc, char **argv) {
  if (argc != 5) {
    fputs("usage: load clients|subscribers ADDRESS N PCM|SECONDS\n", stderr);
    return 64;
  }
  int streams = !strcmp(argv[1], "clients");
  int count = atoi(argv[3]);
  double seconds = streams ? 0 : atof(argv[4]);
  if (streams) {
    FILE *file = fopen(argv[4], "rb");
    if (!file) fail(argv[4]);
    fseek(file, 0, SEEK_END);
    pcm_chunks = ftell(file) / (2 * CHUNK);
    if (pcm_chunks > MOST_CHUNKS) pcm_chunks = MOST_CHUNKS;
    rewind(file);
    pcm = malloc(2 * CHUNK * pcm_chunks);
    if (fread(pcm, 2 * CHUNK, pcm_chunks, file) != pcm_chunks) fail(argv[4]);
  }
  struct rlimit files = {65536, 65536};
  if (setrlimit(RLIMIT_NOFILE, &files)) {
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  int poll = epoll_create1(0);
  Client *clients = calloc(count, sizeof *clients);
  double begin = now();
  for (int i = 0; i < count; i++) {
    Client *c = clients + i;
    c->socket = connect_to(argv[2]);
    c->input = malloc(ROOM);
    // Spread over a chunk's time and a bit more, so that no two are due together.
    c->start = begin + 1 + 2.0 * i / count;
    if (streams) {
      c->sent_at = calloc(pcm_chunks, sizeof *c->sent_at);
      c->out = event(c->output, "detect", "{\"names\":null}", 0, 0);
      c->out += event(c->output + c->out, "audio-start",
                      "{\"rate\":16000,\"width\":2,\"channels\":1}", 0, 0);
    } else {
      c->out = event(c->output, "subscribe", "{\"events\":[\"attention\",\"detection\"]}", 0, 0);
    }
    advance(c);
    struct epoll_event watch = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(poll, EPOLL_CTL_ADD, c->socket, &watch);
  }
  double length = streams ? 3 + (double)pcm_chunks * CHUNK / RATE + 1 : seconds;
  while (now() < begin + length) {
    struct epoll_event ready[256];
    int got = epoll_wait(poll, ready, 256, 2);
    for (int i = 0; i < got; i++) {
      Client *c = ready[i].data.ptr;
      if (c->ended) {
        epoll_ctl(poll, EPOLL_CTL_DEL, c->socket, 0);
        continue;
      }
      receive(c);
    }
    if (streams)
      for (int i = 0; i < count; i++) advance(clients + i);
  }
  long detections = 0, least = -1, most = 0, frames = 0, dropped = 0, ended = 0, late = 0;
  for (int i = 0; i < count; i++) {
    Client *c = clients + i;
    detections += c->detections;
    if (least < 0 || c->detections < least) least = c->detections;
    if (c->detections > most) most = c->detections;
    frames += c->frames;
    dropped += c->dropped;
    ended += c->ended;
    late += streams && c->sent < (long)pcm_chunks;
  }
  qsort(latencies, latency_count, sizeof *latencies, ascending);
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  double own = used.ru_utime.tv_sec + used.ru_stime.tv_sec +
               1e-6 * (used.ru_utime.tv_usec + used.ru_stime.tv_usec);
  if (streams)
    printf("%d clients, %.1f s each: %ld detections (%ld to %ld each), latency ms p50 %.1f p99 %.1f "
           "max %.1f, %ld ended early, %ld behind; load itself %.1f %% of a core\n",
           count, (double)pcm_chunks * CHUNK / RATE, detections, least, most, percentile(0.5),
           percentile(0.99), percentile(1), ended, late, 100 * own / (now() - begin));
  else
    printf("%d subscribers, %.1f s: %ld frames read, %ld dropped, %ld ended early; load itself "
           "%.1f %% of a core\n",
           count, seconds, frames, dropped, ended, 100 * own / (now() - begin));
  return 0;
}
