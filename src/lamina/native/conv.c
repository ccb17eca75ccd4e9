/* How a convolution is divided into tasks, and who does them.

   A task is a part of the outputs, for a tile of places of one image. Tiles are small enough for the
   cells that their windows see to stay in a core's second cache, and so are parts for their weights:
   all tiles of a part come one after the other. Tiles over an edge of the image are copied, with the
   zeros around them, before they are computed; the others are read where they are. */

#include "conv.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#ifdef __x86_64__
#include <cpuid.h>
#endif
#ifdef _WIN32
#include <windows.h>
#define YIELD() SwitchToThread()
#else
#include <sched.h>
#define YIELD() sched_yield()
#endif

enum {
  TILE_BYTES = 128 << 10,
  PART_BYTES = 384 << 10,
  TILE_PLACES = 128,       /* most in a row, ... */
  TILE_LEAST = 14,         /* ... and what is divided no further */
  SHORT_ROW = 6,           /* places; below, blocks are larger with more outputs */
  TASK_PRODUCTS = 500000,  /* a few microseconds: as long as it takes to wake a thread */
  TASKS_PER_THREAD = 8,    /* so that threads which come late find some */
  SPINS = 4000
};

typedef struct {
  Conv conv;
  Compute *compute;
  int64_t tile[2], tiles[2]; /* places of a tile, and number of tiles, along each axis */
  int64_t part, parts;       /* outputs of a part, and number of parts */
  int64_t tasks;
  atomic_llong next, done;
  atomic_int users, failed;
} Job;

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t ceiling(int64_t a, int64_t b) { return (a + b - 1) / b; }

#ifdef __x86_64__
/* The widest vectors of this processor that the system keeps for each thread. */
static int widest(void) {
  unsigned a, b, c, d, low, high;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_FMA) || !(c & bit_OSXSAVE)) return 0;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & bit_AVX2) || (low & 0x6) != 0x6) return 0;
  const unsigned wanted = bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL;
  return (b & wanted) == wanted && (low & 0xe0) == 0xe0 ? 16 : 8;
}
#else
static int widest(void) { return 4; }
#endif

/* The widest vectors in use; below 0 before they are known. To ask the processor takes as long as a
   small convolution, in a virtual machine. */
static atomic_int known = -1;

int lamina_use_widest(int most) {
  const int found = widest();
  atomic_store(&known, found < most ? found : most);
  return atomic_load(&known);
}

/* The widest vectors for some outputs; 0 if there are too few. */
static int width_for(int64_t outputs) {
  int width = atomic_load(&known);
  if (width < 0) width = lamina_use_widest(INT_MAX);
  while (width > outputs) width /= 2;
  return width < 4 ? 0 : width;
}

int lamina_fewest(void) { return width_for(INT_MAX) ? 4 : 0; }

static Compute *compute_for(int width) {
#ifdef __x86_64__
  if (width == 16) return lamina_compute_16;
  if (width == 8) return lamina_compute_8;
#endif
  return width == 4 ? lamina_compute_4 : NULL;
}

/* Cells of an image that the windows of some places see, from the first to the last. */
static int64_t reach(const Conv *conv, int axis, int64_t places) {
  return (places - 1) * conv->step[axis] + (conv->window[axis] - 1) * conv->gap[axis] + 1;
}

/* Copy a part of an image; what lies outside of the image is zero. */
static void copy_part(const Conv *conv, const float *image, const int64_t from[2],
                      const int64_t size[2], float *to) {
  const int64_t width = size[1] * conv->channels;
  const int64_t skipped = least(most(-from[1], 0), size[1]);
  const int64_t found = most(least(size[1], conv->size[1] - from[1]) - skipped, 0);
  const int64_t left = skipped * conv->channels, there = found * conv->channels;
  for (int64_t row = 0; row < size[0]; row++, to += width) {
    const int64_t at = from[0] + row;
    if (at < 0 || at >= conv->size[0] || !found) {
      memset(to, 0, width * sizeof(float));
      continue;
    }
    memset(to, 0, left * sizeof(float));
    memcpy(to + left, image + (at * conv->size[1] + from[1] + skipped) * conv->channels,
           there * sizeof(float));
    memset(to + left + there, 0, (width - left - there) * sizeof(float));
  }
}

/* One task; `copy` has room for the largest tile once it was needed. */
static int run_task(const Job *job, int64_t task, float **copy) {
  const Conv *conv = &job->conv;
  const int64_t tile[2] = {task / job->tiles[1] % job->tiles[0], task % job->tiles[1]};
  task /= job->tiles[0] * job->tiles[1];
  const int64_t image = task % conv->images, part = task / conv->images;
  const float *x = conv->x + image * conv->size[0] * conv->size[1] * conv->channels;
  int64_t first[2], places[2], from[2], size[2];
  int inside = 1;
  for (int axis = 0; axis < 2; axis++) {
    first[axis] = tile[axis] * job->tile[axis];
    places[axis] = least(job->tile[axis], conv->result[axis] - first[axis]);
    from[axis] = first[axis] * conv->step[axis] - conv->before[axis];
    size[axis] = reach(conv, axis, places[axis]);
    inside = inside && from[axis] >= 0 && from[axis] + size[axis] <= conv->size[axis];
  }
  int64_t width = conv->size[1];
  if (inside) {
    x += (from[0] * width + from[1]) * conv->channels;
  } else {
    if (!*copy) {
      const int64_t cells = reach(conv, 0, job->tile[0]) * reach(conv, 1, job->tile[1]);
      *copy = malloc(cells * conv->channels * sizeof(float));
      if (!*copy) return 0;
    }
    copy_part(conv, x, from, size, *copy);
    x = *copy;
    width = size[1];
  }
  const int joined = conv->gap[1] == 1 || conv->window[1] == 1;
  const int64_t row = width * conv->channels, y_row = conv->result[1] * conv->outputs;
  const Part what = {
      .x = x,
      .kernel = conv->kernel,
      .bias = conv->bias,
      .y = conv->y + (image * conv->result[0] + first[0]) * y_row + first[1] * conv->outputs,
      .rows = places[0],
      .places = places[1],
      .y_row = y_row,
      .height = conv->window[0],
      .cells = joined ? 1 : conv->window[1],
      .run = (joined ? conv->window[1] : 1) * conv->channels,
      .row_step = conv->step[0] * row,
      .place_step = conv->step[1] * conv->channels,
      .row_gap = conv->gap[0] * row,
      .cell_gap = conv->gap[1] * conv->channels,
      .outputs = conv->outputs,
      .first = part * job->part,
      .last = part + 1 == job->parts ? conv->outputs : (part + 1) * job->part,
      .relu = conv->relu,
  };
  job->compute(&what);
  return 1;
}

/* Do tasks until none is left. */
static void work(Job *job) {
  float *copy = NULL;
  for (int64_t task; (task = atomic_fetch_add(&job->next, 1)) < job->tasks;) {
    if (!run_task(job, task, &copy)) atomic_store(&job->failed, 1);
    atomic_fetch_add(&job->done, 1);
  }
  free(copy);
}

static void leave(Job *job) {
  if (atomic_fetch_sub(&job->users, 1) == 1) free(job);
}

static void help(void *data) {
  work(data);
  leave(data);
}

static int64_t count_tiles(Job *job) {
  for (int axis = 0; axis < 2; axis++)
    job->tiles[axis] = ceiling(job->conv.result[axis], job->tile[axis]);
  return job->conv.images * job->tiles[0] * job->tiles[1];
}

/* Divide into at least as many tasks as are wanted, if the sizes allow. */
static void divide(Job *job, int64_t wanted, int width) {
  const Conv *conv = &job->conv;
  const int64_t *result = conv->result, channels = conv->channels;
  job->tile[1] = 2 * result[1] <= 3 * TILE_PLACES ? result[1] : TILE_PLACES;
  const int64_t row = reach(conv, 1, job->tile[1]) * channels * (int64_t)sizeof(float);
  job->tile[0] = 1;
  while (job->tile[0] < result[0] && reach(conv, 0, job->tile[0] + 1) * row <= TILE_BYTES)
    job->tile[0]++;
  int64_t tiles = count_tiles(job);
  if (tiles < wanted && job->tile[0] > 1) {
    const int64_t bands = ceiling(wanted, conv->images * job->tiles[1]);
    job->tile[0] = least(job->tile[0], most(1, result[0] / bands));
    tiles = count_tiles(job);
  }
  if (tiles < wanted && job->tile[1] > 2 * TILE_LEAST) {
    const int64_t columns = ceiling(wanted, conv->images * job->tiles[0]);
    job->tile[1] = least(job->tile[1], most(TILE_LEAST, result[1] / columns));
    tiles = count_tiles(job);
  }
  const int64_t weights = conv->window[0] * conv->window[1] * channels * (int64_t)sizeof(float);
  const int64_t parts = most(ceiling(wanted, tiles), ceiling(weights * conv->outputs, PART_BYTES));
  const int64_t grain = (result[1] < SHORT_ROW ? 4 : 2) * width;
  job->part = most(conv->outputs / parts / grain, 1) * grain;
  job->parts = most(1, conv->outputs / job->part);
  job->tasks = tiles * job->parts;
}

int lamina_convolve(const Conv *conv, int64_t threads, Schedule *schedule, void *pool) {
  Job *job = malloc(sizeof *job);
  if (!job) return 0;
  job->conv = *conv;
  Conv *own = &job->conv;
  int plain = 1;
  for (int axis = 0; axis < 2; axis++)
    plain = plain && own->window[axis] == 1 && own->step[axis] == 1 && !own->before[axis] &&
            own->result[axis] == own->size[axis];
  if (plain) {
    /* A product at each place: rows and images are of no interest. */
    own->result[1] = own->size[1] *= own->size[0] * own->images;
    own->result[0] = own->size[0] = own->images = 1;
  }
  const int width = width_for(own->outputs);
  job->compute = compute_for(width);
  const double products = (double)own->images * own->result[0] * own->result[1] * own->outputs *
                          own->channels * own->window[0] * own->window[1];
  int64_t wanted = least((int64_t)(products / TASK_PRODUCTS), TASKS_PER_THREAD * threads);
  if (threads < 2) wanted = 1;
  divide(job, most(wanted, 1), width);
  const int64_t helpers = wanted > 1 ? least(threads, job->tasks) - 1 : 0;
  atomic_init(&job->next, 0);
  atomic_init(&job->done, 0);
  atomic_init(&job->failed, 0);
  atomic_init(&job->users, (int)(1 + helpers));
  for (int64_t helper = 0; helper < helpers; helper++) schedule(pool, help, job);
  work(job);
  /* Only for tasks that others have begun: those who come later find nothing to do. */
  for (int turn = 0; atomic_load(&job->done) < job->tasks; turn++)
    if (turn > SPINS) YIELD();
  const int failed = atomic_load(&job->failed);
  leave(job);
  return !failed;
}
