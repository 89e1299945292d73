/* Softmax of two rows from C, and its backward: what dL/dx is where L is the first probability of each row.
 *
 *   cc softmax.c $(pkg-config --cflags --libs softwarp) -o softmax */
#include <softwarp/softwarp.h>
#include <stdio.h>

static int succeeded(softwarp_status status) {
  if (status != SOFTWARP_SUCCESS)
    fprintf(stderr, "%s: %s\n", softwarp_status_name(status), softwarp_last_error());
  return status == SOFTWARP_SUCCESS;
}

static void print(const char* name, const float* m) {
  for (int r = 0; r < 2; ++r)
    printf("%s[%d] = %8.5f %8.5f %8.5f\n", name, r, m[3 * r], m[3 * r + 1], m[3 * r + 2]);
}

int main(void) {
  const float x[6] = {1, 2, 3, 1000, 1000, 1001}, dy[6] = {1, 0, 0, 1, 0, 0};
  float y[6], dx[6];
  if (!succeeded(softwarp_softmax(SOFTWARP_CPU, SOFTWARP_FLOAT32, 2, 3, x, 3, y, 3, NULL, 0, NULL))) return 1;
  if (!succeeded(
          softwarp_softmax_backward(SOFTWARP_CPU, SOFTWARP_FLOAT32, 2, 3, y, 3, dy, 3, dx, 3, NULL, 0, NULL)))
    return 1;
  print("y", y);
  print("dx", dx);
  return 0;
}
