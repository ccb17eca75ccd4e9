/* How a step of Adam is divided into tasks: some numbers of one weight each. */

#include "adam.h"
#include "sizes.h"

#include <stdlib.h>
#include <string.h>

enum { TASK_NUMBERS = 16 << 10 }; /* most of a task: some microseconds */

typedef struct {
  Move *moments;
  Moments weights[];
} Division;

static int64_t count_tasks(const Moments *weight) { return ceiling(weight->count, TASK_NUMBERS); }

static int run_task(const void *what, int64_t task, float **unused) {
  (void)unused;
  const Division *division = what;
  const Moments *weight = division->weights;
  for (; task >= count_tasks(weight); weight++) task -= count_tasks(weight);
  const int64_t first = task * TASK_NUMBERS;
  Moments here = *weight;
  here.gradient += first, here.value += first, here.mean += first, here.square += first;
  here.count = least(TASK_NUMBERS, weight->count - first);
  division->moments(&here);
  return 1;
}

int64_t lamina_adam_numbers(const Adam *adam) {
  int64_t numbers = 0;
  for (int64_t i = 0; i < adam->count; i++) numbers += adam->weights[i].count;
  return numbers;
}

int lamina_adam_step(const Adam *adam, const Threads *threads) {
  const size_t of_weights = adam->count * sizeof *adam->weights, size = sizeof(Division) + of_weights;
  Division *division = malloc(size);
  if (!division) return 0;
  division->moments = lamina_kernels(INT64_MAX)->moments;
  memcpy(division->weights, adam->weights, of_weights);
  int64_t tasks = 0;
  for (int64_t i = 0; i < adam->count; i++) tasks += count_tasks(&adam->weights[i]);
  const Work work = {division, size, NULL, {run_task, tasks}, {0}};
  const int64_t wanted = lamina_adam_numbers(adam) / TASK_NUMBERS;
  const int done = lamina_run(threads, wanted, &work);
  free(division);
  return done;
}
