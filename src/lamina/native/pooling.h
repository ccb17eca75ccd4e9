/* Pooling of float32 over two axes, channels last, on all threads of a pool. */

#ifndef LAMINA_POOLING_H
#define LAMINA_POOLING_H

#include "pool.h"
#include "processor.h"

typedef struct {
  const float *x; /* (images, size[0], size[1], channels) */
  float *y;       /* (images, result[0], result[1], channels) */
  int64_t images, channels;
  int64_t size[2], window[2], step[2], result[2];
  int means; /* rather than the largest numbers */
} Pooling;

/* Gives 0 if there was no memory. There are at least `lamina_fewest` channels. */
int lamina_pool_windows(const Pooling *pooling, const Threads *threads);

#endif
