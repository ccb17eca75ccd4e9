/* 3x3 windows without steps by Winograd's F(2x2, 3x3): see `tiles.c`. */

#include "conv.h"
#include "sizes.h"

#include <stdlib.h>

enum {
  FEWEST_CHANNELS = 32,    /* below, most of the time would be the transforms' */
  FEWEST_TILES = 64,       /* below, that of the weights would be */
  ROOM_BYTES = 512 << 10,  /* transformed cells of a group of tiles, in a core's second cache */
  FEWEST_GROUP = 32,
  LARGEST_GROUP = 120,
  WEIGHTS_TASK = 1 << 14
};

typedef struct {
  Tiles tiles;
  const Kernels *kernels;
  const float *kernel;
  float *weights;
  int64_t count, group; /* tiles of all images, and of a task */
} Winograd;

static int64_t count_tiles(const Conv *conv) {
  return conv->images * ((conv->result[0] + 1) / 2) * ((conv->result[1] + 1) / 2);
}

int lamina_winograd_suits(const Conv *conv, const Kernels *kernels) {
  for (int axis = 0; axis < 2; axis++)
    if (conv->window[axis] != 3 || conv->step[axis] != 1 || conv->gap[axis] != 1) return 0;
  return !conv->exact && conv->channels >= FEWEST_CHANNELS &&
         conv->channels % kernels->width == 0 && conv->outputs >= 2 * kernels->width &&
         count_tiles(conv) >= FEWEST_TILES;
}

static int run_weights(const void *what, int64_t task, float **room) {
  (void)room;
  const Winograd *winograd = what;
  const int64_t size = winograd->tiles.channels * winograd->tiles.outputs;
  const int64_t first = task * WEIGHTS_TASK, end = least(first + WEIGHTS_TASK, size);
  winograd->kernels->weights(winograd->kernel, size, first, end, winograd->weights);
  return 1;
}

static int run_tiles(const void *what, int64_t task, float **room) {
  const Winograd *winograd = what;
  Tiles tiles = winograd->tiles;
  if (!*room) {
    const int64_t each = 16 * (tiles.channels + 2 * winograd->kernels->width);
    *room = malloc((tiles.channels + winograd->group * each) * sizeof(float));
    if (!*room) return 0;
  }
  tiles.room = *room;
  tiles.first = task * winograd->group;
  tiles.count = least(winograd->group, winograd->count - tiles.first);
  winograd->kernels->tiles(&tiles);
  return 1;
}

int lamina_winograd(const Conv *conv, const Threads *threads, const Kernels *kernels) {
  const int64_t size = conv->channels * conv->outputs;
  float *weights = malloc(16 * size * sizeof(float));
  if (!weights) return 0;
  Winograd winograd = {.kernels = kernels, .kernel = conv->kernel, .weights = weights};
  Tiles *tiles = &winograd.tiles;
  tiles->x = conv->x, tiles->weights = weights, tiles->bias = conv->bias, tiles->y = conv->y;
  for (int axis = 0; axis < 2; axis++) {
    tiles->size[axis] = conv->size[axis];
    tiles->result[axis] = conv->result[axis];
    tiles->before[axis] = conv->before[axis];
  }
  tiles->channels = conv->channels, tiles->outputs = conv->outputs, tiles->relu = conv->relu;
  winograd.count = count_tiles(conv);
  const int64_t fitting = ROOM_BYTES / (16 * conv->channels * (int64_t)sizeof(float));
  const int64_t wanted = winograd.count / (TASKS_PER_THREAD * threads->count);
  winograd.group = least(least(fitting, LARGEST_GROUP), wanted);
  if (winograd.group < FEWEST_GROUP) winograd.group = FEWEST_GROUP;
  const int64_t groups = ceiling(winograd.count, winograd.group);
  const int64_t pieces = ceiling(size, WEIGHTS_TASK);
  const int done =
      lamina_run(threads, pieces, run_weights, &winograd, pieces) &&
      lamina_run(threads, groups, run_tiles, &winograd, groups);
  free(weights);
  return done;
}
