/* The inner loops of a convolution of float32 over two axes, channels last. */

#ifndef LAMINA_ROWS_H
#define LAMINA_ROWS_H

#include <stdint.h>

/* Windows that slide over a part of an image all of which is there. Steps and gaps count numbers. */
typedef struct {
  const float *x;      /* the first cell of the first window */
  const float *kernel; /* (height, cells * run, outputs) */
  const float *bias;   /* one for each output; NULL for none */
  float *y;            /* the first place of the result */
  int64_t rows;        /* of the result */
  int64_t places;      /* in each of these rows */
  int64_t y_row;       /* from one row of the result to the next */
  int64_t height;      /* rows of the window */
  int64_t cells;       /* pieces of each row of the window that lie apart in x */
  int64_t run;         /* numbers in each piece */
  int64_t row_step;    /* from a window to the one below */
  int64_t place_step;  /* from a window to the next in its row */
  int64_t row_gap;     /* from one row of the window to the next */
  int64_t cell_gap;    /* from one piece to the next */
  int64_t outputs;     /* of the kernel */
  int64_t first, last; /* the outputs to compute, at least one vector of them */
  int relu;            /* whether negative results become zero */
} Part;

typedef void Compute(const Part *part);

Compute lamina_compute_4, lamina_compute_8, lamina_compute_16;

#endif
