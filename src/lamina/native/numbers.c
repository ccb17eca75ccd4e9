/* How what is done number by number is divided into tasks: some rows each, or some numbers of the
   only row. */

#include "numbers.h"

#include "sizes.h"

enum { TASK_NUMBERS = 8 << 10 }; /* at least, a microsecond or two */

typedef struct {
  Each each;
  ComputeEach *compute;
  int64_t tasks;
} Division;

static int run_part(const void *what, int64_t task, float **unused) {
  (void)unused;
  const Division *division = what;
  const Each *all = &division->each;
  const int64_t count = all->rows > 1 ? all->rows : all->channels;
  const int64_t begin = count * task / division->tasks;
  const int64_t end = count * (task + 1) / division->tasks;
  Each here = *all;
  int64_t first = begin;
  if (all->rows > 1)
    here.rows = end - begin, first *= all->channels;
  else {
    here.channels = end - begin;
    if (all->mean) here.mean += first, here.scale += first;
    if (all->shift) here.shift += first;
  }
  here.x += first, here.y += first;
  if (all->other) here.other += first;
  division->compute(&here);
  return 1;
}

int lamina_for_each(const Each *each, const Threads *threads) {
  Division division = {*each, lamina_kernels(each->channels)->each, 1};
  const int64_t wanted = most(1, each->rows * each->channels / TASK_NUMBERS);
  division.tasks = each->rows > 1 ? least(wanted, each->rows) : wanted;
  const Work work = {&division, sizeof division, NULL, {run_part, division.tasks}, {0}};
  return lamina_run(threads, division.tasks, &work);
}
