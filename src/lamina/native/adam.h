/* A step of Adam over all weights, on all threads of a pool. */

#ifndef LAMINA_ADAM_H
#define LAMINA_ADAM_H

#include "pool.h"
#include "processor.h"

typedef struct {
  const Moments *weights; /* one for each */
  int64_t count;          /* of them */
} Adam;

/* The numbers of all weights. */
int64_t lamina_adam_numbers(const Adam *adam);

/* Gives 0 if there was no memory. */
int lamina_adam_step(const Adam *adam, const Threads *threads);

#endif
