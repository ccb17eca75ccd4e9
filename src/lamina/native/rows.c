/* The inner loops, for vectors of WIDTH numbers: compiled once for each kind of processor.

   A block of places times a few vectors of outputs is kept in registers while the window is walked
   through. */

#include "rows.h"
#include "vectors.h"

#include <stddef.h>

/* Most places of a block with one, two and four vectors of outputs. */
#if defined(__x86_64__) && WIDTH < 16 /* with half as many registers */
enum { MOST_1 = 12, MOST_2 = 6, MOST_4 = 0 };
#else
enum { MOST_1 = 14, MOST_2 = 10, MOST_4 = 6 };
#endif

/* Weights of some vectors of outputs: all that are taken at once, and the piece of more than that. */
enum { WHOLE_BYTES = 96 << 10, PIECE_BYTES = 24 << 10 };

/* A piece of the window, and where a block of places and outputs begins. */
typedef struct {
  const float *x, *kernel, *bias; /* `bias` is there for the first piece, if at all */
  float *y;
  int64_t height, cells, run;
  int first, last; /* whether sums begin, and end, with this piece */
} Piece;

ALWAYS void block(const Part *part, const Piece *piece, int places, int vectors) {
  Vector sums[14][4];
  const int64_t step = part->place_step, outputs = part->outputs;
#pragma GCC unroll 16
  for (int p = 0; p < places; p++) {
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) {
      const float *begin = piece->first ? piece->bias : piece->y + p * part->y_place;
      sums[p][v] = begin ? load(begin + v * WIDTH) : (Vector){0};
    }
  }
  const float *weights = piece->kernel;
  for (int64_t row = 0; row < piece->height; row++) {
    for (int64_t cell = 0; cell < piece->cells; cell++) {
      /* Three places for each pointer: with one for each place they would not fit in registers. */
      const float *from[5];
      from[0] = piece->x + row * part->row_gap + cell * part->cell_gap;
#pragma GCC unroll 4
      for (int i = 1; i < 5; i++) from[i] = from[i - 1] + 3 * step;
      const int64_t end = piece->run * part->number_step;
      for (int64_t at = 0; at < end; at += part->number_step) {
        Vector factors[4];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) factors[v] = load(weights + v * WIDTH);
        weights += outputs;
#pragma GCC unroll 16
        for (int p = 0; p < places; p++) {
          const float number = from[p / 3][(p % 3) * step + at];
#pragma GCC unroll 4
          for (int v = 0; v < vectors; v++) sums[p][v] += factors[v] * number;
        }
      }
    }
  }
  const int relu = piece->last && part->relu;
#pragma GCC unroll 16
  for (int p = 0; p < places; p++) {
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) {
      const Vector sum = relu ? rectified(sums[p][v]) : sums[p][v];
      store(piece->y + p * part->y_place + v * WIDTH, sum);
    }
  }
}

typedef void Block(const Part *part, const Piece *piece);

#define BLOCK(places, vectors)                                                         \
  static void block_##places##_##vectors(const Part *part, const Piece *piece) {       \
    block(part, piece, places, vectors);                                               \
  }
#define BLOCKS(vectors)                                                                \
  BLOCK(1, vectors) BLOCK(2, vectors) BLOCK(3, vectors) BLOCK(4, vectors)              \
  BLOCK(5, vectors) BLOCK(6, vectors)
#define NAMES(vectors)                                                                 \
  NULL, block_1_##vectors, block_2_##vectors, block_3_##vectors, block_4_##vectors,    \
      block_5_##vectors, block_6_##vectors

BLOCKS(1) BLOCKS(2) BLOCKS(4)
BLOCK(7, 1) BLOCK(8, 1) BLOCK(9, 1) BLOCK(10, 1) BLOCK(11, 1) BLOCK(12, 1) BLOCK(13, 1)
BLOCK(14, 1) BLOCK(7, 2) BLOCK(8, 2) BLOCK(9, 2) BLOCK(10, 2)

static Block *const ones[] = {NAMES(1),   block_7_1,  block_8_1,  block_9_1, block_10_1,
                              block_11_1, block_12_1, block_13_1, block_14_1};
static Block *const twos[] = {NAMES(2), block_7_2, block_8_2, block_9_2, block_10_2};
static Block *const fours[] = {NAMES(4)};

/* All places of a part, for a piece of the window and as many outputs as some vectors hold. */
static void run_piece(const Part *part, const Piece *piece, int64_t output, int vectors) {
  Block *const *blocks = vectors == 4 ? fours : vectors == 2 ? twos : ones;
  const int64_t most = vectors == 4 ? MOST_4 : vectors == 2 ? MOST_2 : MOST_1;
  const int64_t count = (part->places + most - 1) / most;
  for (int64_t row = 0; row < part->rows; row++) {
    Piece here = *piece;
    here.x += row * part->row_step;
    here.y = part->y + row * part->y_row + output;
    for (int64_t left = count, rest = part->places; left > 0; left--) {
      const int64_t size = (rest + left - 1) / left;
      blocks[size](part, &here);
      here.x += size * part->place_step;
      here.y += size * part->y_place;
      rest -= size;
    }
  }
}

/* All places of a part, for as many outputs as some vectors hold.

   The weights of large windows are taken piece by piece, so that they stay in a core's first cache
   while all places go by. */
static void run_vectors(const Part *part, int64_t output, int vectors) {
  const int64_t row = part->cells * part->run, numbers = part->height * row;
  const float *bias = part->bias ? part->bias + output : NULL;
  Piece piece = {.x = part->x, .kernel = part->kernel + output, .bias = bias};
  if (numbers * vectors * WIDTH * (int64_t)sizeof(float) <= WHOLE_BYTES) {
    piece.height = part->height, piece.cells = part->cells, piece.run = part->run;
    piece.first = !part->adds, piece.last = 1;
    run_piece(part, &piece, output, vectors);
    return;
  }
  const int64_t most = PIECE_BYTES / (vectors * WIDTH * (int64_t)sizeof(float));
  const int64_t count = (part->run + most - 1) / most;
  piece.height = piece.cells = 1;
  for (int64_t cell = 0; cell < part->height * part->cells; cell++) {
    piece.x = part->x + cell / part->cells * part->row_gap + cell % part->cells * part->cell_gap;
    for (int64_t left = count, rest = part->run; left > 0; left--) {
      piece.run = (rest + left - 1) / left;
      piece.first = cell == 0 && left == count && !part->adds;
      piece.last = cell == part->height * part->cells - 1 && left == 1;
      run_piece(part, &piece, output, vectors);
      piece.x += piece.run * part->number_step;
      piece.kernel += piece.run * part->outputs;
      rest -= piece.run;
    }
  }
}

static int vectors_for(const Part *part, int64_t outputs) {
  if (MOST_4 > 0 && outputs >= 4 * WIDTH && (part->places <= 8 || part->places % 6 == 0)) return 4;
  return outputs > WIDTH ? 2 : 1;
}

void NAMED(lamina_compute_)(const Part *part) {
  for (int64_t output = part->first; output < part->last;) {
    int vectors = vectors_for(part, part->last - output);
    if (part->last - part->first < vectors * WIDTH) vectors = 1;
    /* The last vectors may repeat what those before them did. */
    const int64_t end = part->last - vectors * WIDTH;
    if (output > end) output = end;
    run_vectors(part, output, vectors);
    output += vectors * WIDTH;
  }
}
