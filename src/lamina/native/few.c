/* What XLA calls where there are few rows: look-ups, pooling, and what is done number by number. */

#include "call.h"
#include "numbers.h"
#include "pooling.h"
#include "processor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
  ROWS_AHEAD = 8,   /* which are looked for in memory meanwhile */
  LINE_NUMBERS = 16 /* of a cache */
};

static const float *find_row(const XlaBuffer *table, int32_t index) {
  const int64_t rows = table->dims[0], row = index < 0 ? 0 : index < rows ? index : rows - 1;
  return (const float *)table->data + row * table->dims[1];
}

/* Rows of a table of float32 by their indices; the nearest, where there is none of that index. */
PUBLIC XlaError *lamina_take(XlaCall *call) {
  if (lamina_asks_for_version(call)) return NULL;
  if (call->arguments.count != 2 || call->results.count != 1)
    return lamina_failure(call->functions, XLA_INVALID, "lamina_take: wrong number of arguments");
  const XlaBuffer *table = call->arguments.items[0], *index = call->arguments.items[1];
  const XlaBuffer *y = call->results.items[0];
  if (table->rank != 2 || table->type != XLA_FLOAT32 || index->type != XLA_INT32 || y->type != XLA_FLOAT32)
    return lamina_failure(call->functions, XLA_INVALID, "lamina_take: no table of float32 and int32");
  const int64_t rows = table->dims[0], width = table->dims[1];
  const int64_t count = lamina_volume(index->dims, index->rank);
  if (rows < 1 || lamina_volume(y->dims, y->rank) != count * width)
    return lamina_failure(call->functions, XLA_INVALID, "lamina_take: shapes do not go together");
  const int32_t *wanted = index->data;
  float *to = y->data;
  for (int64_t i = 0; i < count; i++, to += width) {
    if (i + ROWS_AHEAD < count) {
      const float *soon = find_row(table, wanted[i + ROWS_AHEAD]);
      for (int64_t at = 0; at < width; at += LINE_NUMBERS) __builtin_prefetch(soon + at);
    }
    memcpy(to, find_row(table, wanted[i]), width * sizeof(float));
  }
  return NULL;
}

/* The place of the first number that is below zero, or not below the attribute; else their count. */
PUBLIC XlaError *lamina_search(XlaCall *call) {
  if (lamina_asks_for_version(call)) return NULL;
  const XlaArray *options = call->attributes.count == 1 ? call->attributes.items[0] : NULL;
  if (call->arguments.count != 1 || call->results.count != 1 || !options || options->size != 1)
    return lamina_failure(call->functions, XLA_INVALID, "lamina_search: wrong number of arguments");
  const XlaBuffer *numbers = call->arguments.items[0], *place = call->results.items[0];
  if (numbers->type != XLA_INT32 || place->type != XLA_INT32 || lamina_volume(place->dims, place->rank) != 1)
    return lamina_failure(call->functions, XLA_INVALID, "lamina_search: no numbers of int32");
  const int32_t *number = numbers->data;
  const int64_t size = *(int64_t *)options->data, count = lamina_volume(numbers->dims, numbers->rank);
  int64_t at = 0;
  while (at < count && number[at] >= 0 && number[at] < size) at++;
  *(int32_t *)place->data = (int32_t)at;
  return NULL;
}

/* Pool over two axes. The attribute has windows and steps of both, and whether means are wanted. */
PUBLIC XlaError *lamina_pool(XlaCall *call) {
  if (lamina_asks_for_version(call)) return NULL;
  const XlaArray *options = call->attributes.count == 1 ? call->attributes.items[0] : NULL;
  if (call->arguments.count != 1 || call->results.count != 1 || !options || options->size != 5)
    return lamina_failure(call->functions, XLA_INVALID, "lamina_pool: wrong number of arguments");
  const XlaBuffer *x = call->arguments.items[0], *y = call->results.items[0];
  if (x->rank != 4 || y->rank != 4 || x->type != XLA_FLOAT32 || y->type != XLA_FLOAT32)
    return lamina_failure(call->functions, XLA_INVALID, "lamina_pool: no images of float32");
  const int64_t *option = options->data;
  Pooling pooling = {.x = x->data, .y = y->data, .images = x->dims[0], .channels = x->dims[3]};
  pooling.means = option[4] != 0;
  int fit = pooling.images > 0 && y->dims[0] == pooling.images && y->dims[3] == pooling.channels &&
            lamina_fewest() && pooling.channels >= lamina_fewest();
  for (int axis = 0; axis < 2; axis++) {
    const int64_t size = x->dims[1 + axis], window = option[axis], step = option[2 + axis];
    pooling.size[axis] = size, pooling.window[axis] = window, pooling.step[axis] = step;
    pooling.result[axis] = y->dims[1 + axis];
    fit = fit && window > 0 && step > 0 && pooling.result[axis] > 0 &&
          (pooling.result[axis] - 1) * step + window <= size;
  }
  if (!fit) return lamina_failure(call->functions, XLA_INVALID, "lamina_pool: shapes do not go together");
  Caller pool = {call->functions, call->context};
  const Threads threads = lamina_threads(&pool);
  return lamina_pool_windows(&pooling, &threads)
             ? NULL
             : lamina_failure(call->functions, XLA_EXHAUSTED, "lamina_pool: out of memory");
}

enum { NORMALIZES, SCALES, SHIFTS, ADDS, RECTIFIES, EACH_OPTIONS };

/* Scales of channels from their variances, and factors if there are any; NULL without memory. */
static float *find_scales(const float *variance, float epsilon, const float *gamma, int64_t channels) {
  float *scales = malloc(channels * sizeof *scales);
  for (int64_t c = 0; scales && c < channels; c++)
    scales[c] = 1 / sqrtf(variance[c] + epsilon) * (gamma ? gamma[c] : 1);
  return scales;
}

/* Numbers one by one. The attribute says whether they are normalized, with a factor, with a shift;
   whether others are added; and whether what is negative becomes zero. Inputs are the numbers; then,
   as far as they are wanted, mean, variance, factor and shift of each number of the last axis, the
   others, and epsilon, which is added to variances. */
PUBLIC XlaError *lamina_each(XlaCall *call) {
  if (lamina_asks_for_version(call)) return NULL;
  const int64_t count = call->arguments.count;
  const XlaArray *options = call->attributes.count == 1 ? call->attributes.items[0] : NULL;
  if (count < 1 || call->results.count != 1 || !options || options->size != EACH_OPTIONS)
    return lamina_failure(call->functions, XLA_INVALID, "lamina_each: wrong number of arguments");
  const int64_t *option = options->data;
  const int normalizes = option[NORMALIZES] != 0;
  const int wanted[6] = {1, normalizes, normalizes, normalizes && option[SCALES],
                         normalizes && option[SHIFTS], option[ADDS] != 0};
  const XlaBuffer *x = call->arguments.items[0], *y = call->results.items[0];
  const int64_t size = lamina_volume(x->dims, x->rank);
  const int64_t channels = normalizes && x->rank ? x->dims[x->rank - 1] : size;
  const float *data[6] = {NULL}; /* x, mean, variance, factor, shift, others */
  int64_t at = 0;
  int fit = y->type == XLA_FLOAT32 && lamina_volume(y->dims, y->rank) == size;
  for (int kind = 0; kind < 6; kind++) {
    if (!wanted[kind]) continue;
    const XlaBuffer *array = at < count ? call->arguments.items[at] : NULL;
    const int64_t numbers = kind == 0 || kind == 5 ? size : channels;
    fit = fit && array && array->type == XLA_FLOAT32 &&
          lamina_volume(array->dims, array->rank) == numbers;
    if (!fit) break;
    data[kind] = array->data;
    at++;
  }
  const XlaBuffer *epsilon = normalizes && at < count ? call->arguments.items[at++] : NULL;
  if (!fit || at != count || !lamina_fewest() || channels < lamina_fewest() ||
      (normalizes && (!epsilon || epsilon->type != XLA_FLOAT32 ||
                      lamina_volume(epsilon->dims, epsilon->rank) != 1)))
    return lamina_failure(call->functions, XLA_INVALID, "lamina_each: shapes do not go together");
  Each each = {.x = data[0], .mean = data[1], .shift = data[4], .other = data[5], .y = y->data};
  each.rows = size / channels, each.channels = channels, each.relu = option[RECTIFIES] != 0;
  float *scales = NULL;
  if (normalizes) {
    scales = find_scales(data[2], *(const float *)epsilon->data, data[3], channels);
    if (!scales) return lamina_failure(call->functions, XLA_EXHAUSTED, "lamina_each: out of memory");
    each.scale = scales;
  }
  Caller pool = {call->functions, call->context};
  const Threads threads = lamina_threads(&pool);
  const int done = lamina_for_each(&each, &threads);
  free(scales);
  return done ? NULL : lamina_failure(call->functions, XLA_EXHAUSTED, "lamina_each: out of memory");
}
