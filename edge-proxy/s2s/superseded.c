#include "s2s/s2s_impl.h"

#include "xfed/mem.h"

/*
 * The newest authenticated stream that came in for a pair of domains. When a partner opens another one while an older exists, the older may
 * be dead without our knowing: if it receives nothing for the establishment time it is closed with the stream error `conflict`. Some
 * servers keep several streams on purpose, so one that does receive something stays.
 */
struct s2s_newest {
	uint64_t conn;
	UT_hash_handle hh;
	char key[]; /* "local remote" */
};

static void suspect(struct s2s_conn *old)
{
	old->newest = NULL;
	if (!old->d.is_closed && old->superseded_ms == 0) {
		old->superseded_ms = core_now(old->s2s->core);
		old->superseded_bytes = rt_stream_bytes_in(old->d.stream);
	}
}

void s2s_newest_set(struct s2s_conn *c, struct xfed_span local, struct xfed_span remote)
{
	struct s2s *s = c->s2s;
	char key[2 * XFED_JID_PART_BYTES + 2];
	size_t len = local.len + remote.len + 1;
	struct s2s_newest *n = NULL;
	if (c->newest || len >= sizeof(key)) {
		return; /* a stream is registered for its first pair only */
	}
	snprintf(key, sizeof(key), "%.*s %.*s", (int)local.len, local.data, (int)remote.len, remote.data);
	HASH_FIND(hh, s->newest, key, len, n);
	if (n) {
		struct s2s_conn *old = s2s_conn_find(s, n->conn);
		if (old) {
			suspect(old);
		}
	} else {
		n = xfed_calloc(1, sizeof(*n) + len + 1);
		if (!n) {
			return;
		}
		memcpy(n->key, key, len + 1);
		HASH_ADD(hh, s->newest, key[0], len, n);
		if (!XFED_TABLE_ADDED(n)) {
			xfed_free(n);
			return;
		}
	}
	n->conn = c->id;
	c->newest = n;
}

void s2s_newest_drop(struct s2s_conn *c)
{
	if (c->newest) {
		HASH_DELETE(hh, c->s2s->newest, c->newest);
		xfed_free(c->newest);
		c->newest = NULL;
	}
}

/* To be called once a second. */
void s2s_newest_tick(struct s2s *s, uint64_t now_ms)
{
	struct s2s_conn *c, *next;
	HASH_ITER(hh, s->conns, c, next) {
		if (c->d.is_closed || c->superseded_ms == 0 || now_ms < c->superseded_ms + s->config->limits.establish_timeout_ms) {
			continue;
		}
		if (c->d.is_paused) {
			c->superseded_ms = now_ms; /* we are not reading it: the time starts when we do */
			continue;
		}
		bool is_silent = rt_stream_bytes_in(c->d.stream) == c->superseded_bytes;
		c->superseded_ms = 0;
		if (is_silent) {
			s2s_conn_close(c, XFED_REASON_STREAM_REPLACED, "a newer stream of the pair took over");
		}
	}
}
