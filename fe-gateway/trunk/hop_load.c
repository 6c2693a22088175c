#include "trunk/hop_load.h"

#include "xfed/limits.h"

static bool fits(const struct hop_load *l, const struct hop_load *most, size_t percent, size_t bytes)
{
	size_t most_bytes = most->bytes / 100 * percent;
	return l->messages < most->messages * percent / 100 && bytes <= most_bytes && l->bytes <= most_bytes - bytes;
}

bool hop_load_add(struct hop_load *all, struct hop_load *hop, const struct hop_load *most, size_t bytes)
{
	if (!fits(all, most, 100, bytes) || !fits(hop, most, XFED_SIP_HOP_PERCENT, bytes)) {
		return false;
	}
	all->messages++;
	all->bytes += bytes;
	hop->messages++;
	hop->bytes += bytes;
	return true;
}

void hop_load_remove(struct hop_load *all, struct hop_load *hop, size_t bytes)
{
	XFED_REQUIRE(all->messages > 0 && hop->messages > 0 && all->bytes >= bytes && hop->bytes >= bytes);
	all->messages--;
	all->bytes -= bytes;
	hop->messages--;
	hop->bytes -= bytes;
}
