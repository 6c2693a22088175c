#include "edge.h"

#include "xfed/mem.h"

/*
 * The newest authenticated stream that came in for a pair of domains. A partner that opens another one while an older is
 * there may have lost that one without our knowing: the older has the establishment time to show a sign of life, then it
 * goes with the stream error `conflict`.
 */
struct edge_newest {
	uint64_t conn;
	UT_hash_handle hh;
	char key[]; /* "local remote" */
};

static void suspect(struct edge *e, uint64_t id)
{
	struct edge_conn *old = edge_conn_find(e, id);
	if (!old || old->is_closed || old->succeeded_ms > 0) {
		return;
	}
	old->succeeded_ms = rt_loop_now_ms(e->core.d.loop);
	old->succeeded_bytes = rt_stream_bytes_in(old->stream);
}

void edge_newest_set(struct edge_conn *c, struct xfed_span local, struct xfed_span remote)
{
	struct edge *e = c->edge;
	char key[2 * XFED_JID_PART_BYTES + 2];
	size_t len = local.len + remote.len + 1;
	struct edge_newest *n = NULL;
	if (c->newest || len >= sizeof(key)) {
		return; /* the stream's first pair speaks for it */
	}
	snprintf(key, sizeof(key), "%.*s %.*s", (int)local.len, local.data, (int)remote.len, remote.data);
	HASH_FIND(hh, e->newest, key, len, n);
	if (n) {
		suspect(e, n->conn);
		struct edge_conn *old = edge_conn_find(e, n->conn);
		if (old) {
			old->newest = NULL;
		}
	} else {
		n = xfed_calloc(1, sizeof(*n) + len + 1);
		if (!n) {
			return;
		}
		memcpy(n->key, key, len + 1);
		HASH_ADD(hh, e->newest, key[0], len, n);
		if (!XFED_TABLE_ADDED(n)) {
			xfed_free(n);
			return;
		}
	}
	n->conn = c->id;
	c->newest = n;
}

void edge_newest_drop(struct edge_conn *c)
{
	if (c->newest) {
		HASH_DELETE(hh, c->edge->newest, c->newest);
		xfed_free(c->newest);
		c->newest = NULL;
	}
}

/* Once a second. */
void edge_newest_tick(struct edge *e, uint64_t now_ms)
{
	struct edge_conn *c, *next;
	HASH_ITER(hh, e->conns, c, next) {
		if (c->is_closed || c->succeeded_ms == 0 || now_ms < c->succeeded_ms + e->config->limits.establish_timeout_ms) {
			continue;
		}
		bool is_silent = rt_stream_bytes_in(c->stream) == c->succeeded_bytes;
		c->succeeded_ms = 0;
		if (is_silent) {
			edge_conn_close(c, XFED_REASON_STREAM_REPLACED, "a newer stream of the pair took over");
		}
	}
}
