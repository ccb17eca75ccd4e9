/* What this processor can do. */

#include "processor.h"

#include <limits.h>
#include <stdatomic.h>
#include <stddef.h>

#ifdef __x86_64__
#include <cpuid.h>

/* The widest vectors of this processor that the system keeps for each thread. */
static int widest(void) {
  unsigned a, b, c, d, low, high;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_FMA) || !(c & bit_OSXSAVE)) return 0;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & bit_AVX2) || (low & 0x6) != 0x6) return 0;
  const unsigned wanted = bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL;
  return (b & wanted) == wanted && (low & 0xe0) == 0xe0 ? 16 : 8;
}
#else
static int widest(void) { return 4; }
#endif

/* The widest vectors in use; below 0 before they are known. To ask the processor takes as long as a
   small convolution, in a virtual machine. */
static atomic_int known = -1;

int lamina_use_widest(int most) {
  const int found = widest();
  atomic_store(&known, found < most ? found : most);
  return atomic_load(&known);
}

#define KERNELS(width)                                                                  \
  {width, lamina_compute_##width, lamina_cells_##width, lamina_tiles_##width,           \
   lamina_weights_##width, lamina_sums_##width, lamina_total_##width, lamina_pool_##width, \
   lamina_moments_##width, lamina_each_##width}

static const Kernels all[] = {
#ifdef __x86_64__
    KERNELS(16),
    KERNELS(8),
#endif
    KERNELS(4),
};

const Kernels *lamina_kernels(int64_t outputs) {
  int width = atomic_load(&known);
  if (width < 0) width = lamina_use_widest(INT_MAX);
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (all[i].width <= width && all[i].width <= outputs) return &all[i];
  return NULL;
}

int lamina_fewest(void) {
  const Kernels *kernels = lamina_kernels(4);
  return kernels ? kernels->width : 0;
}
