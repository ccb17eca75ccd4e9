/* What is done number by number, for vectors of WIDTH numbers: compiled once for each kind of
   processor. */

#include "rows.h"
#include "sizes.h"
#include "vectors.h"

#include <stddef.h>

void NAMED(lamina_each_)(const Each *each) {
  const float *x = each->x, *other = each->other;
  float *y = each->y;
  for (int64_t row = 0; row < each->rows; row++) {
    /* The last vector may repeat what the one before it did. */
    for (int64_t at = 0; at < each->channels; at += WIDTH) {
      const int64_t c = least(at, each->channels - WIDTH);
      Vector values = load(x + c);
      if (each->mean) values = (values - load(each->mean + c)) * load(each->scale + c);
      if (each->shift) values += load(each->shift + c);
      if (other) values += load(other + c);
      store(y + c, each->relu ? rectified(values) : values);
    }
    x += each->channels, y += each->channels;
    if (other) other += each->channels;
  }
}
