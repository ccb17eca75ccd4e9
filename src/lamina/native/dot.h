/* Products of a few rows with a matrix of float32, on all threads of a pool. */

#ifndef LAMINA_DOT_H
#define LAMINA_DOT_H

#include "pool.h"
#include "processor.h"

typedef struct {
  const float *x;      /* (rows, depth) */
  const float *kernel; /* (depth, outputs) */
  const float *bias;   /* (outputs,); NULL for none */
  float *y;            /* (rows, outputs) */
  int64_t rows, depth, outputs;
  int relu; /* whether negative results become zero */
} Dot;

/* Gives 0 if there was no memory. There are at least `lamina_fewest` outputs. */
int lamina_multiply(const Dot *dot, const Threads *threads);

#endif
