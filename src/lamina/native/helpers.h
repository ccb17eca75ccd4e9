/* Threads of the library's own, for callers that wait for a short job.

   They stay awake for a while, and keep off the caller's core. Threads of a pool that others use,
   too, go to sleep at once, and to wake one where a core sleeps takes longer than many jobs; or they
   wake on the caller's core, where both are half as fast. */

#ifndef LAMINA_HELPERS_H
#define LAMINA_HELPERS_H

#include <stdint.h>

/* Start threads until there are so many; gives how many there are, which may be fewer. */
int64_t lamina_start_helpers(int64_t wanted);

/* Let one of them, counted from 0, run a function soon: after what it is told to run before. Gives 0
   if it was told to run something that it has not begun with. */
int lamina_tell_helper(int64_t number, void (*function)(void *data), void *data);

#endif
