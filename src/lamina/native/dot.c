/* How a product of one or two rows is divided into tasks: the matrix into pieces of its depth, which
   are added up in the end, and into stripes of outputs where there are many. */

#include "dot.h"
#include "sizes.h"

#include <stdlib.h>

enum {
  TASK_BYTES = 64 << 10, /* of the matrix: some microseconds, as long as it takes to wake a thread */
  STRIPE = 6144,         /* sums, of all rows, that stay in a core's first cache */
  FEWEST_DEEP = 16       /* rows of the matrix for each piece */
};

typedef struct {
  Dot dot;
  const Kernels *kernels;
  float *parts; /* (pieces, stripes, rows, room) */
  int64_t pieces, deep;
  int64_t stripes, stripe, room;
} Division;

static int64_t end_of(int64_t number, int64_t count, int64_t each, int64_t all) {
  return number + 1 == count ? all : (number + 1) * each;
}

static int run_piece(const void *what, int64_t task, float **unused) {
  (void)unused;
  const Division *division = what;
  const Dot *dot = &division->dot;
  const int64_t piece = task / division->stripes, stripe = task % division->stripes;
  const Sums sums = {
      .x = dot->x,
      .kernel = dot->kernel,
      .y = division->parts + task * dot->rows * division->room,
      .rows = dot->rows,
      .depth = dot->depth,
      .outputs = dot->outputs,
      .room = division->room,
      .begin = piece * division->deep,
      .end = end_of(piece, division->pieces, division->deep, dot->depth),
      .first = stripe * division->stripe,
      .last = end_of(stripe, division->stripes, division->stripe, dot->outputs),
  };
  division->kernels->sums(&sums);
  return 1;
}

static int run_total(const void *what, int64_t stripe, float **unused) {
  (void)unused;
  const Division *division = what;
  const Dot *dot = &division->dot;
  const int64_t first = stripe * division->stripe, size = dot->rows * division->room;
  const int64_t last = end_of(stripe, division->stripes, division->stripe, dot->outputs);
  for (int64_t i = 0; i < dot->rows; i++) {
    const Row row = {
        .parts = division->parts + stripe * size + i * division->room,
        .bias = dot->bias ? dot->bias + first : NULL,
        .y = dot->y + i * dot->outputs + first,
        .count = division->pieces,
        .step = division->stripes * size,
        .outputs = last - first,
        .relu = dot->relu,
    };
    division->kernels->total(&row);
  }
  return 1;
}

int lamina_multiply_few(const Dot *dot, const Threads *threads) {
  Division division = {.dot = *dot, .kernels = lamina_kernels(dot->outputs)};
  const int64_t width = division.kernels->width;
  const int64_t bytes = dot->depth * dot->outputs * (int64_t)sizeof(float);
  const int64_t wanted = lamina_tasks(threads, most(1, bytes / TASK_BYTES));
  division.stripes = most(1, dot->outputs * dot->rows / STRIPE);
  division.stripe = dot->outputs / division.stripes / width * width;
  const int64_t pieces = most(1, least(wanted / division.stripes, dot->depth / FEWEST_DEEP));
  division.deep = ceiling(ceiling(dot->depth, pieces), 8) * 8;
  division.pieces = ceiling(dot->depth, division.deep);
  const int64_t widest = dot->outputs - (division.stripes - 1) * division.stripe;
  division.room = ceiling(widest, width) * width;
  const int64_t tasks = division.pieces * division.stripes;
  division.parts = malloc(tasks * dot->rows * division.room * sizeof(float));
  if (!division.parts) return 0;
  const Stage pieces_first = {run_piece, tasks}, totals = {run_total, division.stripes};
  const Work work = {&division, sizeof division, division.parts, pieces_first, totals};
  return lamina_run(threads, wanted, &work);
}
