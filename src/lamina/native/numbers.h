/* What is done number by number, on all threads of a pool. */

#ifndef LAMINA_NUMBERS_H
#define LAMINA_NUMBERS_H

#include "pool.h"
#include "processor.h"

/* Gives 0 if there was no memory. There are at least `lamina_fewest` channels. */
int lamina_for_each(const Each *each, const Threads *threads);

#endif
