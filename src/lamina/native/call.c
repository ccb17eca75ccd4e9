/* What all functions that XLA calls have in common. */

#include "call.h"

XlaError *lamina_failure(const XlaFunctions *functions, int code, const char *message) {
  XlaErrorArguments arguments = {sizeof arguments, NULL, message, code};
  return functions->error(&arguments);
}

int lamina_none(const XlaFunctions *functions, XlaError *error) {
  if (!error) return 1;
  XlaForgetArguments arguments = {sizeof arguments, NULL, error};
  functions->forget(&arguments);
  return 0;
}

static void schedule(void *pool_data, void (*function)(void *data), void *data) {
  const Caller *pool = pool_data;
  XlaScheduleArguments arguments = {sizeof arguments, NULL, pool->context, function, data};
  if (!lamina_none(pool->functions, pool->functions->schedule(&arguments))) function(data);
}

static int64_t count_threads(const Caller *pool) {
  int64_t threads = 1;
  XlaThreadsArguments arguments = {sizeof arguments, NULL, pool->context, &threads};
  return lamina_none(pool->functions, pool->functions->threads(&arguments)) ? threads : 1;
}

/* Tells what is none of XLA's threads, see `lamina_know_callers`. */
static void *(*find_caller)(void);

/* `found` gives something to threads from which programs are called, and NULL to those of XLA. */
PUBLIC void lamina_know_callers(void *(*found)(void)) { find_caller = found; }

static int is_called_here(void) { return find_caller && find_caller(); }

Threads lamina_threads(Caller *pool) {
  const Threads threads = {
      .count = count_threads(pool), .own = is_called_here(), .pool = pool, .schedule = schedule};
  return threads;
}

int64_t lamina_volume(const int64_t *dims, int64_t axes) {
  int64_t size = 1;
  for (int64_t axis = 0; axis < axes; axis++) size *= dims[axis];
  return size;
}

/* Whether XLA asks for the version only; it is told. */
int lamina_asks_for_version(XlaCall *call) {
  if (!call->extensions || call->extensions->kind != XLA_METADATA) return 0;
  XlaVersion *version = &((XlaMetadataExtension *)call->extensions)->metadata->version;
  version->major = XLA_MAJOR;
  version->minor = XLA_MINOR;
  return 1;
}
