/* Tasks on several threads.

   A caller who wants to wait works, too, and waits in the end only for tasks that others have begun.
   So it does not matter when other threads come: those that are late find nothing to do. */

#include "pool.h"

#include "helpers.h"
#include "sizes.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#include <windows.h>
#define YIELD() SwitchToThread()
#else
#include <sched.h>
#define YIELD() sched_yield()
#endif

enum { SPINS = 4000 };

typedef struct {
  Stage stage, then;
  void *memory;
  void (*ended)(void *end, int well);
  void *end;
  atomic_llong next, done;
  atomic_int users, failed;
  max_align_t what[];
} Job;

static _Thread_local int in_pool;

int lamina_in_pool(void) { return in_pool; }

static void wait_for(Job *job, int64_t tasks) {
  for (int turn = 0; atomic_load(&job->done) < tasks; turn++)
    if (turn > SPINS) YIELD();
}

/* Run tasks until none is left; gives whether one of them was the last of all to be done. */
static int work_at(Job *job) {
  const int64_t first = job->stage.count, tasks = first + job->then.count;
  float *room = NULL;
  int last = 0;
  for (int64_t number; (number = atomic_fetch_add(&job->next, 1)) < tasks;) {
    /* Who has begun with the first stage does not wait for anybody, so this comes to an end. */
    if (number >= first) wait_for(job, first);
    const int done = number < first ? job->stage.task(job->what, number, &room)
                                    : job->then.task(job->what, number - first, &room);
    if (!done) atomic_store(&job->failed, 1);
    last = atomic_fetch_add(&job->done, 1) + 1 == tasks;
  }
  free(room);
  return last;
}

static void leave(Job *job) {
  if (atomic_fetch_sub(&job->users, 1) == 1) free(job);
}

/* What a thread of the pool runs, or, where the caller waits, a helper. */
static void help(void *data) {
  Job *job = data;
  in_pool = 1;
  const int ends = work_at(job) && job->ended;
  const int well = !atomic_load(&job->failed);
  void (*ended)(void *, int) = job->ended;
  void *end = job->end;
  if (ends) free(job->memory);
  leave(job);
  if (ends) ended(end, well);
}

int64_t lamina_tasks(const Threads *threads, int64_t room) {
  return threads->count < 2 ? 1 : least(room, TASKS_PER_THREAD * threads->count);
}

int lamina_run(const Threads *threads, int64_t wanted, const Work *work) {
  Job *job = malloc(sizeof *job + work->size);
  if (!job) {
    free(work->memory);
    return 0;
  }
  const int64_t tasks = work->stage.count + work->then.count;
  const int waits = !threads->ended;
  const int64_t users = most(1, least(least(wanted, threads->count), tasks)), helpers = users - waits;
  job->stage = work->stage;
  job->then = work->then;
  job->memory = work->memory;
  job->ended = threads->ended;
  job->end = threads->end;
  memcpy(job->what, work->what, work->size);
  atomic_init(&job->next, 0);
  atomic_init(&job->done, 0);
  atomic_init(&job->failed, 0);
  atomic_init(&job->users, (int)users);
  const int own = waits && threads->own && helpers && lamina_start_helpers(helpers) == helpers;
  for (int64_t helper = 0; helper < helpers; helper++) {
    if (!own) threads->schedule(threads->pool, help, job);
    else if (!lamina_tell_helper(helper, help, job)) leave(job);
  }
  if (!waits) return 1;
  work_at(job);
  wait_for(job, tasks);
  free(job->memory);
  const int failed = atomic_load(&job->failed);
  leave(job);
  return !failed;
}
