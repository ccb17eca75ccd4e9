/* The gradient of a convolution's kernel: of each number of it, the sum over all places of the
   gradient there times the cell that it was multiplied by.

   That is a product of matrices for each cell of the window, with as many terms to a sum as there are
   places. They are taken in chunks: some rows of the result, or some images, whose gradients stay in
   a core's first caches while all numbers of the kernel go by. A task is a group of chunks, with sums
   of its own, or, where these would be too large, some outputs for a group. Chunks over an edge of the
   images are copied, with the zeros around them. */

#include "conv.h"
#include "sizes.h"

#include <stdlib.h>
#include <string.h>

enum {
  CHUNK_PLACES = 384,   /* at most */
  LEAST_CHUNKS = 2,     /* of a group */
  SUMS_BYTES = 8 << 20, /* of all groups, at most, where there are several */
  ROWS_PER_TASK = 16    /* of the kernel, whose sums are added up */
};

typedef struct {
  Gradient gradient;
  Compute *compute;
  int64_t width;                 /* of the vectors */
  int64_t images, rows, columns; /* of a chunk */
  int64_t bands, pieces;         /* chunks along rows and columns */
  int64_t chunks, groups;
  int64_t part, parts;           /* outputs of a part, but for the last, and number of parts */
  int64_t room;                  /* numbers of a row of the sums: of whole vectors */
  float *sums;                   /* (groups, window[0], window[1], channels, room) */
} Division;

static int64_t kernel_rows(const Conv *conv) {
  return conv->window[0] * conv->window[1] * conv->channels;
}

/* Add up what a chunk contributes to some outputs; `first` says whether it is the first one. */
static int add_chunk(const Division *division, int64_t chunk, int64_t part, int first, float *sums,
                     float **copy) {
  const Conv *conv = &division->gradient.conv;
  const int64_t piece = chunk % division->pieces, band = chunk / division->pieces % division->bands;
  const int64_t image = chunk / division->pieces / division->bands * division->images;
  const int64_t images = least(division->images, conv->images - image);
  const int64_t at[2] = {band * division->rows, piece * division->columns};
  const int64_t places[2] = {least(division->rows, conv->result[0] - at[0]),
                             least(division->columns, conv->result[1] - at[1])};
  int64_t from[2], size[2];
  int inside = 1;
  for (int axis = 0; axis < 2; axis++) {
    from[axis] = at[axis] * conv->step[axis] - conv->before[axis];
    size[axis] = lamina_reach(conv, axis, places[axis]);
    inside = inside && from[axis] >= 0 && from[axis] + size[axis] <= conv->size[axis];
  }
  int64_t width = conv->size[1], volume = conv->size[0] * conv->size[1] * conv->channels;
  const float *x = conv->x + image * volume;
  if (inside) {
    x += (from[0] * width + from[1]) * conv->channels;
  } else {
    const int64_t most_rows = lamina_reach(conv, 0, division->rows);
    const int64_t cells = division->images * most_rows * lamina_reach(conv, 1, division->columns);
    if (!*copy) *copy = malloc(cells * conv->channels * sizeof(float));
    if (!*copy) return 0;
    const int64_t taken = size[0] * size[1] * conv->channels;
    for (int64_t i = 0; i < images; i++)
      lamina_copy_part(conv, x + i * volume, from, size, *copy + i * taken);
    x = *copy;
    width = size[1];
    volume = taken;
  }
  const int64_t row = width * conv->channels;
  const int joined = conv->gap[1] == 1;
  Part here = {
      .kernel = division->gradient.of_y +
                ((image * conv->result[0] + at[0]) * conv->result[1] + at[1]) * conv->outputs,
      .rows = conv->window[0],
      .places = (joined ? conv->window[1] : 1) * conv->channels,
      .y_row = conv->window[1] * conv->channels * division->room,
      .y_place = division->room,
      .height = images,
      .cells = places[0],
      .run = places[1],
      .number_step = conv->step[1] * conv->channels,
      .row_step = conv->gap[0] * row,
      .place_step = 1,
      .row_gap = volume,
      .cell_gap = conv->step[0] * row,
      .outputs = conv->outputs,
      .adds = !first,
  };
  const int64_t begin = part * division->part;
  const int64_t end = part + 1 == division->parts ? conv->outputs : begin + division->part;
  const int64_t whole = begin + (end - begin) / division->width * division->width;
  for (int64_t cell = 0; cell < (joined ? 1 : conv->window[1]); cell++) {
    here.x = x + cell * conv->gap[1] * conv->channels;
    here.y = sums + cell * conv->channels * division->room;
    here.first = begin;
    here.last = whole;
    division->compute(&here);
    if (whole == end) continue;
    /* The last vector ends with the outputs; its sums come after those of the others. */
    here.first = end - division->width;
    here.last = end;
    here.y += whole - here.first;
    division->compute(&here);
  }
  return 1;
}

static int run_group(const void *what, int64_t task, float **copy) {
  const Division *division = what;
  const int64_t group = task % division->groups, part = task / division->groups;
  const int64_t begin = group * division->chunks / division->groups;
  const int64_t end = (group + 1) * division->chunks / division->groups;
  float *sums = division->sums + group * kernel_rows(&division->gradient.conv) * division->room;
  for (int64_t chunk = begin; chunk < end; chunk++)
    if (!add_chunk(division, chunk, part, chunk == begin, sums, copy)) return 0;
  return 1;
}

/* Add up the sums of all groups, for some rows of the kernel. */
static int run_rows(const void *what, int64_t task, float **unused) {
  (void)unused;
  const Division *division = what;
  const Conv *conv = &division->gradient.conv;
  const int64_t rows = kernel_rows(conv), outputs = conv->outputs, room = division->room;
  const int64_t first = task * ROWS_PER_TASK, last = least(first + ROWS_PER_TASK, rows);
  const int64_t whole = outputs / division->width * division->width;
  const int64_t shift = room - outputs; /* of the last vector, where that is not whole */
  for (int64_t row = first; row < last; row++) {
    float *to = division->gradient.of_kernel + row * outputs;
    for (int64_t group = 0; group < division->groups; group++) {
      const float *sums = division->sums + (group * rows + row) * room;
      if (!group) {
        memcpy(to, sums, whole * sizeof(float));
        memcpy(to + whole, sums + whole + shift, (outputs - whole) * sizeof(float));
        continue;
      }
      for (int64_t output = 0; output < whole; output++) to[output] += sums[output];
      for (int64_t output = whole; output < outputs; output++) to[output] += sums[output + shift];
    }
  }
  return 1;
}

/* Rows, columns and images of a chunk. */
static void divide_places(Division *division) {
  const Conv *conv = &division->gradient.conv;
  const int64_t *result = conv->result;
  division->pieces = ceiling(result[1], CHUNK_PLACES);
  division->columns = ceiling(result[1], division->pieces);
  division->pieces = ceiling(result[1], division->columns);
  const int64_t rows = division->pieces > 1 ? 1 : most(1, CHUNK_PLACES / result[1]);
  division->bands = ceiling(result[0], rows);
  division->rows = ceiling(result[0], division->bands);
  division->bands = ceiling(result[0], division->rows);
  const int alone = division->pieces > 1 || division->bands > 1;
  const int64_t images = alone ? 1 : most(1, CHUNK_PLACES / (result[0] * result[1]));
  division->images = least(images, conv->images);
  division->chunks = ceiling(conv->images, division->images) * division->bands * division->pieces;
}

int lamina_sum_gradients(const Gradient *gradient, const Threads *threads) {
  const Conv *conv = &gradient->conv;
  const Kernels *kernels = lamina_kernels(conv->outputs);
  Division division = {.gradient = *gradient, .compute = kernels->compute, .width = kernels->width};
  divide_places(&division);
  const int64_t wanted = lamina_tasks(threads, 1 + lamina_conv_products(conv) / TASK_PRODUCTS);
  division.room = ceiling(conv->outputs, kernels->width) * kernels->width;
  const int64_t numbers = kernel_rows(conv) * division.room;
  const int64_t fitting = SUMS_BYTES / (numbers * (int64_t)sizeof(float));
  const int64_t groups = least(wanted, least(division.chunks / LEAST_CHUNKS, fitting));
  division.groups = most(1, groups);
  const int64_t grain = 4 * kernels->width;
  division.part = most(conv->outputs / ceiling(wanted, division.groups) / grain, 1) * grain;
  division.parts = most(1, conv->outputs / division.part);
  const int direct = division.groups == 1 && division.room == conv->outputs;
  division.sums = direct ? gradient->of_kernel : malloc(division.groups * numbers * sizeof(float));
  if (!division.sums) return 0;
  const Stage sums = {run_group, division.groups * division.parts};
  const Stage rows = {run_rows, direct ? 0 : ceiling(kernel_rows(conv), ROWS_PER_TASK)};
  const Work work = {&division, sizeof division, direct ? NULL : division.sums, sums, rows};
  return lamina_run(threads, wanted, &work);
}
