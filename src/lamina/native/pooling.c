/* How pooling is divided into tasks: some rows of the result each, or, where these are fewer than
   threads, some channels of a row. */

#include "pooling.h"
#include "sizes.h"

enum {
  TASK_NUMBERS = 32 << 10, /* read by each task, at least: some microseconds */
  PART_VECTORS = 4         /* of channels that are walked through together */
};

typedef struct {
  Pooling pooling;
  Pool *pool;
  int64_t rows, each;  /* of all images, and of a task */
  int64_t part, parts; /* channels of a part, but for the last, and number of parts */
} Division;

static int run_rows(const void *what, int64_t task, float **unused) {
  (void)unused;
  const Division *division = what;
  const Pooling *pooling = &division->pooling;
  const int64_t row = pooling->size[1] * pooling->channels;
  const int64_t part = task % division->parts, group = task / division->parts;
  const int64_t end = least((group + 1) * division->each, division->rows);
  for (int64_t at = group * division->each; at < end; at++) {
    const int64_t image = at / pooling->result[0], place = at % pooling->result[0];
    const Pooled here = {
        .x = pooling->x + (image * pooling->size[0] + place * pooling->step[0]) * row,
        .y = pooling->y + at * pooling->result[1] * pooling->channels,
        .places = pooling->result[1],
        .window = {pooling->window[0], pooling->window[1]},
        .row = row,
        .step = pooling->step[1],
        .channels = pooling->channels,
        .begin = part * division->part,
        .end = part + 1 == division->parts ? pooling->channels : (part + 1) * division->part,
        .means = pooling->means,
    };
    division->pool(&here);
  }
  return 1;
}

int lamina_pool_windows(const Pooling *pooling, const Threads *threads) {
  const int64_t numbers = pooling->result[1] * pooling->channels * pooling->window[0] *
                          pooling->window[1]; /* for each row of the result */
  const Kernels *kernels = lamina_kernels(pooling->channels);
  Division division = {.pooling = *pooling, .pool = kernels->pool, .parts = 1};
  division.rows = pooling->images * pooling->result[0];
  division.each = most(1, TASK_NUMBERS / numbers);
  const int64_t grain = PART_VECTORS * kernels->width;
  division.part = pooling->channels;
  if (division.rows < threads->count && numbers > TASK_NUMBERS) {
    const int64_t vectors = ceiling(pooling->channels, ceiling(numbers, TASK_NUMBERS));
    division.part = ceiling(vectors, grain) * grain;
    division.parts = ceiling(pooling->channels - kernels->width + 1, division.part);
  }
  const int64_t tasks = ceiling(division.rows, division.each) * division.parts;
  const Work work = {&division, sizeof division, NULL, {run_rows, tasks}, {0}};
  return lamina_run(threads, tasks, &work);
}
