/* Convolutions, gradients of their kernels, products, pooling, steps of Adam and what is done number by
   number, of random sizes, beside a slow reading of the definition, on several threads.

   Arguments: number of each, seed. Each array has a block of memory of exactly its size, so
   that sanitizers see what is read or written beside it. */

#include "adam.h"
#include "conv.h"
#include "dot.h"
#include "numbers.h"
#include "pooling.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct {
  void (*function)(void *);
  void *data;
} Call;

static pthread_t started[64];
static int count;

static void *begin(void *call) {
  Call own = *(Call *)call;
  free(call);
  own.function(own.data);
  return NULL;
}

static void schedule(void *pool, void (*function)(void *), void *data) {
  (void)pool;
  Call *call = malloc(sizeof *call);
  *call = (Call){function, data};
  pthread_create(&started[count++], NULL, begin, call);
}

static int ends;

static void end(void *number, int well) { *(int *)number += well ? 1 : 100; }

static int below(int most) { return rand() % most; }

static float *noise(int64_t size) {
  float *array = malloc(size * sizeof(float));
  for (int64_t i = 0; i < size; i++) array[i] = (float)below(2001) / 1000 - 1;
  return array;
}

/* The largest difference from the definition, over all places. */
static double difference(const Conv *c) {
  double worst = 0;
  for (int64_t n = 0; n < c->images; n++)
    for (int64_t p = 0; p < c->result[0]; p++)
      for (int64_t q = 0; q < c->result[1]; q++)
        for (int64_t o = 0; o < c->outputs; o++) {
          double sum = c->bias ? c->bias[o] : 0;
          for (int64_t i = 0; i < c->window[0]; i++)
            for (int64_t j = 0; j < c->window[1]; j++) {
              const int64_t h = p * c->step[0] - c->before[0] + i * c->gap[0];
              const int64_t w = q * c->step[1] - c->before[1] + j * c->gap[1];
              if (h < 0 || w < 0 || h >= c->size[0] || w >= c->size[1]) continue;
              const float *x = c->x + ((n * c->size[0] + h) * c->size[1] + w) * c->channels;
              const float *k = c->kernel + (i * c->window[1] + j) * c->channels * c->outputs + o;
              for (int64_t m = 0; m < c->channels; m++) sum += (double)x[m] * k[m * c->outputs];
            }
          if (c->relu && sum < 0) sum = 0;
          const double found = c->y[((n * c->result[0] + p) * c->result[1] + q) * c->outputs + o];
          worst = fmax(worst, fabs(found - sum));
        }
  return worst;
}

/* Up to four threads, of this program or of the library; half of the callers do not wait for them. */
static Threads some_threads(void) {
  Threads threads = {.count = 1 + below(4), .own = below(2), .schedule = schedule, .end = &ends};
  if (below(2)) threads.ended = end;
  return threads;
}

/* Wait for all threads; gives whether the end came just once, where there should be one. */
static int finish(const Threads *threads) {
  while (count) pthread_join(started[--count], NULL);
  const int right = ends == (threads->ended ? 1 : 0);
  ends = 0;
  return right;
}

/* Whether the gradient of a kernel is that of the definition. */
static int has_gradient(const Conv *c) {
  const int64_t rows = c->window[0] * c->window[1] * c->channels;
  float *of_y = noise(c->images * c->result[0] * c->result[1] * c->outputs);
  float *of_kernel = noise(rows * c->outputs);
  const Gradient gradient = {*c, of_y, of_kernel};
  const Threads threads = some_threads();
  const int done = lamina_sum_gradients(&gradient, &threads), ended = finish(&threads);
  double worst = 0;
  double *sums = malloc(c->outputs * sizeof *sums);
  for (int64_t row = 0; row < rows; row++) {
    const int64_t cell = row / c->channels, m = row % c->channels;
    for (int64_t o = 0; o < c->outputs; o++) sums[o] = 0;
    for (int64_t n = 0; n < c->images; n++)
      for (int64_t p = 0; p < c->result[0]; p++)
        for (int64_t q = 0; q < c->result[1]; q++) {
          const int64_t h = p * c->step[0] - c->before[0] + cell / c->window[1] * c->gap[0];
          const int64_t w = q * c->step[1] - c->before[1] + cell % c->window[1] * c->gap[1];
          if (h < 0 || w < 0 || h >= c->size[0] || w >= c->size[1]) continue;
          const double number = c->x[((n * c->size[0] + h) * c->size[1] + w) * c->channels + m];
          const float *from = of_y + ((n * c->result[0] + p) * c->result[1] + q) * c->outputs;
          for (int64_t o = 0; o < c->outputs; o++) sums[o] += number * from[o];
        }
    for (int64_t o = 0; o < c->outputs; o++)
      worst = fmax(worst, fabs(of_kernel[row * c->outputs + o] - sums[o]));
  }
  free(of_y), free(of_kernel), free(sums);
  return done && ended && worst < 1e-5 * (10 + c->images * c->result[0] * c->result[1]);
}

/* Whether a product is that of the definition. */
static int multiplies(int round) {
  Dot d = {.rows = 1 + below(round % 2 ? 5 : 70), .depth = 1 + below(round % 3 ? 40 : 900)};
  d.transposed = below(2), d.relu = below(2);
  d.outputs = 4 + below(round % 5 ? 90 : round % 10 ? 700 : d.rows < 6 ? 9000 : 900);
  lamina_use_widest(4 << below(3));
  float *x = noise(d.rows * d.depth), *kernel = noise(d.depth * d.outputs);
  float *bias = below(2) ? noise(d.outputs) : NULL, *y = noise(d.rows * d.outputs);
  d.x = x, d.kernel = kernel, d.bias = bias, d.y = y;
  const Threads threads = some_threads();
  const int done = lamina_multiply(&d, &threads), ended = finish(&threads);
  double worst = 0;
  for (int64_t m = 0; m < d.rows; m++)
    for (int64_t o = 0; o < d.outputs; o++) {
      double sum = bias ? bias[o] : 0;
      for (int64_t i = 0; i < d.depth; i++) {
        const float number = x[d.transposed ? i * d.rows + m : m * d.depth + i];
        sum += (double)number * kernel[i * d.outputs + o];
      }
      if (d.relu && sum < 0) sum = 0;
      worst = fmax(worst, fabs(y[m * d.outputs + o] - sum));
    }
  free(x), free(kernel), free(bias), free(y);
  return done && ended && worst < 1e-5 * (10 + d.depth);
}

/* Whether pooling is that of the definition. */
static int pools(int round) {
  Pooling p = {.images = 1 + below(4), .channels = 4 + below(100), .means = below(2)};
  const int one = round % 8 == 0; /* place, whose channels threads divide */
  if (one) p.images = 1, p.channels = 64 * (1 + below(3)) + 1 + below(20);
  lamina_use_widest(4 << below(3));
  for (int axis = 0; axis < 2; axis++) {
    p.window[axis] = one ? 30 + below(30) : 1 + below(round % 4 ? 3 : 20);
    p.step[axis] = 1 + below(3);
    p.result[axis] = one ? 1 : 1 + below(12);
    p.size[axis] = (p.result[axis] - 1) * p.step[axis] + p.window[axis] + below(p.step[axis]);
  }
  float *x = noise(p.images * p.size[0] * p.size[1] * p.channels);
  float *y = noise(p.images * p.result[0] * p.result[1] * p.channels);
  p.x = x, p.y = y;
  const Threads threads = some_threads();
  const int done = lamina_pool_windows(&p, &threads), ended = finish(&threads);
  double worst = 0;
  const double cells = p.window[0] * p.window[1];
  for (int64_t n = 0; n < p.images; n++)
    for (int64_t h = 0; h < p.result[0]; h++)
      for (int64_t w = 0; w < p.result[1]; w++)
        for (int64_t c = 0; c < p.channels; c++) {
          double sum = 0, best = -INFINITY;
          for (int64_t i = 0; i < p.window[0]; i++)
            for (int64_t j = 0; j < p.window[1]; j++) {
              const int64_t row = (n * p.size[0] + h * p.step[0] + i) * p.size[1];
              const double number = x[(row + w * p.step[1] + j) * p.channels + c];
              sum += number, best = fmax(best, number);
            }
          const double found = y[((n * p.result[0] + h) * p.result[1] + w) * p.channels + c];
          worst = fmax(worst, fabs(found - (p.means ? sum / cells : best)));
        }
  free(x), free(y);
  return done && ended && worst < 1e-5;
}

/* Whether a step of Adam is that of the definition. */
static int moves(int round) {
  enum { MOST = 5 };
  Moments weights[MOST];
  float *old[MOST][3], *gradients[MOST];
  const int64_t count = 1 + below(MOST);
  lamina_use_widest(4 << below(3));
  for (int64_t i = 0; i < count; i++) {
    const int64_t size = 1 + below(round % 6 ? 90 : 40000);
    float *new[3];
    gradients[i] = noise(size);
    for (int kind = 0; kind < 3; kind++) {
      old[i][kind] = noise(size), new[kind] = malloc(size * sizeof(float));
      for (int64_t at = 0; at < size; at++) {
        if (kind == 2) old[i][kind][at] = fabsf(old[i][kind][at]);
        new[kind][at] = old[i][kind][at];
      }
    }
    weights[i] = (Moments){gradients[i], new[0], new[1], new[2], size, 0.25f, 0.125f, 0.5f, 0.75f};
  }
  const Adam adam = {weights, count};
  const Threads threads = some_threads();
  const int done = lamina_adam_step(&adam, &threads), ended = finish(&threads);
  double worst = 0;
  for (int64_t i = 0; i < count; i++) {
    const Moments *w = &weights[i];
    for (int64_t at = 0; at < w->count; at++) {
      const double slope = gradients[i][at], mean = (old[i][1][at] + slope) / 2;
      const double square = old[i][2][at] / 4 + slope * slope * 3 / 4;
      const double value = old[i][0][at] - mean / 4 / (sqrt(square) + 0.125);
      worst = fmax(worst, fabs(w->mean[at] - mean) + fabs(w->square[at] - square));
      worst = fmax(worst, fabs(w->value[at] - value));
    }
    free(gradients[i]), free(w->value), free(w->mean), free(w->square);
    for (int kind = 0; kind < 3; kind++) free(old[i][kind]);
  }
  return done && ended && worst < 1e-5;
}

/* Whether what is done number by number is that of the definition. */
static int goes_by_numbers(int round) {
  const int normalizes = below(2), shifts = normalizes && below(2), adds = below(2);
  const int64_t rows = 1 + below(round % 3 ? 9 : 500), channels = 4 + below(round % 5 ? 90 : 30000);
  lamina_use_widest(4 << below(3));
  const int64_t size = rows * channels > 400000 ? channels : rows * channels;
  float *x = noise(size), *other = adds ? noise(size) : NULL, *y = noise(size);
  float *mean = normalizes ? noise(channels) : NULL, *scale = normalizes ? noise(channels) : NULL;
  float *shift = shifts ? noise(channels) : NULL;
  const Each each = {x, mean, scale, shift, other, y, size / channels, channels, below(2)};
  const Threads threads = some_threads();
  const int done = lamina_for_each(&each, &threads), ended = finish(&threads);
  double worst = 0;
  for (int64_t at = 0; at < size; at++) {
    const int64_t c = at % channels;
    double value = x[at];
    if (normalizes) value = (value - mean[c]) * scale[c];
    if (shifts) value += shift[c];
    if (adds) value += other[at];
    if (each.relu && value < 0) value = 0;
    worst = fmax(worst, fabs(y[at] - value));
  }
  free(x), free(other), free(y), free(mean), free(scale), free(shift);
  return done && ended && worst < 1e-6;
}

/* One of several callers at a time, whom the same threads help: adds 1 to numbers, again and again. */
static void *calls_often(void *unused) {
  (void)unused;
  enum { NUMBERS = 40000, TIMES = 100 };
  float *x = malloc(NUMBERS * sizeof(float)), *ones = malloc(NUMBERS * sizeof(float));
  float *y = malloc(NUMBERS * sizeof(float));
  const Threads threads = {.count = 3, .own = 1, .schedule = schedule};
  intptr_t wrong = 0;
  for (int at = 0; at < NUMBERS; at++) x[at] = at % 100, ones[at] = 1;
  for (int time = 0; time < TIMES; time++) {
    const Each each = {.x = x, .other = ones, .y = y, .rows = 1, .channels = NUMBERS};
    wrong += !lamina_for_each(&each, &threads);
    for (int at = 0; at < NUMBERS; at++) wrong += y[at] != x[at] + 1;
    float *swapped = x;
    x = y, y = swapped;
  }
  free(x), free(ones), free(y);
  return (void *)wrong;
}

/* Whether callers at a time get right results. */
static int goes_together(void) {
  pthread_t callers[4];
  intptr_t wrong = 0;
  for (int i = 0; i < 4; i++) pthread_create(&callers[i], NULL, calls_often, NULL);
  for (int i = 0; i < 4; i++) {
    void *found;
    pthread_join(callers[i], &found);
    wrong += (intptr_t)found;
  }
  return !wrong;
}

int main(int arguments, char **texts) {
  const int rounds = arguments > 1 ? atoi(texts[1]) : 300;
  srand(arguments > 2 ? atoi(texts[2]) : 1);
  for (int round = 0; round < rounds; round++) {
    Conv c = {.images = 1 + below(4), .channels = 1 + below(20), .outputs = 4 + below(80)};
    lamina_use_widest(4 << below(3));
    const int large = round % 10 == 0, product = round % 9 == 0, long_rows = round % 7 == 0;
    if (large) c.channels = 200 + below(200), c.outputs = 60 + below(80), c.images = 1;
    for (int axis = 0; axis < 2; axis++) {
      c.window[axis] = 1 + below(4);
      c.step[axis] = 1 + below(3);
      c.gap[axis] = 1 + below(3);
      c.result[axis] = 1 + below(axis && long_rows ? 400 : large ? 6 : 20);
      const int64_t last = (c.result[axis] - 1) * c.step[axis];
      c.before[axis] = below(2) ? 0 : below(6);
      c.size[axis] = last + (c.window[axis] - 1) * c.gap[axis] + 1 - c.before[axis];
      c.size[axis] += below(3) - below(4); /* cells that no window reaches, or zeros after the axis */
      if (c.size[axis] < 1) c.size[axis] = 1 + below(3);
      if (!product) continue;
      c.window[axis] = c.step[axis] = 1, c.before[axis] = 0, c.size[axis] = c.result[axis];
    }
    if (round % 4 == 0) { /* what Winograd's algorithm takes */
      const int many = round % 20 == 0; /* so many weights that threads share them */
      c.channels = (many ? 96 : 32) + 16 * below(3) + !below(6), c.images = many ? 1 : 1 + below(9);
      c.outputs = many ? 112 + below(20) : below(2) ? 32 * (1 + below(3)) : 32 + below(50);
      for (int axis = 0; axis < 2; axis++) {
        c.window[axis] = 3, c.step[axis] = c.gap[axis] = 1;
        c.result[axis] = many ? 15 + below(9) : 1 + below(24), c.before[axis] = below(3);
        c.size[axis] = c.result[axis] + 2 - c.before[axis] + below(3) - 1;
        if (c.size[axis] < 1) c.size[axis] = 1;
      }
    }
    c.relu = below(2), c.exact = below(5) == 0;
    float *x = noise(c.images * c.size[0] * c.size[1] * c.channels);
    float *kernel = noise(c.window[0] * c.window[1] * c.channels * c.outputs);
    float *bias = below(2) ? noise(c.outputs) : NULL;
    const int64_t results = c.images * c.result[0] * c.result[1] * c.outputs;
    float *y = noise(results);
    c.x = x, c.kernel = kernel, c.bias = bias, c.y = y;
    count = 0;
    const Threads threads = some_threads();
    const int done = lamina_convolve(&c, &threads) && finish(&threads);
    const double found = difference(&c);
    if (!done || !(found < 1e-5 * (10 + c.window[0] * c.window[1] * c.channels))) {
      printf("round %d: wrong by %g\n", round, found);
      return 1;
    }
    const int right = has_gradient(&c);
    free(x), free(kernel), free(bias), free(y);
    if (!right || !multiplies(round) || !pools(round) || !moves(round) || !goes_by_numbers(round)) {
      printf("round %d: wrong gradient, product, pooling, step of Adam or numbers\n", round);
      return 1;
    }
  }
  if (goes_together()) return 0;
  printf("callers at a time got wrong results\n");
  return 1;
}
