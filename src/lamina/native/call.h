/* What all functions that XLA calls have in common. */

#ifndef LAMINA_CALL_H
#define LAMINA_CALL_H

#include "pool.h"
#include "xla.h"

#define PUBLIC __attribute__((visibility("default")))

typedef struct {
  const XlaFunctions *functions;
  XlaContext *context;
} Caller;

XlaError *lamina_failure(const XlaFunctions *functions, int code, const char *message);

/* Whether there was no error; it is forgotten. */
int lamina_none(const XlaFunctions *functions, XlaError *error);

/* Whether XLA asks for the version only; it is told. */
int lamina_asks_for_version(XlaCall *call);

/* The threads that may work at a call. */
Threads lamina_threads(Caller *pool);

int64_t lamina_volume(const int64_t *dims, int64_t axes);

#endif
