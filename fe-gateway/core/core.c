#include "core/core.h"

void core_deinit(struct core *c)
{
	rt_daemon_deinit(&c->d);
	xfed_wipe(c->id_key, sizeof(c->id_key));
}
