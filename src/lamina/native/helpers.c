#define _GNU_SOURCE

#include "helpers.h"

#include "sizes.h"

#ifdef _WIN32

int64_t lamina_start_helpers(int64_t wanted) {
  (void)wanted;
  return 0;
}

int lamina_tell_helper(int64_t number, void (*function)(void *data), void *data) {
  (void)number, (void)function, (void)data;
  return 0;
}

#else

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#if defined(__x86_64__)
#define PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define PAUSE() __asm__ volatile("yield")
#else
#define PAUSE() ((void)0)
#endif

enum {
  MOST_HELPERS = 63,
  AWAKE = 500000, /* nanoseconds after a job, in which the next one may come */
  PAUSES = 32     /* before another thread may have the core, if one wants it */
};

typedef struct {
  void (*function)(void *data);
  void *data;
} Call;

typedef struct {
  /* What to run next. Who tells takes it from 0 to 1 and, once the call is there, to 2; the helper
     has read the call when it takes it back to 0. */
  atomic_int told;
  Call call;
  atomic_int sleeps;
  pthread_mutex_t lock;
  pthread_cond_t wakes;
#ifdef __linux__
  pthread_t thread;
  cpu_set_t cores;  /* that it may use */
  atomic_int avoids; /* one of these, or -1 */
#endif
} Helper;

static Helper helpers[MOST_HELPERS];
static atomic_llong started;

static int is_told(Helper *helper) { return atomic_load(&helper->told) == 2; }

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static void sleep_until_told(Helper *helper) {
  pthread_mutex_lock(&helper->lock);
  atomic_store(&helper->sleeps, 1);
  while (!is_told(helper)) pthread_cond_wait(&helper->wakes, &helper->lock);
  atomic_store(&helper->sleeps, 0);
  pthread_mutex_unlock(&helper->lock);
}

static void *serve(void *data) {
  Helper *helper = data;
  for (int64_t last = now();; last = now()) {
    while (!is_told(helper) && now() - last < AWAKE) {
      for (int turn = 0; turn < PAUSES && !is_told(helper); turn++) PAUSE();
      if (!is_told(helper)) sched_yield();
    }
    if (!is_told(helper)) sleep_until_told(helper);
    const Call call = helper->call;
    atomic_store(&helper->told, 0);
    call.function(call.data);
  }
  return NULL;
}

static int start(Helper *helper) {
  pthread_mutex_init(&helper->lock, NULL);
  pthread_cond_init(&helper->wakes, NULL);
  pthread_t thread;
  if (pthread_create(&thread, NULL, serve, helper)) return 0;
#ifdef __linux__
  helper->thread = thread;
  pthread_setname_np(thread, "lamina");
  atomic_store(&helper->avoids, -1);
  if (pthread_getaffinity_np(thread, sizeof helper->cores, &helper->cores)) CPU_ZERO(&helper->cores);
#endif
  pthread_detach(thread);
  return 1;
}

int64_t lamina_start_helpers(int64_t wanted) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  wanted = least(wanted, MOST_HELPERS);
  if (atomic_load(&started) >= wanted) return wanted;
  sigset_t all, before;
  sigfillset(&all);
  pthread_mutex_lock(&lock);
  pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the threads of the program */
  while (atomic_load(&started) < wanted && start(&helpers[atomic_load(&started)]))
    atomic_fetch_add(&started, 1);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_mutex_unlock(&lock);
  return least(atomic_load(&started), wanted);
}

/* Keep a helper off the core of who calls, if there is another one. */
static void keep_off(Helper *helper) {
#ifdef __linux__
  const int core = sched_getcpu();
  if (core < 0 || core >= CPU_SETSIZE || atomic_exchange(&helper->avoids, core) == core) return;
  cpu_set_t others = helper->cores;
  CPU_CLR(core, &others);
  if (CPU_COUNT(&others)) pthread_setaffinity_np(helper->thread, sizeof others, &others);
#else
  (void)helper;
#endif
}

int lamina_tell_helper(int64_t number, void (*function)(void *data), void *data) {
  Helper *helper = &helpers[number];
  int nothing = 0;
  if (!atomic_compare_exchange_strong(&helper->told, &nothing, 1)) return 0;
  keep_off(helper);
  helper->call = (Call){function, data};
  atomic_store(&helper->told, 2);
  if (atomic_load(&helper->sleeps)) {
    pthread_mutex_lock(&helper->lock);
    pthread_cond_signal(&helper->wakes);
    pthread_mutex_unlock(&helper->lock);
  }
  return 1;
}

#endif
