/* Tasks on several threads. */

#ifndef LAMINA_POOL_H
#define LAMINA_POOL_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
  int64_t count; /* threads, with that of the caller */
  int own;       /* whether threads of the library's own help a caller that waits, not the pool's */
  void *pool;
  /* Lets a thread run a function some time. */
  void (*schedule)(void *pool, void (*function)(void *data), void *data);
  /* Where it is given, the caller neither works nor waits: it is called once, by the thread that was
     the last at work, with whether each task gave 1. */
  void (*ended)(void *end, int well);
  void *end;
} Threads;

/* One of several tasks; `room` is one thread's: memory that a task took stays for its next ones.
   Gives 0 if there was no memory. */
typedef int Task(const void *what, int64_t number, float **room);

/* Tasks of one kind. */
typedef struct {
  Task *task;
  int64_t count;
} Stage;

/* The tasks of a stage, at least one, and then those of another. */
typedef struct {
  const void *what; /* told to each of them, in a copy of its size */
  size_t size;
  void *memory; /* what they need; it is freed */
  Stage stage, then;
} Work;

enum {
  TASK_PRODUCTS = 500000, /* a few microseconds: as long as it takes to wake a thread */
  TASKS_PER_THREAD = 8    /* so that threads which come late find some */
};

/* How many tasks to make of work that has room for so many. */
int64_t lamina_tasks(const Threads *threads, int64_t room);

/* Run tasks on as many threads as are wanted, if there are. Where no end is given, come back when
   all are done: 0 if one gave 0. Else come back at once: 0 if there was no memory, and then there
   will be no end. */
int lamina_run(const Threads *threads, int64_t wanted, const Work *work);

/* Whether this thread is known to be one of a pool. */
int lamina_in_pool(void);

#endif
