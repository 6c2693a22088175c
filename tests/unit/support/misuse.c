/* The control of tests/valgrind: reads memory that was given back, and loses some. */
#include <stdlib.h>

int main(void)
{
	volatile char *volatile gone = malloc(16);
	if (!gone) {
		return 0; /* tests/valgrind wants another status */
	}
	gone[0] = 'x';
	free((void *)gone);
	char read = gone[0];
	gone = malloc((size_t)(read & 1) + 32);
	gone = NULL;
	return 0;
}
