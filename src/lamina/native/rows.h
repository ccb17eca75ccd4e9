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
  int64_t number_step; /* from one of these to the next */
  int64_t row_step;    /* from a window to the one below */
  int64_t place_step;  /* from a window to the next in its row */
  int64_t row_gap;     /* from one row of the window to the next */
  int64_t cell_gap;    /* from one piece to the next */
  int64_t outputs;     /* from one row of the kernel to the next */
  int64_t first, last; /* the outputs to compute, at least one vector of them */
  int relu;            /* whether negative results become zero */
  int adds;            /* whether sums begin with what is in y; there is no bias then */
} Part;

typedef void Compute(const Part *part);

Compute lamina_compute_4, lamina_compute_8, lamina_compute_16;

/* Some 2x2 tiles of the result of a 3x3 window without steps, by Winograd's algorithm: transformed
   cells and weights are 16 matrices each, and their products, transformed back, the result. A space
   follows each matrix, so that their numbers do not come to lie in the same part of a cache. */
typedef struct {
  const float *x;    /* (images, size[0], size[1], channels) */
  const float *bias; /* (outputs,); NULL for none */
  float *y;          /* (images, result[0], result[1], outputs) */
  int64_t size[2], result[2], before[2];
  int64_t channels, outputs; /* several vectors of channels, at least two of outputs */
  int64_t first, count;      /* tiles; counted along rows, columns and images */
  int64_t output;            /* first of the two vectors of outputs to compute */
  const float *zeros;        /* one for each channel */
  float *cells;              /* (16, tiles, channels), of which the first tile is `first` */
  int64_t cells_matrix;      /* from one matrix to the next */
  const float *weights;      /* (16, channels, two vectors), from `Weights` */
  float *products;           /* (16, tiles, two vectors), room for them */
  int relu;
} Tiles;

enum { MATRIX_SPACE = 16 };

/* The numbers of 16 matrices, and from one to the next. */
static inline int64_t lamina_matrix(int64_t rows, int64_t columns) {
  return rows * columns + MATRIX_SPACE;
}

typedef void ComputeTiles(const Tiles *tiles);

/* Transforms the window of some channels for two vectors of outputs. */
typedef void Weights(const float *kernel, int64_t channels, int64_t outputs, int64_t first,
                     int64_t last, float *weights);

ComputeTiles lamina_cells_4, lamina_cells_8, lamina_cells_16;
ComputeTiles lamina_tiles_4, lamina_tiles_8, lamina_tiles_16;
Weights lamina_weights_4, lamina_weights_8, lamina_weights_16;

/* A part of the product of a few rows with a matrix. */
typedef struct {
  const float *x;      /* (rows, depth) */
  const float *kernel; /* (depth, outputs) */
  float *y;            /* (rows, room), where room is that of whole vectors; the last of these ends
                          with the outputs, and may hold some of the one before again */
  int64_t rows, depth, outputs, room;
  int64_t begin, end;  /* of the depth, at least one */
  int64_t first, last; /* of the outputs, at least one vector */
} Sums;

typedef void AddUp(const Sums *sums);

/* Parts of one row that `Sums` has computed, to be added up. */
typedef struct {
  const float *parts; /* they lie `step` numbers apart */
  const float *bias;  /* for each output; NULL for none */
  float *y;
  int64_t count, step, outputs;
  int relu; /* whether negative results become zero */
} Row;

typedef void Total(const Row *row);

AddUp lamina_sums_4, lamina_sums_8, lamina_sums_16;
Total lamina_total_4, lamina_total_8, lamina_total_16;

/* Numbers that are normalized by channels, added to others, and rectified, or some of these. */
typedef struct {
  const float *x;     /* (rows, channels) */
  const float *mean;  /* one for each channel; NULL for neither mean nor scale */
  const float *scale; /* likewise */
  const float *shift; /* likewise; NULL for none */
  const float *other; /* of the shape of x; NULL for none */
  float *y;           /* likewise */
  int64_t rows, channels; /* at least one vector of channels */
  int relu;           /* whether negative results become zero */
} Each;

typedef void ComputeEach(const Each *each);

ComputeEach lamina_each_4, lamina_each_8, lamina_each_16;

/* A step of Adam for some numbers of a weight, in place. */
typedef struct {
  const float *gradient;
  float *value, *mean, *square; /* square: the average of squares of gradients */
  int64_t count;
  float rate, epsilon;
  float to_mean, to_square; /* the share of what is new in each average */
} Moments;

typedef void Move(const Moments *moments);

Move lamina_moments_4, lamina_moments_8, lamina_moments_16;

/* A part of one row of the result of pooling: the largest number of each window, or the mean. */
typedef struct {
  const float *x;  /* the first cell of the first window */
  float *y;        /* (places, channels) */
  int64_t places;  /* of the result */
  int64_t window[2];
  int64_t row;     /* numbers in a row of the image */
  int64_t step;    /* cells from one window to the next */
  int64_t channels;
  int64_t begin, end; /* channels to pool, at least one vector of them */
  int means;       /* rather than the largest numbers */
} Pooled;

typedef void Pool(const Pooled *pooled);

Pool lamina_pool_4, lamina_pool_8, lamina_pool_16;

#endif
