/* Products of two matrices of float32, on all threads of a pool. */

#ifndef LAMINA_DOT_H
#define LAMINA_DOT_H

#include "pool.h"
#include "processor.h"

typedef struct {
  const float *x;      /* (rows, depth), or (depth, rows) where it is transposed */
  const float *kernel; /* (depth, outputs) */
  const float *bias;   /* (outputs,); NULL for none */
  float *y;            /* (rows, outputs) */
  int64_t rows, depth, outputs;
  int transposed;
  int relu; /* whether negative results become zero */
} Dot;

/* The multiplications of a product of matrices. */
double lamina_dot_products(const Dot *dot);

/* Each gives 0 if there was no memory. There are at least `lamina_fewest` outputs. */
int lamina_multiply_few(const Dot *dot, const Threads *threads);
int lamina_multiply(const Dot *dot, const Threads *threads);

#endif
