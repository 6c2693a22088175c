#include "xfed/rt/tidy.h"

#include <malloc.h>

bool rt_tidy(struct rt_tidy *t, uint64_t freed, uint64_t now_ms)
{
	if (freed != t->seen) {
		t->seen = freed;
		t->changed_ms = now_ms;
	}
	bool is_calm = now_ms - t->changed_ms >= RT_TIDY_CALM_MS, is_late = now_ms - t->done_ms >= RT_TIDY_LATEST_MS;
	if (freed - t->done < RT_TIDY_MIN || (!is_calm && !is_late)) {
		return false;
	}
	t->done = freed;
	t->done_ms = now_ms;
	malloc_trim(0);
	return true;
}
