/* A convolution of float32 over two axes, channels last, on all threads of a pool. */

#ifndef LAMINA_CONV_H
#define LAMINA_CONV_H

#include "pool.h"
#include "processor.h"

typedef struct {
  const float *x;      /* (images, size[0], size[1], channels) */
  const float *kernel; /* (window[0], window[1], channels, outputs) */
  const float *bias;   /* (outputs,); NULL for none */
  float *y;            /* (images, result[0], result[1], outputs) */
  int64_t images, channels, outputs;
  int64_t size[2], window[2], result[2];
  int64_t before[2]; /* zeros before each axis; those after it follow from the sizes */
  int64_t step[2];   /* from one window to the next */
  int64_t gap[2];    /* from one cell of a window to the next */
  int relu;          /* whether negative results become zero */
  int exact;         /* whether each result is the sum of its own products, and of nothing else */
} Conv;

/* The multiplications of a convolution. */
double lamina_conv_products(const Conv *conv);

/* Each gives 0 if there was no memory. There are at least `lamina_fewest` outputs. */
int lamina_convolve(const Conv *conv, const Threads *threads);
int lamina_winograd(const Conv *conv, const Threads *threads, const Kernels *kernels);

/* The gradient of a convolution's kernel. */
typedef struct {
  Conv conv;         /* without kernel, bias and y */
  const float *of_y; /* the gradient of the result, of its shape */
  float *of_kernel;  /* of the shape of the kernel */
} Gradient;

/* Gives 0 if there was no memory. */
int lamina_sum_gradients(const Gradient *gradient, const Threads *threads);

/* Cells of an image that the windows of some places see, from the first to the last. */
int64_t lamina_reach(const Conv *conv, int axis, int64_t places);

/* Copy a part of an image; what lies outside of the image is zero. */
void lamina_copy_part(const Conv *conv, const float *image, const int64_t from[2],
                      const int64_t size[2], float *to);

/* Whether `lamina_winograd` takes a convolution, and is faster. */
int lamina_winograd_suits(const Conv *conv, const Threads *threads, const Kernels *kernels);

#endif
