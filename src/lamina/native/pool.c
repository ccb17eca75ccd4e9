/* Tasks on the threads of somebody else's pool.

   The caller works, too, and waits in the end only for tasks that others have begun. So it does not
   matter whether other threads come at all, or when: those that come late find nothing to do. */

#include "pool.h"

#include <stdatomic.h>
#include <stdlib.h>

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
  const void *what; /* there as long as there are tasks */
  atomic_llong next, done;
  atomic_int users, failed;
} Job;

static void wait_for(Job *job, int64_t tasks) {
  for (int turn = 0; atomic_load(&job->done) < tasks; turn++)
    if (turn > SPINS) YIELD();
}

static void work(Job *job) {
  const int64_t first = job->stage.count, tasks = first + job->then.count;
  float *room = NULL;
  for (int64_t number; (number = atomic_fetch_add(&job->next, 1)) < tasks;) {
    /* Who has begun with the first stage does not wait for anybody, so this comes to an end. */
    if (number >= first) wait_for(job, first);
    const int done = number < first ? job->stage.task(job->what, number, &room)
                                    : job->then.task(job->what, number - first, &room);
    if (!done) atomic_store(&job->failed, 1);
    atomic_fetch_add(&job->done, 1);
  }
  free(room);
}

static void leave(Job *job) {
  if (atomic_fetch_sub(&job->users, 1) == 1) free(job);
}

static void help(void *data) {
  work(data);
  leave(data);
}

int lamina_run(const Threads *threads, int64_t most, const void *what, Stage stage, Stage then) {
  Job *job = malloc(sizeof *job);
  if (!job) return 0;
  const int64_t tasks = stage.count + then.count;
  most = most < threads->count ? most : threads->count;
  const int64_t helpers = (most < tasks ? most : tasks) - 1;
  job->stage = stage;
  job->then = then;
  job->what = what;
  atomic_init(&job->next, 0);
  atomic_init(&job->done, 0);
  atomic_init(&job->failed, 0);
  atomic_init(&job->users, (int)(helpers > 0 ? 1 + helpers : 1));
  for (int64_t helper = 0; helper < helpers; helper++) threads->schedule(threads->pool, help, job);
  work(job);
  wait_for(job, tasks);
  const int failed = atomic_load(&job->failed);
  leave(job);
  return !failed;
}
