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
  int64_t y_place;     /* from one place of the result to the next */
  int64_t height;      /* rows of the window */
  int64_t cells;       /* pieces of each row of the window that lie apart in x */
  int64_t run;         /* numbers in each piece */
  int64_t row_step;    /* from a window to the one below */
  int64_t place_step;  /* from a window to the next in its row */
  int64_t row_gap;     /* from one row of the window to the next */
  int64_t cell_gap;    /* from one piece to the next */
  int64_t outputs;     /* from one row of the kernel to the next */
  int64_t first, last; /* the outputs to compute, at least one vector of them */
  int relu;            /* whether negative results become zero */
} Part;

typedef void Compute(const Part *part);

Compute lamina_compute_4, lamina_compute_8, lamina_compute_16;

/* Some 2x2 tiles of the result of a 3x3 window without steps, by Winograd's algorithm. */
typedef struct {
  const float *x;       /* (images, size[0], size[1], channels) */
  const float *weights; /* (16, channels, outputs), from `Weights` */
  const float *bias;    /* (outputs,); NULL for none */
  float *y;             /* (images, result[0], result[1], outputs) */
  int64_t size[2], result[2], before[2];
  int64_t channels, outputs; /* several vectors of channels, at least two of outputs */
  int64_t first, count;      /* tiles; counted along rows, columns and images */
  float *room; /* for channels + 16 * count * (channels + two vectors) numbers */
  int relu;
} Tiles;

typedef void ComputeTiles(const Tiles *tiles);

/* The weights for a part of the channels and outputs, of which there are `size`, at least one vector. */
typedef void Weights(const float *kernel, int64_t size, int64_t first, int64_t end, float *weights);

ComputeTiles lamina_tiles_4, lamina_tiles_8, lamina_tiles_16;
Weights lamina_weights_4, lamina_weights_8, lamina_weights_16;

#endif
