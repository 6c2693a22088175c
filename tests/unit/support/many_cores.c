/*
 * Preloaded by tests/tsan: the daemons and the unit tests then have three worker threads on any machine, so that jobs
 * also meet each other, not the loop alone.
 */
#include <uv.h>

unsigned int uv_available_parallelism(void)
{
	return 4;
}
