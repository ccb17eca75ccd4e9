/* How a convolution is divided into tasks.

   A task is a part of the outputs, for a tile of places of one image. Tiles are small enough for the
   cells that their windows see to stay in a core's second cache, and so are parts for their weights:
   all tiles of a part come one after the other. Tiles over an edge of the image are copied, with the
   zeros around them, before they are computed; the others are read where they are. */

#include "conv.h"
#include "sizes.h"

#include <stdlib.h>
#include <string.h>

enum {
  TILE_BYTES = 128 << 10,
  PART_BYTES = 384 << 10,
  TILE_PLACES = 128, /* most in a row, ... */
  TILE_LEAST = 14,   /* ... and what is divided no further */
  SHORT_ROW = 6      /* places; below, blocks are larger with more outputs */
};

typedef struct {
  Conv conv;
  Compute *compute;
  int64_t tile[2], tiles[2]; /* places of a tile, and number of tiles, along each axis */
  int64_t part, parts;       /* outputs of a part, and number of parts */
} Division;

int64_t lamina_reach(const Conv *conv, int axis, int64_t places) {
  return (places - 1) * conv->step[axis] + (conv->window[axis] - 1) * conv->gap[axis] + 1;
}

void lamina_copy_part(const Conv *conv, const float *image, const int64_t from[2],
                      const int64_t size[2], float *to) {
  const int64_t width = size[1] * conv->channels;
  const int64_t skipped = most(-from[1], 0);
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
static int run_task(const void *what, int64_t task, float **copy) {
  const Division *division = what;
  const Conv *conv = &division->conv;
  const int64_t tile[2] = {task / division->tiles[1] % division->tiles[0], task % division->tiles[1]};
  task /= division->tiles[0] * division->tiles[1];
  const int64_t image = task % conv->images, part = task / conv->images;
  const float *x = conv->x + image * conv->size[0] * conv->size[1] * conv->channels;
  int64_t first[2], places[2], from[2], size[2];
  int inside = 1;
  for (int axis = 0; axis < 2; axis++) {
    first[axis] = tile[axis] * division->tile[axis];
    places[axis] = least(division->tile[axis], conv->result[axis] - first[axis]);
    from[axis] = first[axis] * conv->step[axis] - conv->before[axis];
    size[axis] = lamina_reach(conv, axis, places[axis]);
    inside = inside && from[axis] >= 0 && from[axis] + size[axis] <= conv->size[axis];
  }
  int64_t width = conv->size[1];
  if (inside) {
    x += (from[0] * width + from[1]) * conv->channels;
  } else {
    if (!*copy) {
      const int64_t rows = lamina_reach(conv, 0, division->tile[0]);
      const int64_t cells = rows * lamina_reach(conv, 1, division->tile[1]);
      *copy = malloc(cells * conv->channels * sizeof(float));
      if (!*copy) return 0;
    }
    lamina_copy_part(conv, x, from, size, *copy);
    x = *copy;
    width = size[1];
  }
  const int joined = conv->gap[1] == 1 || conv->window[1] == 1;
  const int64_t row = width * conv->channels, y_row = conv->result[1] * conv->outputs;
  const Part here = {
      .x = x,
      .kernel = conv->kernel,
      .bias = conv->bias,
      .y = conv->y + (image * conv->result[0] + first[0]) * y_row + first[1] * conv->outputs,
      .rows = places[0],
      .places = places[1],
      .y_row = y_row,
      .y_place = conv->outputs,
      .height = conv->window[0],
      .cells = joined ? 1 : conv->window[1],
      .run = (joined ? conv->window[1] : 1) * conv->channels,
      .number_step = 1,
      .row_step = conv->step[0] * row,
      .place_step = conv->step[1] * conv->channels,
      .row_gap = conv->gap[0] * row,
      .cell_gap = conv->gap[1] * conv->channels,
      .outputs = conv->outputs,
      .first = part * division->part,
      .last = part + 1 == division->parts ? conv->outputs : (part + 1) * division->part,
      .relu = conv->relu,
  };
  division->compute(&here);
  return 1;
}

static int64_t count_tiles(Division *division) {
  for (int axis = 0; axis < 2; axis++)
    division->tiles[axis] = ceiling(division->conv.result[axis], division->tile[axis]);
  return division->conv.images * division->tiles[0] * division->tiles[1];
}

/* Divide into at least as many tasks as are wanted, if the sizes allow; gives their number. */
static int64_t divide(Division *division, int64_t wanted, int width) {
  const Conv *conv = &division->conv;
  const int64_t *result = conv->result, channels = conv->channels;
  division->tile[1] = 2 * result[1] <= 3 * TILE_PLACES ? result[1] : TILE_PLACES;
  const int64_t row = lamina_reach(conv, 1, division->tile[1]) * channels * (int64_t)sizeof(float);
  division->tile[0] = 1;
  while (division->tile[0] < result[0] &&
         lamina_reach(conv, 0, division->tile[0] + 1) * row <= TILE_BYTES)
    division->tile[0]++;
  int64_t tiles = count_tiles(division);
  if (tiles < wanted && division->tile[0] > 1) {
    const int64_t bands = ceiling(wanted, conv->images * division->tiles[1]);
    division->tile[0] = least(division->tile[0], most(1, result[0] / bands));
    tiles = count_tiles(division);
  }
  if (tiles < wanted && division->tile[1] > 2 * TILE_LEAST) {
    const int64_t columns = ceiling(wanted, conv->images * division->tiles[0]);
    division->tile[1] = least(division->tile[1], most(TILE_LEAST, result[1] / columns));
    tiles = count_tiles(division);
  }
  const int64_t weights = conv->window[0] * conv->window[1] * channels * (int64_t)sizeof(float);
  const int64_t parts = most(ceiling(wanted, tiles), ceiling(weights * conv->outputs, PART_BYTES));
  const int64_t grain = (result[1] < SHORT_ROW ? 4 : 2) * width;
  division->part = most(conv->outputs / parts / grain, 1) * grain;
  division->parts = most(1, conv->outputs / division->part);
  return tiles * division->parts;
}

/* Rows and images are of no interest to a product at each place. */
static void flatten(Conv *conv) {
  for (int axis = 0; axis < 2; axis++)
    if (conv->window[axis] != 1 || conv->step[axis] != 1 || conv->before[axis] ||
        conv->result[axis] != conv->size[axis])
      return;
  conv->result[1] = conv->size[1] *= conv->size[0] * conv->images;
  conv->result[0] = conv->size[0] = conv->images = 1;
}

double lamina_conv_products(const Conv *conv) {
  return (double)conv->images * conv->result[0] * conv->result[1] * conv->outputs * conv->channels *
         conv->window[0] * conv->window[1];
}

int lamina_convolve(const Conv *conv, const Threads *threads) {
  const Kernels *kernels = lamina_kernels(conv->outputs);
  if (lamina_winograd_suits(conv, threads, kernels)) return lamina_winograd(conv, threads, kernels);
  Division division = {.conv = *conv, .compute = kernels->compute};
  flatten(&division.conv);
  const int64_t wanted = lamina_tasks(threads, 1 + lamina_conv_products(conv) / TASK_PRODUCTS);
  const Stage all = {run_task, divide(&division, wanted, kernels->width)};
  const Work work = {&division, sizeof division, NULL, all, {0}};
  return lamina_run(threads, wanted, &work);
}
