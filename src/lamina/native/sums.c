/* Products of a few rows with a matrix, for vectors of WIDTH numbers.

   Rows of the matrix are added up, eight at a time, each times a number: so the matrix is read once,
   from its beginning to its end. Processors do not see by themselves what comes next in so many
   places. */

#include "rows.h"
#include "vectors.h"

#include <stddef.h>

enum { GROUP = 8, LONG = 2048, AHEAD = 512 };

/* Add some rows of the matrix, times their numbers, to sums that are there or begin. */
ALWAYS void add_rows(const Sums *sums, int64_t at, int group, int begin) {
  const int64_t outputs = sums->outputs, size = sums->last - sums->first;
  const float *row = sums->kernel + at * outputs + sums->first;
  const int64_t ahead = outputs < LONG ? GROUP * outputs : AHEAD; /* the next eight, or further on */
  for (int64_t to = 0; to < size; to += WIDTH) {
    const int64_t from = to + WIDTH > size ? size - WIDTH : to;
    Vector weights[GROUP];
#pragma GCC unroll 8
    for (int i = 0; i < group; i++) {
      __builtin_prefetch(row + i * outputs + from + ahead);
      weights[i] = load(row + i * outputs + from);
    }
    for (int64_t m = 0; m < sums->rows; m++) {
      const float *numbers = sums->x + m * sums->depth + at;
      float *place = sums->y + m * sums->room + to;
      Vector sum = begin ? (Vector){0} : load(place);
#pragma GCC unroll 8
      for (int i = 0; i < group; i++) sum += weights[i] * numbers[i];
      store(place, sum);
    }
  }
}

void NAMED(lamina_sums_)(const Sums *sums) {
  int64_t at = sums->begin;
  if (sums->end - at < GROUP) {
    add_rows(sums, at++, 1, 1);
  } else {
    add_rows(sums, at, GROUP, 1);
    at += GROUP;
  }
  for (; at + GROUP <= sums->end; at += GROUP) add_rows(sums, at, GROUP, 0);
  for (; at < sums->end; at++) add_rows(sums, at, 1, 0);
}

void NAMED(lamina_total_)(const Row *row) {
  for (int64_t to = 0; to < row->outputs; to += WIDTH) {
    const int64_t from = to + WIDTH > row->outputs ? row->outputs - WIDTH : to;
    Vector sum = load(row->parts + to);
    for (int64_t i = 1; i < row->count; i++) sum += load(row->parts + i * row->step + to);
    if (row->bias) sum += load(row->bias + from);
    store(row->y + from, row->relu ? rectified(sum) : sum);
  }
}
