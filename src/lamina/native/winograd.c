/* 3x3 windows without steps by Winograd's F(2x2, 3x3): see `tiles.c`.

   Each thread transforms for itself what all its tasks need, where that is little: what another
   core has written is slow to read. Where there are few tiles, a task is two vectors of outputs,
   and a thread keeps the transformed cells of all tiles. Otherwise a task is a group of tiles, and a
   thread keeps the weights of all outputs; only where these are too many for its second cache,
   threads transform them together, first. */

#include "conv.h"
#include "sizes.h"

#include <stdlib.h>
#include <string.h>

enum {
  FEWEST_CHANNELS = 32,   /* below, most of the time would be the transforms' */
  FEWEST_TILES = 8,       /* below, that of the weights would be, ... */
  FEWEST_GROUPED = 64,    /* ... and here, where a task is a group of tiles */
  MOST_FEW = 128,         /* tiles, above which a task is a group of them */
  ROOM_BYTES = 512 << 10, /* transformed cells of a group of tiles, in a core's second cache */
  OWN_BYTES = 640 << 10,  /* transformed weights of all outputs, of which each thread has its own */
  FEWEST_GROUP = 32,
  LARGEST_GROUP = 120,
  WEIGHTS_CHANNELS = 64   /* of a task, where threads share the weights */
};

typedef struct {
  Tiles tiles;
  const Kernels *kernels;
  const float *kernel;
  float *shared;        /* transformed weights of all parts; NULL where each thread has its own */
  int64_t outputs;      /* of a part: two vectors */
  int64_t parts;        /* the last may repeat outputs of the one before */
  int64_t size;         /* transformed weights of a part */
  int64_t own;          /* transformed weights for which each thread has room */
  int64_t pieces;       /* of the channels, where threads share the weights */
  int64_t count, group; /* tiles of all images, and whose cells a thread has at a time */
} Winograd;

static int64_t count_tiles(const Conv *conv) {
  return conv->images * ((conv->result[0] + 1) / 2) * ((conv->result[1] + 1) / 2);
}

/* Whether a task is a part of the outputs: where cells are fewer than weights. No two tasks may
   then write the same. */
static int goes_by_outputs(const Conv *conv, const Kernels *kernels) {
  const int64_t tiles = count_tiles(conv);
  return tiles <= MOST_FEW && tiles <= conv->outputs && conv->outputs % (2 * kernels->width) == 0;
}

int lamina_winograd_suits(const Conv *conv, const Threads *threads, const Kernels *kernels) {
  for (int axis = 0; axis < 2; axis++)
    if (conv->window[axis] != 3 || conv->step[axis] != 1 || conv->gap[axis] != 1) return 0;
  if (conv->exact || conv->channels < FEWEST_CHANNELS || conv->channels % kernels->width ||
      conv->outputs < 2 * kernels->width)
    return 0;
  const int by_outputs = goes_by_outputs(conv, kernels);
  const int64_t tiles = count_tiles(conv);
  const int64_t tasks = by_outputs ? conv->outputs / (2 * kernels->width) : tiles / FEWEST_GROUP;
  return tiles >= (by_outputs ? FEWEST_TILES : FEWEST_GROUPED) && 2 * tasks >= threads->count;
}

static int64_t first_output(const Winograd *winograd, int64_t part) {
  return least(part * winograd->outputs, winograd->tiles.outputs - winograd->outputs);
}

/* Transform the weights of a part for some channels. */
static void weigh(const Winograd *winograd, int64_t part, int64_t first, int64_t last,
                  float *weights) {
  const float *kernel = winograd->kernel + first_output(winograd, part);
  winograd->kernels->weights(kernel, winograd->tiles.channels, winograd->tiles.outputs, first, last,
                             weights);
}

static int run_weights(const void *what, int64_t task, float **unused) {
  (void)unused;
  const Winograd *winograd = what;
  const int64_t part = task / winograd->pieces, first = task % winograd->pieces * WEIGHTS_CHANNELS;
  weigh(winograd, part, first, least(first + WEIGHTS_CHANNELS, winograd->tiles.channels),
        winograd->shared + part * winograd->size);
  return 1;
}

/* Lay out what a thread has for itself: cells and products of a group of tiles, and weights. Gives 1
   where it is new, and below 0 if there is no memory. */
static int lay_out(const Winograd *winograd, float **room, Tiles *tiles, float **weights) {
  const int64_t cells = 16 * tiles->cells_matrix;
  const int64_t products = 16 * lamina_matrix(winograd->group, winograd->outputs);
  const int is_new = !*room;
  if (is_new) *room = malloc((cells + products + winograd->own) * sizeof(float));
  if (!*room) return -1;
  tiles->cells = *room;
  tiles->products = *room + cells;
  *weights = tiles->products + products;
  return is_new;
}

static int run_group(const void *what, int64_t task, float **room) {
  const Winograd *winograd = what;
  Tiles tiles = winograd->tiles;
  float *weights;
  const int is_new = lay_out(winograd, room, &tiles, &weights);
  if (is_new < 0) return 0;
  if (winograd->shared) weights = winograd->shared;
  for (int64_t part = 0; is_new && !winograd->shared && part < winograd->parts; part++)
    weigh(winograd, part, 0, tiles.channels, weights + part * winograd->size);
  tiles.first = task * winograd->group;
  tiles.count = least(winograd->group, winograd->count - tiles.first);
  winograd->kernels->cells(&tiles);
  for (int64_t part = 0; part < winograd->parts; part++) {
    tiles.output = first_output(winograd, part);
    tiles.weights = weights + part * winograd->size;
    winograd->kernels->tiles(&tiles);
  }
  return 1;
}

static int run_part(const void *what, int64_t part, float **room) {
  const Winograd *winograd = what;
  Tiles tiles = winograd->tiles;
  float *weights;
  const int is_new = lay_out(winograd, room, &tiles, &weights);
  if (is_new < 0) return 0;
  tiles.count = winograd->count;
  if (is_new) winograd->kernels->cells(&tiles);
  weigh(winograd, part, 0, tiles.channels, weights);
  tiles.output = first_output(winograd, part);
  tiles.weights = weights;
  winograd->kernels->tiles(&tiles);
  return 1;
}

/* Tiles of a task: as many as a core's second cache holds, and enough tasks for all threads, as large
   as each other. */
static int64_t group_size(const Winograd *winograd, const Threads *threads) {
  const int64_t fitting = ROOM_BYTES / (16 * winograd->tiles.channels * (int64_t)sizeof(float));
  const int64_t wanted = winograd->count / (TASKS_PER_THREAD * threads->count);
  const int64_t largest = most(FEWEST_GROUP, least(least(fitting, LARGEST_GROUP), wanted));
  return ceiling(winograd->count, ceiling(winograd->count, largest));
}

int lamina_winograd(const Conv *conv, const Threads *threads, const Kernels *kernels) {
  const int by_outputs = goes_by_outputs(conv, kernels);
  Winograd winograd = {.kernels = kernels, .kernel = conv->kernel};
  Tiles *tiles = &winograd.tiles;
  tiles->x = conv->x, tiles->bias = conv->bias, tiles->y = conv->y;
  for (int axis = 0; axis < 2; axis++) {
    tiles->size[axis] = conv->size[axis];
    tiles->result[axis] = conv->result[axis];
    tiles->before[axis] = conv->before[axis];
  }
  tiles->channels = conv->channels, tiles->outputs = conv->outputs, tiles->relu = conv->relu;
  winograd.outputs = 2 * kernels->width;
  winograd.parts = ceiling(conv->outputs, winograd.outputs);
  winograd.size = 16 * lamina_matrix(conv->channels, winograd.outputs);
  winograd.count = count_tiles(conv);
  winograd.group = by_outputs ? winograd.count : group_size(&winograd, threads);
  tiles->cells_matrix = lamina_matrix(winograd.group, conv->channels);
  const int64_t all = winograd.parts * winograd.size;
  const int shares = !by_outputs && all * (int64_t)sizeof(float) > OWN_BYTES;
  winograd.own = by_outputs ? winograd.size : shares ? 0 : all;
  float *room = malloc((conv->channels + (shares ? all : 0)) * sizeof(float));
  if (!room) return 0;
  memset(room, 0, conv->channels * sizeof(float));
  tiles->zeros = room;
  winograd.shared = shares ? room + conv->channels : NULL;
  winograd.pieces = ceiling(conv->channels, WEIGHTS_CHANNELS);
  const Stage weights = {run_weights, shares ? winograd.parts * winograd.pieces : 0};
  const int64_t tasks = by_outputs ? winograd.parts : ceiling(winograd.count, winograd.group);
  const Stage results = {by_outputs ? run_part : run_group, tasks};
  const Work work = {&winograd, sizeof winograd, room, weights, results};
  return lamina_run(threads, tasks, &work);
}
