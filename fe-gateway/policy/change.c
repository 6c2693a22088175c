/* One file is tried as a change would leave it, and held for whoever makes the change. */
#include "policy/policy_impl.h"
#include "xfed/limits.h"

static uint64_t held_for(const struct policy *p)
{
	uint64_t now = core_now(p->core);
	return p->change_until_ms > now ? p->change_until_ms - now : 0;
}

void policy_try(struct policy *p, const char *file, const char *with, const struct policy_look *look, struct rt_reply reply)
{
	uint64_t left_ms = !look ? held_for(p) : 0;
	if (strlen(file) >= POLICY_PATH_BYTES || (with && strlen(with) >= POLICY_PATH_BYTES)) {
		rt_reply_fail(reply, "bad-request", "a path of more than %d bytes", POLICY_PATH_BYTES - 1);
	} else if (left_ms > 0) {
		rt_reply_fail(
			reply, "busy", "somebody else is changing a file (for another %llu s at most)", (unsigned long long)(left_ms / 1000 + 1));
	} else if (p->reload.is_running) {
		rt_reply_fail(reply, "busy", "the files are being read already");
	} else {
		policy_begin(p, reply, true, file, with, !look);
		p->reload.look = look ? *look : (struct policy_look){ 0 };
	}
}

void policy_try_done(struct policy *p, uint64_t change)
{
	if (change == p->change) {
		p->change_until_ms = 0;
	}
}
