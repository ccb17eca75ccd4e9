/* Tasks on the threads of somebody else's pool. */

#ifndef LAMINA_POOL_H
#define LAMINA_POOL_H

#include <stdint.h>

typedef struct {
  int64_t count; /* threads, with that of the caller */
  void *pool;
  /* Lets a thread run a function some time, or never. */
  void (*schedule)(void *pool, void (*function)(void *data), void *data);
} Threads;

/* One of several tasks; `room` is one thread's: memory that a task took stays for its next ones.
   Gives 0 if there was no memory. */
typedef int Task(const void *what, int64_t number, float **room);

/* Tasks of one kind. */
typedef struct {
  Task *task;
  int64_t count;
} Stage;

/* Run the tasks of a stage, and then those of another, on up to some threads, and come back when all
   are done: 0 if one gave 0. */
int lamina_run(const Threads *threads, int64_t most, const void *what, Stage stage, Stage then);

#endif
