/* What this processor can do. */

#ifndef LAMINA_PROCESSOR_H
#define LAMINA_PROCESSOR_H

#include "rows.h"

/* The inner loops for vectors of one width. */
typedef struct {
  int width;
  Compute *compute;
  ComputeTiles *cells, *tiles;
  Weights *weights;
  AddUp *sums;
  Total *total;
  Pool *pool;
  Move *moments;
  ComputeEach *each;
} Kernels;

/* The widest for some outputs; NULL if there are too few. */
const Kernels *lamina_kernels(int64_t outputs);

/* The fewest outputs that can be computed; 0 if none can. */
int lamina_fewest(void);

/* Use no wider vectors than these from now on; for tests. Gives the width in use, 0 for none. */
int lamina_use_widest(int most);

#endif
