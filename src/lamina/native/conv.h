/* A convolution of float32 over two axes, channels last, on all threads of a pool. */

#ifndef LAMINA_CONV_H
#define LAMINA_CONV_H

#include "rows.h"

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
} Conv;

/* Lets a thread run a function some time, or never. */
typedef void Schedule(void *pool, void (*task)(void *data), void *data);

/* The fewest outputs that can be computed on this processor; 0 if none can. */
int lamina_fewest(void);

/* Use no wider vectors than these from now on; for tests. Gives the width in use, 0 for none. */
int lamina_use_widest(int most);

/* Whether there was memory for it; there are at least `lamina_fewest` outputs. */
int lamina_convolve(const Conv *conv, int64_t threads, Schedule *schedule, void *pool);

#endif
