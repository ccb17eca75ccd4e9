/* Arithmetic of sizes. */

#ifndef LAMINA_SIZES_H
#define LAMINA_SIZES_H

#include <stdint.h>

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t ceiling(int64_t a, int64_t b) { return (a + b - 1) / b; }

#endif
