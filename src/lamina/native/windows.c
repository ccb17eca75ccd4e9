/* Pooling, for vectors of WIDTH numbers. */

#include "rows.h"
#include "sizes.h"
#include "vectors.h"

enum { TOGETHER = 4 };

/* The larger number of each pair; what is not a number stays so. */
ALWAYS Vector larger(Vector best, Vector found) {
  const Bits better = (Bits)(found > best) | (Bits)(found != found);
  return (Vector)(((Bits)found & better) | ((Bits)best & ~better));
}

/* All windows of a row, for some vectors of channels. */
ALWAYS void pool_vectors(const Pooled *pooled, int64_t channel, int vectors, int means) {
  const int64_t channels = pooled->channels;
  const float share = (float)(1.0 / ((double)pooled->window[0] * (double)pooled->window[1]));
  for (int64_t place = 0; place < pooled->places; place++) {
    const float *first = pooled->x + place * pooled->step * channels + channel;
    Vector found[TOGETHER];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) found[v] = means ? (Vector){0} : load(first + v * WIDTH);
    for (int64_t i = 0; i < pooled->window[0]; i++) {
      const float *cell = first + i * pooled->row;
      Vector of_row[TOGETHER]; /* sums of many numbers lose less by rows */
#pragma GCC unroll 4
      for (int v = 0; v < vectors; v++) of_row[v] = (Vector){0};
      for (int64_t j = 0; j < pooled->window[1]; j++, cell += channels) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
          const Vector number = load(cell + v * WIDTH);
          if (means)
            of_row[v] += number;
          else
            found[v] = larger(found[v], number);
        }
      }
#pragma GCC unroll 4
      for (int v = 0; v < vectors; v++)
        if (means) found[v] += of_row[v];
    }
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) {
      if (means) found[v] *= share;
      store(pooled->y + place * channels + channel + v * WIDTH, found[v]);
    }
  }
}

ALWAYS void pool_channels(const Pooled *pooled, int means) {
  int64_t channel = pooled->begin;
  for (; channel + TOGETHER * WIDTH <= pooled->end; channel += TOGETHER * WIDTH)
    pool_vectors(pooled, channel, TOGETHER, means);
  /* The last vector may repeat what the one before it did. */
  for (; channel < pooled->end; channel += WIDTH)
    pool_vectors(pooled, least(channel, pooled->end - WIDTH), 1, means);
}

void NAMED(lamina_pool_)(const Pooled *pooled) {
  if (pooled->means)
    pool_channels(pooled, 1);
  else
    pool_channels(pooled, 0);
}
