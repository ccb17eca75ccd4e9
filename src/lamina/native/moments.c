/* A step of Adam, for vectors of WIDTH numbers. */

#include "rows.h"
#include "vectors.h"

#include <math.h>

void NAMED(lamina_moments_)(const Moments *moments) {
  const float *restrict gradient = moments->gradient;
  float *restrict value = moments->value;
  float *restrict mean = moments->mean;
  float *restrict square = moments->square;
  const float rate = moments->rate, epsilon = moments->epsilon;
  const float to_mean = moments->to_mean, to_square = moments->to_square;
  for (int64_t i = 0; i < moments->count; i++) {
    const float slope = gradient[i];
    const float new_mean = mean[i] + (slope - mean[i]) * to_mean;
    const float new_square = square[i] + (slope * slope - square[i]) * to_square;
    mean[i] = new_mean;
    square[i] = new_square;
    value[i] -= rate * new_mean / (sqrtf(new_square) + epsilon);
  }
}
