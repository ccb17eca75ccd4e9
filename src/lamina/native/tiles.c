/* Winograd's F(2x2, 3x3), for vectors of WIDTH numbers: compiled once for each kind of processor.

   A tile of two by two results takes 16 products for each channel and output where the definition
   takes 36 (Lavin and Gray, 2016). Of 16 by 16 numbers each, they are products of matrices. */

#include "rows.h"
#include "vectors.h"

#include <stddef.h>

enum { VECTORS = 2, OUTPUTS = VECTORS * WIDTH };

/* B^T d B, where d are four by four cells of a channel. */
ALWAYS void transform_input(const float *const cells[16], int64_t channel, float *to, int64_t next) {
  Vector half[4][4];
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++) {
    Vector d[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) d[i] = load(cells[4 * i + j] + channel);
    half[0][j] = d[0] - d[2];
    half[1][j] = d[1] + d[2];
    half[2][j] = d[2] - d[1];
    half[3][j] = d[1] - d[3];
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    float *row = to + 4 * i * next;
    store(row, half[i][0] - half[i][2]);
    store(row + next, half[i][1] + half[i][2]);
    store(row + 2 * next, half[i][2] - half[i][1]);
    store(row + 3 * next, half[i][1] - half[i][3]);
  }
}

/* A^T m A, where m are the 16 products of a tile for some outputs. */
ALWAYS void transform_output(const float *from, int64_t next, Vector tile[4]) {
  Vector half[2][4];
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++) {
    Vector m[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) m[i] = load(from + (4 * i + j) * next);
    half[0][j] = m[0] + m[1] + m[2];
    half[1][j] = m[1] - m[2] - m[3];
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; i++) {
    tile[2 * i] = half[i][0] + half[i][1] + half[i][2];
    tile[2 * i + 1] = half[i][1] - half[i][2] - half[i][3];
  }
}

/* Where a tile begins: image, and row and column of the result. */
static void place(const Tiles *tiles, int64_t number, int64_t at[3]) {
  const int64_t columns = (tiles->result[1] + 1) / 2, rows = (tiles->result[0] + 1) / 2;
  at[0] = number / columns / rows;
  at[1] = number / columns % rows * 2;
  at[2] = number % columns * 2;
}

/* On to the next tile. */
static void advance(const Tiles *tiles, int64_t at[3]) {
  at[2] += 2;
  if (at[2] < tiles->result[1]) return;
  at[2] = 0, at[1] += 2;
  if (at[1] < tiles->result[0]) return;
  at[1] = 0, at[0]++;
}

/* The four by four cells that a tile sees; `zeros` where they are outside of the image. */
static void find_cells(const Tiles *tiles, const int64_t at[3], const float *cells[16]) {
  const int64_t row = at[1] - tiles->before[0], column = at[2] - tiles->before[1];
  const int64_t height = tiles->size[0], width = tiles->size[1];
  const float *x = tiles->x + ((at[0] * height + row) * width + column) * tiles->channels;
  const int all = row >= 0 && row + 4 <= height && column >= 0 && column + 4 <= width;
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++)
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
      const int inside = all || (row + i >= 0 && row + i < height && column + j >= 0 && column + j < width);
      cells[4 * i + j] = inside ? x + (i * width + j) * tiles->channels : tiles->zeros;
    }
}

static void write_tile(const Tiles *tiles, const int64_t at[3], int64_t output, const float *from,
                       int64_t next) {
  const int64_t outputs = tiles->outputs, width = tiles->result[1];
  float *y = tiles->y + ((at[0] * tiles->result[0] + at[1]) * width + at[2]) * outputs + output;
  const int two_rows = at[1] + 1 < tiles->result[0], two_columns = at[2] + 1 < width;
  for (int64_t vector = 0; vector < OUTPUTS; vector += WIDTH, y += WIDTH) {
    Vector tile[4];
    transform_output(from + vector, next, tile);
    const Vector bias = tiles->bias ? load(tiles->bias + output + vector) : (Vector){0};
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
      const Vector sum = tile[i] + bias;
      tile[i] = tiles->relu ? rectified(sum) : sum;
    }
    store(y, tile[0]);
    if (two_columns) store(y + outputs, tile[1]);
    if (!two_rows) continue;
    store(y + width * outputs, tile[2]);
    if (two_columns) store(y + (width + 1) * outputs, tile[3]);
  }
}

void NAMED(lamina_cells_)(const Tiles *tiles) {
  const int64_t channels = tiles->channels;
  int64_t at[3];
  place(tiles, tiles->first, at);
  for (int64_t tile = 0; tile < tiles->count; tile++, advance(tiles, at)) {
    const float *cells[16];
    find_cells(tiles, at, cells);
    float *to = tiles->cells + tile * channels;
    for (int64_t channel = 0; channel < channels; channel += WIDTH)
      transform_input(cells, channel, to + channel, tiles->cells_matrix);
  }
}

void NAMED(lamina_tiles_)(const Tiles *tiles) {
  const int64_t channels = tiles->channels, count = tiles->count;
  const int64_t matrix = lamina_matrix(count, OUTPUTS);
  Part part = {.rows = 1, .places = count, .y_place = OUTPUTS, .height = 1, .cells = 1, .number_step = 1};
  part.run = part.place_step = channels, part.outputs = part.last = OUTPUTS;
  for (int i = 0; i < 16; i++) {
    part.x = tiles->cells + i * tiles->cells_matrix;
    part.kernel = tiles->weights + i * lamina_matrix(channels, OUTPUTS);
    part.y = tiles->products + i * matrix;
    NAMED(lamina_compute_)(&part);
  }
  int64_t at[3];
  place(tiles, tiles->first, at);
  for (int64_t tile = 0; tile < count; tile++, advance(tiles, at))
    write_tile(tiles, at, tiles->output, tiles->products + tile * OUTPUTS, matrix);
}

/* G g G^T, where g is the window of a channel and some outputs. */
ALWAYS void transform_weights(const float *from, int64_t cell, float *to, int64_t next) {
  Vector half[4][3];
#pragma GCC unroll 3
  for (int j = 0; j < 3; j++) {
    const Vector top = load(from + j * cell), low = load(from + (6 + j) * cell);
    const Vector middle = load(from + (3 + j) * cell);
    half[0][j] = top;
    half[1][j] = (top + middle + low) * 0.5f;
    half[2][j] = (top - middle + low) * 0.5f;
    half[3][j] = low;
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    float *row = to + 4 * i * next;
    store(row, half[i][0]);
    store(row + next, (half[i][0] + half[i][1] + half[i][2]) * 0.5f);
    store(row + 2 * next, (half[i][0] - half[i][1] + half[i][2]) * 0.5f);
    store(row + 3 * next, half[i][2]);
  }
}

void NAMED(lamina_weights_)(const float *kernel, int64_t channels, int64_t outputs, int64_t first,
                            int64_t last, float *weights) {
  const int64_t cell = channels * outputs, matrix = lamina_matrix(channels, OUTPUTS);
  for (int64_t channel = first; channel < last; channel++)
    for (int vector = 0; vector < OUTPUTS; vector += WIDTH)
      transform_weights(kernel + channel * outputs + vector, cell,
                        weights + channel * OUTPUTS + vector, matrix);
}
