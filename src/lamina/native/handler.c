/* What XLA calls: checks of shapes, and vectorization over leading axes. */

#include "adam.h"
#include "call.h"
#include "conv.h"
#include "dot.h"

#include <stdlib.h>
#include <string.h>

enum {
  MOST_AXES = 16,
  FEWEST_AWAY = 40000000, /* products, some hundred microseconds: from here on only the pool works */
  NUMBER_PRODUCTS = 40    /* that take as long as a step of Adam for one number */
};

/* How far an array goes on for each step along the leading axes of the result. */
static int64_t strides(const XlaBuffer *array, const XlaBuffer *y, int64_t leading, int64_t size,
                       int64_t *found) {
  for (int64_t axis = leading - 1; axis >= 0; axis--) {
    if (array->dims[axis] != 1 && array->dims[axis] != y->dims[axis]) return -1;
    found[axis] = array->dims[axis] == 1 ? 0 : size;
    size *= array->dims[axis];
  }
  return size;
}

static int fits(const Conv *conv) {
  for (int axis = 0; axis < 2; axis++)
    if (conv->size[axis] < 1 || conv->window[axis] < 1 || conv->result[axis] < 1 ||
        conv->step[axis] < 1 || conv->gap[axis] < 1 || conv->before[axis] < 0)
      return 0;
  return conv->images > 0 && conv->channels > 0 && lamina_fewest() &&
         conv->outputs >= lamina_fewest();
}

/* Fill in sizes from the last four axes; 0 if they do not go together. */
static int read_sizes(Conv *conv, const XlaBuffer *x, const XlaBuffer *kernel, const XlaBuffer *y,
                      int64_t leading) {
  const int64_t *of_x = x->dims + leading, *of_kernel = kernel->dims + leading;
  const int64_t *of_y = y->dims + leading;
  conv->images = of_x[0];
  conv->channels = of_x[3];
  conv->outputs = of_kernel[3];
  for (int axis = 0; axis < 2; axis++) {
    conv->size[axis] = of_x[1 + axis];
    conv->window[axis] = of_kernel[axis];
    conv->result[axis] = of_y[1 + axis];
  }
  return of_y[0] == conv->images && of_kernel[2] == conv->channels && of_y[3] == conv->outputs;
}

typedef struct {
  const XlaFunctions *functions;
  XlaFuture *future;
} Promise;

static void keep_promise(void *data, int well) {
  const Promise promise = *(Promise *)data;
  free(data);
  if (well) {
    XlaFutureArguments arguments = {sizeof arguments, NULL, promise.future};
    lamina_none(promise.functions, promise.functions->available(&arguments));
  } else {
    XlaError *error = lamina_failure(promise.functions, XLA_EXHAUSTED, "lamina: out of memory");
    XlaFutureErrorArguments arguments = {sizeof arguments, NULL, promise.future, error};
    lamina_none(promise.functions, promise.functions->broken(&arguments));
  }
}

typedef int Run(const void *what, const Threads *threads);

static int convolve(const void *conv, const Threads *threads) { return lamina_convolve(conv, threads); }

static int multiply(const void *dot, const Threads *threads) { return lamina_multiply(dot, threads); }

/* Compute while the caller goes on; gives 0 if there was no memory. */
static int run_away(Run *run, const void *what, Threads threads, const Caller *pool, XlaFuture **future) {
  Promise *promise = malloc(sizeof *promise);
  XlaFutureArguments arguments = {sizeof arguments, NULL, NULL};
  if (!promise || !lamina_none(pool->functions, pool->functions->future(&arguments))) {
    free(promise);
    return 0;
  }
  *promise = (Promise){pool->functions, arguments.future};
  *future = arguments.future;
  threads.ended = keep_promise;
  threads.end = promise;
  if (!run(what, &threads)) keep_promise(promise, 0);
  return 1;
}

/* Compute, where that is much without the calling thread. What comes after it in the program is then
   run by the thread that was the last at it: by one of the pool, so that none besides these works,
   for which there would be no core. */
static int run_here_or_away(Run *run, const void *what, double products, Caller *pool, XlaFuture **future) {
  const Threads threads = lamina_threads(pool);
  if (threads.count > 1 && !lamina_in_pool() && products >= FEWEST_AWAY)
    return run_away(run, what, threads, pool, future);
  return run(what, &threads);
}

/* Convolve for each place along the leading axes. */
static int convolve_all(Conv conv, const XlaBuffer *arrays[4], int64_t leading, Caller *pool,
                        XlaFuture **future) {
  int64_t steps[4][MOST_AXES], sizes[4];
  const int64_t own[4] = {lamina_volume(arrays[0]->dims + leading, 4), lamina_volume(arrays[1]->dims + leading, 4),
                          conv.outputs, lamina_volume(arrays[3]->dims + leading, 4)};
  for (int i = 0; i < 4; i++) {
    sizes[i] = arrays[i] ? strides(arrays[i], arrays[3], leading, own[i], steps[i]) : own[i];
    if (sizes[i] < 0) return -1;
  }
  int64_t count = sizes[3] / own[3];
  if (!count) return 1;
  if (sizes[0] == count * own[0] && sizes[1] == own[1] && sizes[2] == own[2]) {
    conv.images *= count; /* one kernel for all */
    return run_here_or_away(convolve, &conv, lamina_conv_products(&conv), pool, future);
  }
  const Threads threads = lamina_threads(pool);
  const float *x = conv.x, *kernel = conv.kernel, *bias = conv.bias;
  float *y = conv.y;
  for (int64_t number = 0; number < count; number++) {
    int64_t rest = number, at[4] = {0};
    for (int64_t axis = leading - 1; axis >= 0; axis--) {
      const int64_t place = rest % arrays[3]->dims[axis];
      rest /= arrays[3]->dims[axis];
      for (int i = 0; i < 4; i++)
        if (arrays[i]) at[i] += place * steps[i][axis];
    }
    conv.x = x + at[0];
    conv.kernel = kernel + at[1];
    conv.bias = bias ? bias + at[2] : NULL;
    conv.y = y + at[3];
    if (!lamina_convolve(&conv, &threads)) return 0;
  }
  return 1;
}

/* The fewest outputs that `lamina_conv` computes on this processor; 0 if it can do nothing. */
PUBLIC int lamina_conv_fewest(void) { return lamina_fewest(); }

PUBLIC int lamina_conv_use_widest(int most) { return lamina_use_widest(most); }

/* Inputs are x, kernel and perhaps a bias. The attribute says how many zeros stand before both axes,
   the steps, the gaps, whether negative results become zero, and whether sums are exact (`Conv`).
   All arrays may have further axes first: of the size that they have in the result, or of size 1. */
PUBLIC XlaError *lamina_conv(XlaCall *call) {
  if (lamina_asks_for_version(call)) return NULL;
  const int64_t count = call->arguments.count;
  const XlaArray *options = call->attributes.count == 1 ? call->attributes.items[0] : NULL;
  if (count < 2 || count > 3 || call->results.count != 1 || !options || options->size != 8)
    return lamina_failure(call->functions, XLA_INVALID, "lamina_conv: wrong number of arguments");
  const XlaBuffer *x = call->arguments.items[0], *kernel = call->arguments.items[1];
  const XlaBuffer *bias = count == 3 ? call->arguments.items[2] : NULL;
  const XlaBuffer *y = call->results.items[0];
  const int64_t *option = options->data, leading = y->rank - 4;
  Conv conv = {.x = x->data, .kernel = kernel->data, .bias = bias ? bias->data : NULL};
  conv.y = y->data;
  conv.relu = option[6] != 0;
  conv.exact = option[7] != 0;
  for (int axis = 0; axis < 2; axis++) {
    conv.before[axis] = option[axis];
    conv.step[axis] = option[2 + axis];
    conv.gap[axis] = option[4 + axis];
  }
  const int ranks = leading >= 0 && leading <= MOST_AXES && x->rank == y->rank &&
                    kernel->rank == y->rank && (!bias || bias->rank == leading + 1);
  const int floats = x->type == XLA_FLOAT32 && kernel->type == XLA_FLOAT32 && y->type == XLA_FLOAT32 &&
                     (!bias || bias->type == XLA_FLOAT32);
  if (!ranks || !floats || !read_sizes(&conv, x, kernel, y, leading) || !fits(&conv) ||
      (bias && bias->dims[leading] != conv.outputs))
    return lamina_failure(call->functions, XLA_INVALID, "lamina_conv: shapes do not go together");
  Caller pool = {call->functions, call->context};
  const XlaBuffer *arrays[4] = {x, kernel, bias, y};
  const int done = convolve_all(conv, arrays, leading, &pool, &call->future);
  if (done < 0) return lamina_failure(call->functions, XLA_INVALID, "lamina_conv: wrong leading axes");
  return done ? NULL : lamina_failure(call->functions, XLA_EXHAUSTED, "lamina_conv: out of memory");
}

static int sum_gradients(const void *gradient, const Threads *threads) {
  return lamina_sum_gradients(gradient, threads);
}

/* The gradient of a kernel. Inputs are the x of a convolution, and the gradient of its result. The
   attribute says how many zeros stand before both axes, the steps, and the gaps. */
PUBLIC XlaError *lamina_conv_gradient(XlaCall *call) {
  if (lamina_asks_for_version(call)) return NULL;
  const XlaArray *options = call->attributes.count == 1 ? call->attributes.items[0] : NULL;
  if (call->arguments.count != 2 || call->results.count != 1 || !options || options->size != 6)
    return lamina_failure(call->functions, XLA_INVALID, "lamina_conv_gradient: wrong number of arguments");
  const XlaBuffer *x = call->arguments.items[0], *y = call->arguments.items[1];
  const XlaBuffer *kernel = call->results.items[0];
  const int64_t *option = options->data;
  Gradient gradient = {{.x = x->data}, y->data, kernel->data};
  for (int axis = 0; axis < 2; axis++) {
    gradient.conv.before[axis] = option[axis];
    gradient.conv.step[axis] = option[2 + axis];
    gradient.conv.gap[axis] = option[4 + axis];
  }
  if (x->rank != 4 || y->rank != 4 || kernel->rank != 4 || x->type != XLA_FLOAT32 ||
      y->type != XLA_FLOAT32 || kernel->type != XLA_FLOAT32 ||
      !read_sizes(&gradient.conv, x, kernel, y, 0) || !fits(&gradient.conv))
    return lamina_failure(call->functions, XLA_INVALID, "lamina_conv_gradient: shapes do not go together");
  Caller pool = {call->functions, call->context};
  return run_here_or_away(sum_gradients, &gradient, lamina_conv_products(&gradient.conv), &pool,
                          &call->future)
             ? NULL
             : lamina_failure(call->functions, XLA_EXHAUSTED, "lamina_conv_gradient: out of memory");
}

/* Inputs are two matrices, and perhaps a bias. The attribute says whether negative results become
   zero, and whether the first matrix is transposed. */
PUBLIC XlaError *lamina_dot(XlaCall *call) {
  if (lamina_asks_for_version(call)) return NULL;
  const int64_t count = call->arguments.count;
  const XlaArray *options = call->attributes.count == 1 ? call->attributes.items[0] : NULL;
  if (count < 2 || count > 3 || call->results.count != 1 || !options || options->size != 2)
    return lamina_failure(call->functions, XLA_INVALID, "lamina_dot: wrong number of arguments");
  const XlaBuffer *x = call->arguments.items[0], *kernel = call->arguments.items[1];
  const XlaBuffer *bias = count == 3 ? call->arguments.items[2] : NULL;
  const XlaBuffer *y = call->results.items[0];
  const int64_t *option = options->data;
  const int transposed = option[1] != 0;
  if (x->rank != 2 || kernel->rank != 2 || y->rank != 2 || (bias && bias->rank != 1) ||
      x->type != XLA_FLOAT32 || kernel->type != XLA_FLOAT32 || y->type != XLA_FLOAT32 ||
      (bias && bias->type != XLA_FLOAT32))
    return lamina_failure(call->functions, XLA_INVALID, "lamina_dot: no matrices of float32");
  const Dot dot = {.x = x->data,
                   .kernel = kernel->data,
                   .bias = bias ? bias->data : NULL,
                   .y = y->data,
                   .rows = x->dims[transposed],
                   .depth = x->dims[!transposed],
                   .outputs = kernel->dims[1],
                   .transposed = transposed,
                   .relu = option[0] != 0};
  if (kernel->dims[0] != dot.depth || y->dims[0] != dot.rows || y->dims[1] != dot.outputs ||
      (bias && bias->dims[0] != dot.outputs) || dot.rows < 1 || dot.depth < 1 || !lamina_fewest() ||
      dot.outputs < lamina_fewest())
    return lamina_failure(call->functions, XLA_INVALID, "lamina_dot: shapes do not go together");
  Caller pool = {call->functions, call->context};
  return run_here_or_away(multiply, &dot, lamina_dot_products(&dot), &pool, &call->future)
             ? NULL
             : lamina_failure(call->functions, XLA_EXHAUSTED, "lamina_dot: out of memory");
}

static int step_of_adam(const void *adam, const Threads *threads) { return lamina_adam_step(adam, threads); }

/* Inputs are whether all stays as it is; rate, epsilon and the shares of what is new in the averages
   of gradients and of their squares; and of each weight the gradient, then of each its values, the
   average of gradients, and that of squares. The results are the last three of these, in place. */
PUBLIC XlaError *lamina_adam(XlaCall *call) {
  if (lamina_asks_for_version(call)) return NULL;
  const int64_t count = call->results.count / 3;
  if (call->results.count != 3 * count || call->arguments.count != 2 + 4 * count)
    return lamina_failure(call->functions, XLA_INVALID, "lamina_adam: wrong number of arguments");
  const XlaBuffer *off = call->arguments.items[0], *numbers = call->arguments.items[1];
  if (off->type != XLA_BOOL || off->rank || numbers->type != XLA_FLOAT32 ||
      lamina_volume(numbers->dims, numbers->rank) != 4 || !lamina_fewest())
    return lamina_failure(call->functions, XLA_INVALID, "lamina_adam: no switch, or not four numbers");
  void **items = call->arguments.items + 2;
  for (int64_t i = 0; i < 4 * count; i++) {
    const XlaBuffer *array = items[i], *gradient = items[i % count];
    if (array->type != XLA_FLOAT32 ||
        lamina_volume(array->dims, array->rank) != lamina_volume(gradient->dims, gradient->rank))
      return lamina_failure(call->functions, XLA_INVALID, "lamina_adam: shapes do not go together");
    if (i >= count && array->data != ((XlaBuffer *)call->results.items[i - count])->data)
      return lamina_failure(call->functions, XLA_INVALID, "lamina_adam: results are not in place");
  }
  if (!count || *(uint8_t *)off->data) return NULL;
  Moments *weights = malloc(count * sizeof *weights);
  if (!weights) return lamina_failure(call->functions, XLA_EXHAUSTED, "lamina_adam: out of memory");
  const float *number = numbers->data;
  for (int64_t i = 0; i < count; i++) {
    const XlaBuffer *of[4];
    for (int kind = 0; kind < 4; kind++) of[kind] = items[kind * count + i];
    weights[i] = (Moments){.gradient = of[0]->data,
                           .value = of[1]->data,
                           .mean = of[2]->data,
                           .square = of[3]->data,
                           .count = lamina_volume(of[0]->dims, of[0]->rank),
                           .rate = number[0],
                           .epsilon = number[1],
                           .to_mean = number[2],
                           .to_square = number[3]};
  }
  const Adam adam = {weights, count};
  const double products = (double)lamina_adam_numbers(&adam) * NUMBER_PRODUCTS;
  Caller pool = {call->functions, call->context};
  const int done = run_here_or_away(step_of_adam, &adam, products, &pool, &call->future);
  free(weights);
  return done ? NULL : lamina_failure(call->functions, XLA_EXHAUSTED, "lamina_adam: out of memory");
}
