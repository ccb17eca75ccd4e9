/* Vectors of WIDTH numbers, for files that are compiled once for each kind of processor. */

#ifndef LAMINA_VECTORS_H
#define LAMINA_VECTORS_H

#include <stdint.h>

#define PASTE(a, b) a##b
#define JOIN(a, b) PASTE(a, b)
#define NAMED(name) JOIN(name, WIDTH)
#define ALWAYS static inline __attribute__((always_inline))

typedef float Vector __attribute__((vector_size(WIDTH * 4), aligned(4), may_alias));
typedef int32_t Bits __attribute__((vector_size(WIDTH * 4), aligned(4), may_alias));

ALWAYS Vector load(const float *from) { return *(const Vector *)from; }

ALWAYS void store(float *to, Vector values) { *(Vector *)to = values; }

/* Negative numbers become zero; what is not a number stays so. */
ALWAYS Vector rectified(Vector values) {
  return (Vector)((Bits)values & ~(Bits)(values < 0));
}

#endif
