/* What XLA and a custom call of a program tell each other: the part of XLA's foreign function
   interface, version 0.3, that is used here. XLA refuses a library that states another version. */

#ifndef LAMINA_XLA_H
#define LAMINA_XLA_H

#include <stddef.h>
#include <stdint.h>

enum { XLA_MAJOR = 0, XLA_MINOR = 3, XLA_METADATA = 1, XLA_INVALID = 3, XLA_EXHAUSTED = 8 };
enum { XLA_BOOL = 1, XLA_INT32 = 4, XLA_FLOAT32 = 11 };

typedef struct XlaError XlaError;
typedef struct XlaContext XlaContext;

typedef struct XlaExtension {
  size_t size;
  int kind;
  struct XlaExtension *next;
} XlaExtension;

typedef struct {
  size_t size;
  XlaExtension *extensions;
  int major, minor;
} XlaVersion;

typedef struct {
  size_t size;
  XlaVersion version;
  uint32_t traits;
} XlaMetadata;

typedef struct {
  XlaExtension base;
  XlaMetadata *metadata;
} XlaMetadataExtension;

typedef struct {
  size_t size;
  XlaExtension *extensions;
  int type;
  void *data;
  int64_t rank;
  int64_t *dims;
} XlaBuffer;

typedef struct {
  int type;
  size_t size;
  void *data;
} XlaArray;

typedef struct {
  size_t size;
  XlaExtension *extensions;
  int64_t count;
  int *kinds;
  void **items;
} XlaItems;

typedef struct {
  size_t size;
  XlaExtension *extensions;
  int64_t count;
  int *kinds;
  void *names;
  void **items;
} XlaAttributes;

typedef struct {
  size_t size;
  XlaExtension *extensions;
  const char *message;
  int code;
} XlaErrorArguments;

typedef struct {
  size_t size;
  XlaExtension *extensions;
  XlaError *error;
} XlaForgetArguments;

typedef struct {
  size_t size;
  XlaExtension *extensions;
  XlaContext *context;
  void (*task)(void *data);
  void *data;
} XlaScheduleArguments;

typedef struct {
  size_t size;
  XlaExtension *extensions;
  XlaContext *context;
  int64_t *threads;
} XlaThreadsArguments;

typedef struct XlaFuture XlaFuture;

typedef struct {
  size_t size;
  XlaExtension *extensions;
  XlaFuture *future;
} XlaFutureArguments;

typedef struct {
  size_t size;
  XlaExtension *extensions;
  XlaFuture *future;
  XlaError *error; /* XLA's from then on */
} XlaFutureErrorArguments;

typedef struct {
  size_t size;
  XlaExtension *extensions;
  XlaVersion version;
  const void *internal;
  XlaError *(*error)(XlaErrorArguments *arguments);
  void (*message)(void);
  void (*forget)(XlaForgetArguments *arguments);
  void (*unused[8])(void);
  XlaError *(*schedule)(XlaScheduleArguments *arguments);
  XlaError *(*threads)(XlaThreadsArguments *arguments);
  XlaError *(*future)(XlaFutureArguments *arguments);
  XlaError *(*available)(XlaFutureArguments *arguments);
  XlaError *(*broken)(XlaFutureErrorArguments *arguments);
} XlaFunctions;

typedef struct {
  size_t size;
  XlaExtension *extensions;
  const XlaFunctions *functions;
  XlaContext *context;
  int stage;
  XlaItems arguments;
  XlaItems results;
  XlaAttributes attributes;
  XlaFuture *future; /* given where results come later; arrays stay until then */
} XlaCall;

#endif
