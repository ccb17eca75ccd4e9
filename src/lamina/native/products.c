/* How a product of several rows is divided into tasks: tiles of rows that stay in a core's second
   cache, by parts of the outputs whose weights do. All tiles of a part come one after the other. */

#include "dot.h"
#include "sizes.h"

enum {
  FEW = 2, /* rows up to which the matrix is divided along its depth */
  TILE_BYTES = 256 << 10,
  PART_BYTES = 192 << 10,
  TILE_LEAST = 14 /* rows that are divided no further */
};

typedef struct {
  Dot dot;
  Compute *compute;
  int64_t tile, tiles; /* rows of a tile, and number of tiles */
  int64_t part, parts; /* outputs of a part, and number of parts */
} Division;

static int run_task(const void *what, int64_t task, float **unused) {
  (void)unused;
  const Division *division = what;
  const Dot *dot = &division->dot;
  const int64_t part = task / division->tiles, first = task % division->tiles * division->tile;
  const int64_t row_step = dot->transposed ? 1 : dot->depth;
  const Part here = {
      .x = dot->x + first * row_step,
      .kernel = dot->kernel,
      .bias = dot->bias,
      .y = dot->y + first * dot->outputs,
      .rows = 1,
      .places = least(division->tile, dot->rows - first),
      .y_place = dot->outputs,
      .height = 1,
      .cells = 1,
      .run = dot->depth,
      .number_step = dot->transposed ? dot->rows : 1,
      .place_step = row_step,
      .outputs = dot->outputs,
      .first = part * division->part,
      .last = part + 1 == division->parts ? dot->outputs : (part + 1) * division->part,
      .relu = dot->relu,
  };
  division->compute(&here);
  return 1;
}

/* Divide into tiles of about that many rows. */
static void divide_rows(Division *division, int64_t tile) {
  division->tiles = ceiling(division->dot.rows, tile);
  division->tile = ceiling(division->dot.rows, division->tiles);
  division->tiles = ceiling(division->dot.rows, division->tile);
}

double lamina_dot_products(const Dot *dot) {
  return (double)dot->rows * dot->depth * dot->outputs;
}

int lamina_multiply(const Dot *dot, const Threads *threads) {
  const int in_rows = !dot->transposed || dot->rows == 1; /* a column is a row, too */
  if (dot->rows <= FEW && in_rows) return lamina_multiply_few(dot, threads);
  const Kernels *kernels = lamina_kernels(dot->outputs);
  Division division = {.dot = *dot, .compute = kernels->compute};
  const int64_t row = dot->depth * (int64_t)sizeof(float);
  const int64_t wanted = lamina_tasks(threads, 1 + lamina_dot_products(dot) / TASK_PRODUCTS);
  const int64_t fitting = most(TILE_LEAST, TILE_BYTES / row);
  divide_rows(&division, 2 * dot->rows <= 3 * fitting ? dot->rows : fitting);
  const int64_t grain = 4 * kernels->width;
  const int64_t parts = most(ceiling(wanted, division.tiles), ceiling(row * dot->outputs, PART_BYTES));
  division.part = most(dot->outputs / parts / grain, 1) * grain;
  division.parts = most(1, dot->outputs / division.part);
  if (division.tiles * division.parts < wanted)
    divide_rows(&division, most(TILE_LEAST, dot->rows / ceiling(wanted, division.parts)));
  const int64_t tasks = division.tiles * division.parts;
  const Work work = {&division, sizeof division, NULL, {run_task, tasks}, {0}};
  return lamina_run(threads, wanted, &work);
}
